"""Where a credential stands in plain text: names of keys, environment variables, configuration files within ConfigMaps and chart values.

Finds places, never repeats a value. A reference (`secretKeyRef`, `existingSecret`), an empty value, or a placeholder is no credential.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.subject import Subject, containers

_NAMES = re.compile(
    r"(?i)(password|passwd|passphrase|secretkey|secretaccesskey|accesskey|accesskeyid|apikey|authtoken|bearertoken|privatekey)$"
)
_LINE = re.compile(r"^[ \t-]*[\"']?(?P<name>[-\w.]+)[\"']?[ \t]*[:=][ \t]*(?P<value>[^#\n]*?)[ \t]*(#.*)?$", re.MULTILINE)
_PRIVATE_KEY = "PRIVATE KEY-----"
_EMPTY = {"", '""', "''", "null", "~", "{}", "[]", "|", ">"}
_PLACEHOLDER = re.compile(r"^<.*>$|^\$\{.*\}$|^\$\(.*\)$")
_WELL_KNOWN = frozenset({"minioadmin", "Milvus", "changeit", "changeme", "password"})
_SECRET_KINDS = {"Secret"}
_NOT_OURS = {"Credential"}  # what makes a credential; its outputs are secret


def found_in(subject: Subject) -> Iterator[str]:
    """Places in an object at which a credential can be read."""
    if subject.kind in _NOT_OURS:
        return
    if subject.kind in _SECRET_KINDS:
        yield from _well_known(subject.content.get("stringData"))
        return
    for container in containers(subject):
        yield from _in_container(container)
    if subject.kind in {"ConfigMap", "Release"}:
        yield from _walk(subject.content, "")


def _in_container(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if _is_credential(str(variable.get("name", "")), variable.get("value")):
            yield f"environment variable {variable['name']} of container {container.get('name')!r}"
    for argument in (*(container.get("command") or ()), *(container.get("args") or ())):
        if _PRIVATE_KEY in str(argument) or any(_is_credential(*pair) for pair in _lines(str(argument).lstrip("-"))):
            yield f"an argument of container {container.get('name')!r}"


def _well_known(data: object) -> Iterator[str]:
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if value in _WELL_KNOWN and _NAMES.search(_bare(str(key))):
            yield f"key {key} holds a value that everybody knows"


def _walk(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401  plain data of any shape
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}".lstrip(".")
            if _is_credential(str(key), item):
                yield here
            yield from _walk(item, here)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, f"{path}[{number}]")
    elif isinstance(value, str) and "\n" in value:
        yield from (f"{path}: {name}" for name, content in _lines(value) if _is_credential(name, content))
        if _PRIVATE_KEY in value:
            yield f"{path}: a private key"


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of a configuration file, whatever its language."""
    for found in _LINE.finditer(text):
        yield found["name"], found["value"]


def _is_credential(name: str, value: object) -> bool:
    if not isinstance(value, str) or value.strip() in _EMPTY or _PLACEHOLDER.search(value.strip().strip("\"'")):
        return False
    return bool(_NAMES.search(_bare(name)))


def _bare(name: str) -> str:
    return re.sub(r"[-_.]", "", name.rpartition(".")[2])
