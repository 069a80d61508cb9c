"""Reads an SLO file; whatever is wrong with it is named with file and line, together with what is expected there."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from validation.errors import UsageError
from validation.profile import Profile

Location = tuple[int | str, ...]


def read_profile(path: Path) -> Profile:
    """Return the profile in `path`; UsageError names file and line of the first mistakes."""
    text = _text(path)
    root = _compose(path, text)
    repeated = list(_repeated_keys(root))
    if repeated:
        raise UsageError("\n".join(f"{path}:{line}: key {key!r} stands here twice; the first would be lost" for key, line in repeated))
    try:
        return Profile.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise UsageError("\n".join(_explain(path, root, error))) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as an SLO file ({error}); name one with --slo FILE") from None


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{path}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}:1: not YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}:1: expected a mapping with version, profile, vectors, rate, ... as in validation/slo.lab.yaml")
    return root


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _explain(path: Path, root: yaml.Node, error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
        seen = "" if isinstance(problem["input"], dict) else f" (found {problem['input']!r})"
        yield f"{path}:{_line(root, where)}: {'.'.join(map(str, where)) or 'the file'}: {message}{seen}"


def _line(node: yaml.Node, where: Location) -> int:
    """Return the line of the deepest part of `where` that the file has: of a missing key, the line of its parent."""
    line = node.start_mark.line + 1
    for step in where:
        found = _step(node, step)
        if found is None:
            break
        line, node = found
    return line


def _step(node: yaml.Node, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
