"""YAML files: settings, read with the line of every key, and what is written for people who compare.

The only reader of stacks/Pulumi.ENVIRONMENT.yaml. Refuses what cannot be read, what stands outside `config`, a key twice, and what YAML
parsers read as different things (a date, 0x1f, 1:30): a command would judge another value than `pulumi up` applies.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from stacks.problems import PROJECT, Location, Locations, Problem, SettingsError, failure, problem, shown_as
from stacks.problems import Path as Keys

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp")}
_OF_PULUMI = {"config", "encryptionsalt", "encryptedkey", "secretsprovider"}
_UNREADABLE = "none of its settings can be read"
_WIDTH = 140


class _Loader(yaml.SafeLoader):
    """Leave a date as text, to be refused by its key."""

    yaml_constructors: ClassVar = {**yaml.SafeLoader.yaml_constructors, f"{_TAG}timestamp": yaml.SafeLoader.construct_yaml_str}


@dataclass(frozen=True, kw_only=True)
class SettingsFile:
    """What stands in a file."""

    config: dict[str, Any]  # values by whole key, such as `milvus-x10000:namespace`
    locations: Locations
    problems: list[Problem]  # what is wrong with the file itself, though it could be read


def read(path: Path) -> SettingsFile:
    """Read a file of settings; SettingsError for one from which nothing can be read."""
    name = shown(path)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(problems=[_unreadable(name, error)]) from None
    if root is None:
        raise failure("file_is_empty", location=Location(file=name))
    entries = _config_of(root, name)
    problems = [*_outside(root, name), *_faults(entries, name)]
    try:
        config = loader.construct_document(entries)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(problems=problems or [_unreadable(name, error)]) from None
    return SettingsFile(config=config, locations={(): Location(file=name), **dict(_lines(entries, name))}, problems=problems)


def shown(path: Path) -> str:
    """Return the name of a file as seen from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _unreadable(name: str, error: Exception) -> Problem:
    line, code, wrong = None, "settings.yaml", f"cannot be read: {error}"
    cure = "mend that line: two spaces a level, `key: value`, as in stacks/Pulumi.prod.yaml"
    if isinstance(error, UnicodeDecodeError):
        line, code, cure = error.object[: error.start].count(b"\n") + 1, "settings.encoding", "save it as UTF-8"
        wrong = f"is not UTF-8 text: byte 0x{error.object[error.start]:02x}"
    elif isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        wrong = f"is no YAML: {', '.join(part for part in (error.context, error.problem) if part)}"
    elif isinstance(error, yaml.YAMLError):
        wrong = f"is no YAML: {str(error).splitlines()[0]}"
    elif isinstance(error, RecursionError):
        wrong = "is nested too deeply"
    if "\\t" in wrong:
        wrong = "has a tab where YAML wants spaces"
    return Problem(code=code, location=Location(file=name, line=line), wrong=wrong, breaks=_UNREADABLE, cure=cure)


def _at(name: str, node: yaml.Node) -> Location:
    return Location(file=name, line=node.start_mark.line + 1)


def _config_of(root: yaml.Node, name: str) -> yaml.MappingNode:
    """Return the settings; SettingsError for a file without."""
    entries = [(key, value) for key, value in root.value if key.value == "config"] if isinstance(root, yaml.MappingNode) else []
    if not entries:
        raise failure("file_without_config", location=_at(name, root))
    key, value = entries[-1]
    if not isinstance(value, yaml.MappingNode):
        kind = "a list" if isinstance(value, yaml.SequenceNode) else "empty" if value.tag == f"{_TAG}null" else "a text"
        raise failure("file_config_kind", location=_at(name, key), kind=kind)
    return value


def _outside(root: yaml.Node, name: str) -> Iterator[Problem]:
    """What stands beside `config`, where Pulumi looks for nothing."""
    keys = set()
    for key, _ in root.value:
        if key.value in keys:
            yield problem("file_key_twice", (str(key.value),), location=_at(name, key))
        elif key.value == "environment":
            yield problem("file_esc", location=_at(name, key))
        elif key.value not in _OF_PULUMI:
            yield problem("file_key_outside", location=_at(name, key), key=key.value)
        keys.add(key.value)


def _lines(node: yaml.Node, name: str, path: Keys = ()) -> Iterator[tuple[Keys, Location]]:
    for keys, marked, value in _members(node, path):
        yield keys, _at(name, marked)
        yield from _lines(value, name, keys)


def _members(node: yaml.Node, path: Keys) -> Iterator[tuple[Keys, yaml.Node, yaml.Node]]:
    """What is directly below: path, the node whose line is meant, value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            if not path:  # a setting of ours by its name; any other by its whole key, with a colon also where it names no project
                name = name.removeprefix(f"{PROJECT}:") if ":" in name else f":{name}"
            yield (*path, name), key, value
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, str(number)), value, value


def _faults(node: yaml.Node, name: str, path: Keys = (), around: tuple[yaml.Node, ...] = ()) -> Iterator[Problem]:
    if node in around:
        raise failure("file_part_of_itself", path=path, location=_at(name, node))
    seen = set()
    for keys, marked, value in _members(node, path):
        location = _at(name, marked)
        if keys in seen:
            yield problem("file_key_twice", keys, location=location)
        seen.add(keys)
        if value.tag not in _TAGS:
            raise failure("file_tag", path=keys, location=location, tag=value.tag)
        kind, is_bare = value.tag.removeprefix(_TAG), isinstance(value, yaml.ScalarNode) and value.style is None
        fault = "file_date" if kind == "timestamp" else "file_number" if kind in {"int", "float"} else ""
        if is_bare and fault and not (fault == "file_number" and _PLAIN_NUMBER.fullmatch(value.value)):
            yield problem(fault, keys, location=location, value=shown_as(value.value), text=value.value)
        yield from _faults(value, name, keys, (*around, node))


class _Dumper(yaml.SafeDumper):
    """Never write an anchor, since two equal parts are not one; several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  PyYAML's signature
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar(f"{_TAG}str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def dump(value: object) -> str:
    """Return `value` as YAML: keys in order, long text as lines of its own, the same bytes every time."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=_WIDTH))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file in one step: who reads it sees the old or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # /dev/null or /dev/stdout: a file in its place would break every program of the machine
        path.write_bytes(whole)
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(whole)
    fresh.replace(path)
