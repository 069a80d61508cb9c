"""Every wrong setting at once, each with its key, the value seen, why it matters and an example that would do."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_USER_IN_URL = re.compile(r"//[^/@]*@")


class SettingsError(pulumi.RunError):
    """The settings cannot be used; Pulumi prints the message without a traceback and changes nothing."""


def explain(error: ValidationError, model: type[BaseModel], project: str) -> SettingsError:
    """All problems of `model` as one error."""
    found = [_problem(detail, model, project) for detail in error.errors(include_url=False)]
    count = f"{len(found)} setting{'s are' if len(found) > 1 else ' is'} wrong, so nothing was changed"
    return SettingsError("\n\n".join([count, *found]))


def _problem(detail: ErrorDetails, model: type[BaseModel], project: str) -> str:
    path = [str(part) for part in detail["loc"]]
    key = f"{project}:{'.'.join(path)}"
    if detail["type"] == "extra_forbidden":
        return _unknown(key, path, model)
    field = field_at(model, path)
    seen = f" = {_shown(detail['input'])}" if detail["type"] != "missing" and not isinstance(detail["input"], dict | BaseModel) else ""
    lines = [f"{key}{seen}", f"  problem: {_wording(detail)}"]
    if field is not None:
        lines += [f"  what it is for: {field.description}", f"  for example: pulumi config set --path {key} {_example(field)}"]
    return "\n".join(lines)


def _unknown(key: str, path: Sequence[str], model: type[BaseModel]) -> str:
    """Without its value: an unknown key may be a secret in the wrong place."""
    field = field_at(model, path[:-1])
    siblings = sorted((model if not path[:-1] else group_of(field) or model).model_fields)
    close = difflib.get_close_matches(path[-1], siblings, n=1)
    guess = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(siblings)}"
    return f"{key}\n  problem: there is no such setting, and it would be ignored; {guess}\n  remove it: pulumi config rm --path {key}"


def _shown(value: object) -> str:
    """Without a password that somebody wrote into a URL."""
    return _USER_IN_URL.sub("//...@", repr(value))


def _wording(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing, and nobody but you can know it"
    return detail["msg"].removeprefix("Value error, ")


def _example(field: FieldInfo) -> str:
    return str((field.examples or [""])[0])


def field_at(model: type[BaseModel], path: Sequence[str]) -> FieldInfo | None:
    """Field at a path of names; None for a path that leads nowhere."""
    field: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in path:
        field = current.model_fields.get(part) if current is not None else None
        current = group_of(field)
    return field


def group_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """Class of a field that is itself a group of settings, also of an optional one."""
    if field is None:
        return None
    candidates: tuple[Any, ...] = (field.annotation, *get_args(field.annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
