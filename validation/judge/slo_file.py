"""Reads an SLO file; whatever is wrong with it is named with file and line, together with what is expected there."""

import itertools
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from validation.judge.errors import UsageError
from validation.judge.profile import Profile

_LIKE = "as in validation/slo.lab.yaml"
_DEEPEST = 20  # PyYAML calls itself for every level; a file of brackets would end in Python's own limit, without a line


def read_profile(path: Path) -> Profile:
    """Return the profile in `path`; UsageError names file and line of the first mistakes.

    Of a value that cannot be right its code names the first mistake, such as `slo.cannot_bind` of a limit that is never missed.
    """
    loader = _open(path)
    root = _compose(loader)
    try:
        return Profile.model_validate(loader.construct_document(root))
    except yaml.MarkedYAMLError as error:
        raise _at(error.problem_mark or root.start_mark, f"{error.problem}; write plain values, {_LIKE}") from None
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            where, message = (*problem["loc"], *problem.get("ctx", {}).get("at", ())), problem["msg"].removeprefix("Value error, ")
            seen = "" if isinstance(problem["input"], dict | list) else f" (found {problem['input']!r})"
            lines.append(f"{path}:{_line(root, where)}: {'.'.join(map(str, where)) or 'the file'}: {message}{seen}")
        raise UsageError("\n".join(lines), code=f"slo.{error.errors()[0]['type']}") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader; it refuses what would be lost or never end, and names the line of a value that cannot be made."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.name, self.depth = str(path), 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _at(self.get_mark(), f"nested more than {_DEEPEST} deep; expected as little nesting {_LIKE}")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: dict[Any, Any]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                message = "a list or mapping stands where a key is expected (a template left unfilled?)"
                raise _at(key.start_mark, f"{message}; write NAME: VALUE, {_LIKE}")
            if key.value in seen:
                raise _at(key.start_mark, f"key {key.value!r} stands here twice; the first would be lost")
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - whatever the file says
        if node.tag not in self.yaml_constructors:
            raise _at(node.start_mark, f"tag {node.tag!r} means nothing here; write the value without one, and text in quotes")
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # PyYAML checks the look of a value only
            kind = node.tag.rpartition(":")[2]
            raise _at(node.start_mark, f"{node.value!r:.60} looks like a value of type {kind}, but is none; put text in quotes") from None


def _at(mark: yaml.Mark, message: str) -> UsageError:
    return UsageError(f"{mark.name}:{mark.line + 1}: {message}")


def _open(path: Path) -> _Loader:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as an SLO file ({error}); name one with --slo FILE") from None
    try:
        return _Loader(path, text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{path}:{line}: not YAML: character U+{error.character:04X}: {error.reason}") from None


def _compose(loader: _Loader) -> yaml.MappingNode:
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _at(error.problem_mark or loader.get_mark(), f"not YAML: {error.problem}") from None
    except (ValueError, OverflowError) as error:
        raise _at(loader.get_mark(), f"not YAML: an escape in quotes that names no character ({error})") from None
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{loader.name}:1: expected a mapping with version, profile, vectors, rate, ... {_LIKE}")
    return root


def _line(node: yaml.Node, where: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of `where` that the file has: of a missing key, the line of its parent."""
    line = node.start_mark.line + 1
    for step, following in itertools.zip_longest(where, where[1:]):
        is_one_list = isinstance(node, yaml.SequenceNode) and not any(isinstance(item, yaml.SequenceNode) for item in node.value)
        if isinstance(step, int) and isinstance(following, int) and is_one_list:
            continue  # a list of criteria is read as the only alternative; that level is not in the file
        below = _step(node, step)
        if below is None:
            break
        line, node = below
    return line


def _step(node: yaml.Node, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # what `<<` merges stands first, and what it would replace wins
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
