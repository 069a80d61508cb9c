"""Every wrong setting at once, each with its key, the value seen, why it matters and an example that would do."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

import pulumi
from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_TAGGED = 2  # Annotated[class, Tag]
_USER_IN_URL = re.compile(r"//[^/@]*@")


class SettingsError(pulumi.RunError):
    """The settings cannot be used; Pulumi prints the message without a traceback and changes nothing."""

    exit_code = 2
    """Of a command that ends with it."""

    def __init__(self, message: str, *, code: str = "settings") -> None:
        super().__init__(message)
        self.code = code
        """What is wrong, for programs: such as `settings.placeholder`."""


class UnansweredError(SettingsError):
    """A registry, a repository or the cluster does not answer as it should."""

    exit_code = 4


def explain(error: ValidationError, model: type[BaseModel], project: str) -> SettingsError:
    """All problems of `model` as one error."""
    found = [_problem(detail, model, project) for detail in error.errors(include_url=False)]
    count = f"{len(found)} setting{'s are' if len(found) > 1 else ' is'} wrong, so nothing was changed"
    return SettingsError("\n\n".join([count, *found]))


def _problem(detail: ErrorDetails, model: type[BaseModel], project: str) -> str:
    path = path_of(model, [str(part) for part in detail["loc"]])
    if detail["type"] == "union_tag_invalid":
        path = [*path, "driver"]
    key = f"{project}:{'.'.join(path)}"
    if detail["type"] == "extra_forbidden":
        return _unknown(key, detail, model)
    field = field_at(model, path)
    lines = [f"{key}{_seen(detail)}", f"  problem: {_wording(detail)}"]
    if field is not None:
        lines += [f"  what it is for: {field.description}", f"  for example: pulumi config set --path {key} {_example(field)}"]
    return "\n".join(lines)


def _seen(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":
        return f" = {detail['ctx']['tag']!r}"
    silent = detail["type"] == "missing" or isinstance(detail["input"], dict | BaseModel)
    return "" if silent else f" = {_shown(detail['input'])}"


def _unknown(key: str, detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Without its value: an unknown key may be a secret in the wrong place."""
    *groups, last = [str(part) for part in detail["loc"]]
    siblings = sorted((model if not groups else _group_at(model, groups) or model).model_fields)
    close = difflib.get_close_matches(last, siblings, n=1)
    guess = _of_another(model, groups, last) or (f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(siblings)}")
    return f"{key}\n  problem: there is no such setting, and it would be ignored; {guess}\n  remove it: pulumi config rm --path {key}"


def _of_another(model: type[BaseModel], groups: Sequence[str], name: str) -> str:
    """Whether a setting belongs to another driver of the same group; "" where it does not."""
    if not groups:
        return ""
    others = variants(field_at(model, groups[:-1]))
    whose = [repr(tag) for tag, other in others.items() if name in other.model_fields]
    return f"it is one of the driver {' or '.join(whose)}, and the driver here is {groups[-1]!r}" if whose else ""


def _shown(value: object) -> str:
    """Without a password that somebody wrote into a URL."""
    return _USER_IN_URL.sub("//...@", repr(value))


def _wording(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing, and nobody but you can know it"
    if detail["type"] == "union_tag_invalid":
        return f"should be {' or '.join(detail['ctx']['expected_tags'].split(', '))}"
    return detail["msg"].removeprefix("Value error, ")


def _example(field: FieldInfo) -> str:
    return str((field.examples or [""])[0])


def path_of(model: type[BaseModel], loc: Sequence[str]) -> list[str]:
    """Path of a setting as the operator writes it: a place in the model without the names of drivers, which tell groups apart."""
    return [part for index, part in enumerate(loc) if part not in variants(field_at(model, loc[:index]))]


def field_at(model: type[BaseModel], path: Sequence[str]) -> FieldInfo | None:
    """Field at a path of names, in which the name of a driver may stand after its group; None for a path that leads nowhere."""
    field: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in path:
        if part in variants(field):
            current = variants(field)[part]
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = group_of(field)
    return field


def _group_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    field = field_at(model, path)
    return variants(field).get(path[-1], group_of(field))


def variants(field: FieldInfo | None) -> dict[str, type[BaseModel]]:
    """Groups of a field that has one a driver, by the driver's name; {} for any other field."""
    tagged = [get_args(item) for item in get_args(field.annotation)] if field is not None else []
    return {item[1].tag: item[0] for item in tagged if len(item) == _TAGGED and isinstance(item[1], Tag)}


def group_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """Class of a field that is itself a group of settings, also of an optional one, and the first one of several."""
    if field is None:
        return None
    candidates: tuple[Any, ...] = (field.annotation, *get_args(field.annotation), *variants(field).values())
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
