"""From an error of pydantic to what an operator reads: the key, the value, what is wrong with it and what to type."""

import difflib
import pathlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from stacks.problems import PROJECT, ConflictError, Path, Problem, WrongValueError, remove_command, set_command, shown_as

_TAGGED = 2  # Annotated[class, Tag]
_PATH_IN_REASON = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_WITHOUT_EFFECT = re.compile(
    rf"((?P<group>{_PATH_IN_REASON.pattern}): )?(?P<names>{_PATH_IN_REASON.pattern}((, | and ){_PATH_IN_REASON.pattern})*) would be ignored"
)
_MOST_GUESSES, _MOST_NAMES = 6, 20


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return all problems of `model`."""
    details = error.errors(include_url=False)
    below = {detail["loc"][:-1] for detail in details}  # a list whose member was refused counts as too short, too
    problems = list[Problem]()
    for detail in details:
        loc, cause = [str(part) for part in detail["loc"]], detail.get("ctx", {}).get("error")
        path = path_of(model, loc)
        of_group = not path or group_of(field_at(model, path)) is not None
        if detail["type"] == "too_short" and detail["loc"] in below:
            continue
        if detail["type"] == "extra_forbidden":  # without its value: an unknown key may be a secret in the wrong place
            wrong, breaks = f"unknown setting; {_guess(model, loc)}", "Pulumi would keep it and nothing would use it"
            problems.append(Problem(code="settings.unknown", path=path, wrong=wrong, breaks=breaks, cure=remove_command(path)))
        elif isinstance(cause, ConflictError):
            problems += [_conflict(reason, loc, detail["input"], model) for reason in cause.reasons]
        elif detail["type"] == "value_error" and not isinstance(cause, WrongValueError) and of_group:
            problems.append(_conflict(cause, loc, detail["input"], model))
        else:
            problems.append(_refused_value(detail, loc, model))
    return problems


@cache
def _table() -> dict[str, dict[str, str]]:
    """Read the table once something is wrong: every command imports this."""
    return dict(yaml.safe_load(pathlib.Path(__file__).with_name("pydantic.yaml").read_text(encoding="utf-8")))


def _refused_value(detail: ErrorDetails, loc: Sequence[str], model: type[BaseModel]) -> Problem:
    kind, table = detail["type"], _table()
    error, silent = detail.get("ctx", {}).get("error"), kind == "missing" or isinstance(detail["input"], dict | BaseModel)
    cause, value = error if isinstance(error, WrongValueError) else None, "" if silent else shown_as(detail["input"])
    words = table["wrong"].get(kind, detail["msg"].removeprefix("Value error, ").removeprefix("Input "))
    if kind == "union_tag_invalid":
        loc, value = (*loc, "driver"), repr(detail["ctx"]["tag"])
        words = f"should be {' or '.join(detail['ctx']['expected_tags'].split(', '))}"
    ends = (end for end in range(len(loc), 0, -1) if not loc[end - 1].isdigit() and field_at(model, loc[:end]) is not None)
    nearest = loc[: next(ends, 0)]
    field, place = field_at(model, nearest), path_of(model, nearest)
    wrong, _, cure = (cause.wrong if cause is not None else words).partition(" Cure: ")
    if not cure and cause is not None and cause.instead is not None:
        cure = set_command(path_of(model, loc), cause.instead)
    return Problem(
        code=cause.code if cause is not None else table["code"].get(kind, "settings.type"),
        path=path_of(model, loc),
        value=value,
        wrong=wrong.rstrip("."),
        breaks=cause.breaks if cause is not None else "",
        purpose=(field.description or "") if field is not None else "",
        cure=cure or (set_command(place, example_of(field, detail["input"])) if place else ""),
    )


def _conflict(reason: object, loc: Sequence[str], given: object, model: type[BaseModel]) -> Problem:
    """Point at the first setting that a reason names; its example would seldom fit: the reason says what to type, or it is removed."""
    code = getattr(reason, "code", "settings.conflict")
    named = _PATH_IN_REASON.match(str(reason))
    inner = tuple(named[0].split(".")) if named is not None else ()
    while inner and field_at(model, (*loc, *inner)) is None:
        inner = inner[:-1]
    value: object = given
    for part in inner:
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None) if isinstance(value, BaseModel) else None
    wrong, _, cure = str(reason).partition(" Cure: ")
    field, path = field_at(model, (*loc, *inner)), path_of(model, (*loc, *inner))
    change = set_command((*path, "NAME") if group_of(field) is not None else path) if path else ""
    return Problem(
        code=code,
        path=path,
        value="" if value is None or isinstance(value, Mapping | BaseModel) else shown_as(value),
        wrong=wrong.rstrip("."),
        purpose=(field.description or "") if field is not None else "",
        cure=cure or _removal(str(reason), code, path_of(model, loc), path) or change,
    )


def _removal(reason: str, code: str, around: Path, path: Path) -> str:
    """What to type where settings have no effect, "" for any other reason."""
    named = _WITHOUT_EFFECT.match(reason)
    if named is None:
        return remove_command(path) if code in {"settings.unused", "models.ignored"} else ""
    group = tuple((named["group"] or "").split(".")) if named["group"] else ()
    return "; ".join(remove_command((*around, *group, *name.split("."))) for name in re.split(", | and ", named["names"]))


def example_of(field: FieldInfo | None, refused: object = None) -> object:
    """Return an example to type, unless it is what was refused."""
    example = (field.examples or ["VALUE"])[0] if field is not None else "VALUE"
    return "VALUE" if str(example) == str(refused) else example


def _guess(model: type[BaseModel], loc: Sequence[str]) -> str:
    """What may have been meant: a name that is spelt nearly so, or one of that name a level deeper or higher."""
    *groups, last = loc
    others = variants(field_at(model, groups[:-1])) if groups else {}
    if whose := [repr(tag) for tag, other in others.items() if last in other.model_fields]:
        return f"it is one of the driver {' or '.join(whose)}, and the driver here is {groups[-1]!r}"
    around = field_at(model, groups)
    siblings = (variants(around).get(groups[-1], group_of(around)) or model).model_fields if groups else model.model_fields
    close = difflib.get_close_matches(last, sorted(siblings), n=3)
    deeper = [f"{name}.{last}" for name, field in siblings.items() if (inner := group_of(field)) is not None and last in inner.model_fields]
    higher = [".".join((*groups[:end], last)) for end in range(len(groups)) if field_at(model, (*groups[:end], last)) is not None]
    guesses = [*close, *deeper, *(f"{PROJECT}:{name}" for name in higher)][:_MOST_GUESSES]
    if guesses:
        return f"did you mean {' or '.join(map(repr, guesses))}?"
    if len(siblings) > _MOST_NAMES:
        return f"none of the {len(siblings)} settings of {'.'.join(groups)} is called nearly so; they are in stacks/settings/"
    return f"known here: {', '.join(sorted(siblings))}"


def path_of(model: type[BaseModel], loc: Sequence[str]) -> Path:
    """Return the path as the operator writes it: a place in the model without the names of drivers, which tell groups apart."""
    path = tuple(part for index, part in enumerate(loc) if part not in variants(field_at(model, loc[:index])))
    known = next((end for end in range(len(path), 0, -1) if field_at(model, path[:end]) is not None), 0)
    return path[: known + 1]  # below a field without fields of its own stands one key or number, then pydantic's notes


def field_at(model: type[BaseModel], path: Sequence[str]) -> FieldInfo | None:
    """Field at a path of names, in which the name of a driver may stand after its group; None for a path that leads nowhere."""
    field: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in path:
        if part in variants(field):
            current = variants(field)[part]
            continue
        if part.isdigit() and current is not None and field is not None:  # a member of a list of groups
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = group_of(field)
    return field


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
