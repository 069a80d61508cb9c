"""What keeps good settings from being deployed: placeholders of the examples, and a bucket that another environment has.

Two environments never share one place on one store: each Milvus deletes every object there that it does not know. The files of the others
are looked at as they are, and only for that place. The mark on the bucket refuses it a second time, also for other checkouts.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from stacks import yaml_files
from stacks.problems import Path as Keys
from stacks.problems import Problem, SettingsError, WrongValueError, located, set_command, shown_as
from stacks.settings import Settings, default_bucket, plain
from stacks.settings.group import parsed
from stacks.settings.milvus import MilvusSettings
from stacks.settings.object_store import CosiSettings

_RESERVED = re.compile(r"(?<![-a-z0-9])example\.(net|com|org)(?![-.a-z0-9])|\.example(?=[:/\]\s]|$)", re.IGNORECASE)
"""Names that RFC 2606 sets aside for documents."""
FOLDER = Path(__file__).parent.parent
_CA = FOLDER / "example-ca.crt"


def placeholders(value: Any, path: Keys = ()) -> Iterator[Problem]:  # noqa: ANN401  plain data of any shape
    """Every placeholder in settings, as plain data by name; lists and groups may be texts of JSON, as Pulumi stores them."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with suppress(WrongValueError):
            value = parsed(value)
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if _RESERVED.search(str(key)):
                cure = "rename this key, in the file and line above, to an address of yours"
                yield _placeholder((*path, str(key)), str(key), "is an address of an example", cure)
            yield from placeholders(item, (*path, str(key)))
    elif isinstance(value, str) and _RESERVED.search(value):
        yield _placeholder(path, value, "is an address of an example", set_command(path, "yours"))
    elif isinstance(value, str) and path[-1].endswith("ca_file") and _is_example(value):
        yield _placeholder(path, value, "is the certificate of the examples, which trusts nothing", set_command(path, "FILE"))


def _is_example(name: str) -> bool:
    try:
        return Path(name).expanduser().read_bytes() == _CA.read_bytes()
    except OSError:
        return False  # refused as no file at all


def _placeholder(path: Keys, value: str, wrong: str, cure: str) -> Problem:
    breaks = "there is nothing behind it"
    return Problem(code="settings.placeholder", path=path, value=shown_as(value), wrong=wrong, breaks=breaks, cure=cure)


_UNKNOWN = "nobody can tell whether both keep Milvus's data in one place, where each would delete what the other wrote"


def bucket_conflicts(settings: Settings, name: str, folder: Path = FOLDER) -> Iterator[Problem]:
    """Every other environment of the checkout that keeps Milvus's data in the same place, or may; COSI gives no name twice."""
    if isinstance(settings.object_store, CosiSettings):
        return
    own = (settings.object_store.endpoint, settings.milvus_bucket, settings.milvus.root_path)
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        other, key = path.name.removeprefix("Pulumi.").removesuffix(".yaml"), ("object_store", "milvus_bucket")
        if other == name:
            continue
        try:
            place = _place(yaml_files.read(path))
        except SettingsError as error:
            wrong = f"the file of another environment, {other!r}, {error.problems[0].wrong}"
            cure = f"mend it, and look: ./rag values {other}; or move it elsewhere"
            yield replace(error.problems[0], code="settings.neighbour", value="", purpose="", wrong=wrong, breaks=_UNKNOWN, cure=cure)
            continue
        if place == own:
            wrong = f"the environments {name!r} and {other!r} both keep Milvus's data in bucket {own[1]!r} below {own[2]!r} on {own[0]}"
            breaks, cure = "each would delete what the other wrote", set_command(key, f"{name}-milvus")
            yield Problem(code="settings.shared_place", path=key, value=repr(own[1]), wrong=wrong, breaks=breaks, cure=cure)


def _place(file: yaml_files.SettingsFile) -> tuple[str | None, str, str]:
    """Endpoint, bucket and root path; SettingsError for a file that does not say them."""
    raw, wrong = plain(file.config)
    for name in ("object_store", "milvus"):
        if not isinstance(raw.get(name), Mapping | None):
            wrong.append(Problem(code="settings.type", path=(name,), wrong=f"has milvus-x10000:{name} that is no group of settings"))
    if wrong:
        raise SettingsError(problems=located(wrong, file.locations))
    store, milvus = raw.get("object_store") or {}, raw.get("milvus") or {}
    if store.get("driver") == "cosi":
        return None, "", ""
    namespace = str(raw.get("namespace", Settings.model_fields["namespace"].default))
    root_path = milvus.get("root_path", MilvusSettings.model_fields["root_path"].default)
    return str(store.get("endpoint")).rstrip("/"), str(store.get("milvus_bucket", default_bucket(namespace))), str(root_path)
