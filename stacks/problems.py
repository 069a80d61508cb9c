"""Everything that is wrong with settings, all at once: place in the file, key and value, what is wrong, what it breaks, what to type.

SettingsError      settings, or files beside them, cannot be used; `problems` has each, with a code
UnansweredError      a registry, a repository or the cluster does not answer

Validators raise `WrongValueError` for a value, `ConflictError` for values that do not fit together; errors of pydantic get a code here.
"""

import difflib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

import pulumi
from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

PROJECT = "milvus-x10000"
_TAGGED = 2  # Annotated[class, Tag]
_USER_IN_URL = re.compile(r"((?<=//)\S*|(?<=^['\"])[^/\s]*)@(?!sha256:)")
_PATH_IN_REASON = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_WITHOUT_EFFECT = re.compile(
    rf"((?P<group>{_PATH_IN_REASON.pattern}): )?(?P<names>{_PATH_IN_REASON.pattern}((, | and ){_PATH_IN_REASON.pattern})*) would be ignored"
)
_PLAIN_PART = re.compile(r"[A-Za-z_][\w-]*")
_MOST_GUESSES = 6
_MOST_NAMES = 20
_CODES = {
    "extra_forbidden": "settings.unknown",
    "missing": "settings.missing",
    "value_error": "settings.value",
    "union_tag_invalid": "settings.choice",
    "literal_error": "settings.choice",
    "greater_than": "settings.range",
    "greater_than_equal": "settings.range",
    "less_than": "settings.range",
    "less_than_equal": "settings.range",
    "finite_number": "settings.number",
    "int_type": "settings.number",
    "int_parsing": "settings.number",
    "int_from_float": "settings.number",
    "float_type": "settings.number",
    "float_parsing": "settings.number",
    "bool_type": "settings.boolean",
    "bool_parsing": "settings.boolean",
    "string_too_short": "settings.length",
    "string_too_long": "settings.length",
    "too_short": "settings.length",
    "too_long": "settings.length",
    "string_pattern_mismatch": "settings.pattern",
}
"""Code of an error of pydantic, by its type; any other is of the wrong type altogether: settings.type."""

Path = tuple[str, ...]
"""Place of a setting: name, names below it, numbers in a list; the first may be a whole key of another project."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """Line of a file."""

    file: str
    line: int | None = None


Locations = Mapping[Path, Location]
"""Where each setting stands."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    code: str
    """Such as `settings.placeholder`."""
    wrong: str
    breaks: str = ""
    cure: str = ""
    """What to type."""
    purpose: str = ""
    """What the setting is for."""
    path: Path = ()
    value: str = ""
    """As it was seen, without passwords; "" where nothing was, or where it may be a secret."""
    location: Location | None = None

    @property
    def key(self) -> str:
        """Key as `pulumi config set --path` takes it, "" where no single setting is wrong."""
        return key_of(self.path) if self.path else ""

    @property
    def file(self) -> str:
        """File in which it stands, "" where that is not known."""
        return self.location.file if self.location is not None else ""

    @property
    def line(self) -> int | None:
        """Line of that file."""
        return self.location.line if self.location is not None else None

    @property
    def text(self) -> str:
        """All of it, for people."""
        place = f"{self.file}{f':{self.line}' if self.line is not None else ''}"
        head = " ".join(
            [*([f"{place}:"] if place else []), *([self.key] if self.key else []), *([f"= {self.value}"] if self.value else [])]
        )
        parts = {"wrong": self.wrong, "breaks": self.breaks, "what it is for": self.purpose, "type": self.cure}
        body = [f"  {name}: {text}" for name, text in parts.items() if text]
        return "\n".join([head.rstrip(":"), *body]) if head else self.wrong


class SettingsError(pulumi.RunError):
    """The settings cannot be used; Pulumi prints the message without a traceback and changes nothing."""

    exit_code = 2
    """Of a command that ends with it."""

    def __init__(self, text: str = "", *, code: str = "settings.wrong", problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems) or (Problem(code=code, wrong=text),)
        super().__init__(text or _listed(self.problems))

    @property
    def code(self) -> str:
        """Code of the first problem."""
        return self.problems[0].code


class UnansweredError(SettingsError):
    """A registry, a repository or the cluster does not answer as it should."""

    exit_code = 4


class WrongValueError(ValueError):
    """Why a validator refuses a value: what is wrong, what it breaks, and a value that would do instead."""

    def __init__(self, code: str, wrong: str, breaks: str = "", *, instead: object = None) -> None:
        super().__init__(f"{wrong}: {breaks}" if breaks else wrong)
        self.code, self.wrong, self.breaks, self.instead = code, wrong, breaks, instead


class Reason(str):
    """Sentence that says why settings do not fit together, with a code of its own."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, *, code: str) -> Self:
        """Make one."""
        made = super().__new__(cls, text)
        made.code = code
        return made


class ConflictError(ValueError):
    """Why a validator refuses values that do not fit together: each a text that begins with the path of a setting."""

    def __init__(self, reasons: Iterable[object]) -> None:
        self.reasons = list(reasons)
        super().__init__("; ".join(map(str, self.reasons)))


def _listed(problems: Sequence[Problem]) -> str:
    if len(problems) == 1 and not problems[0].path and problems[0].location is None:
        return problems[0].text
    count = f"{len(problems)} thing{'s are' if len(problems) > 1 else ' is'} wrong with the settings, so nothing was changed"
    return "\n\n".join([count, *(problem.text for problem in problems)])


def key_of(path: Sequence[str]) -> str:
    """Return the key of a setting as Pulumi writes it: members of a list in brackets, names with a dot in them too, others after a dot."""
    first, *rest = path
    return (first.removeprefix(":") if ":" in first else f"{PROJECT}:{first}") + "".join(map(_key_part, rest))


def _key_part(part: str) -> str:
    if part.isdigit():
        return f"[{part}]"
    return f".{part}" if _PLAIN_PART.fullmatch(part) else '["{}"]'.format(part.replace('"', r"\""))


def set_command(path: Sequence[str], value: object = "VALUE") -> str:
    """Return what to type to set a setting; `value` is quoted for the shell already."""
    return f"pulumi config set --path {shlex.quote(key_of(path))} {value}"


def remove_command(path: Sequence[str]) -> str:
    """Return what to type to remove a setting."""
    return f"pulumi config rm --path {shlex.quote(key_of(path))}"


def located(problems: Iterable[Problem], locations: Locations) -> list[Problem]:
    """Return the problems with file and line: its own, or those of the nearest group around a setting that is not there."""
    return [each if each.location is not None else replace(each, location=location_of(each.path, locations)) for each in problems]


def location_of(path: Path, locations: Locations) -> Location | None:
    """Where a setting stands, or the nearest group around it; None for none."""
    return next((locations[path[:end]] for end in range(len(path), -1, -1) if path[:end] in locations), None)


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return all problems of `model`."""
    details = error.errors(include_url=False)
    below = {detail["loc"][:-1] for detail in details}  # a list whose member was refused counts as too short, too
    return [
        problem for detail in details if detail["type"] != "too_short" or detail["loc"] not in below for problem in _problems(detail, model)
    ]


def _problems(detail: ErrorDetails, model: type[BaseModel]) -> Iterator[Problem]:
    loc = [str(part) for part in detail["loc"]]
    path = path_of(model, loc)
    cause = detail.get("ctx", {}).get("error")
    if detail["type"] == "extra_forbidden":
        yield _unknown(path, loc, model)
    elif isinstance(cause, ConflictError):
        yield from (
            _conflict(str(reason), getattr(reason, "code", "settings.conflict"), loc, detail["input"], model) for reason in cause.reasons
        )
    elif detail["type"] == "value_error" and not isinstance(cause, WrongValueError) and _is_group(path, model):
        yield _conflict(str(cause), "settings.conflict", loc, detail["input"], model)
    else:
        yield _of_value(detail, loc, model)


def _is_group(path: Path, model: type[BaseModel]) -> bool:
    field = field_at(model, path)
    return not path or group_of(field) is not None


def _of_value(detail: ErrorDetails, loc: Sequence[str], model: type[BaseModel]) -> Problem:
    """One value that is refused by itself."""
    cause = detail.get("ctx", {}).get("error")
    if detail["type"] == "union_tag_invalid":
        loc = (*loc, "driver")
    path, instead = path_of(model, loc), getattr(cause, "instead", None)
    field, place = _nearest(model, loc)
    wrong, _, cure = (cause.wrong if isinstance(cause, WrongValueError) else _wording(detail)).partition(" Cure: ")
    example = set_command(place, _example(field, detail["input"])) if place else ""
    return Problem(
        code=cause.code if isinstance(cause, WrongValueError) else _CODES.get(detail["type"], "settings.type"),
        path=path,
        value=_seen(detail),
        wrong=wrong.rstrip("."),
        breaks=cause.breaks if isinstance(cause, WrongValueError) else "",
        purpose=_purpose(field),
        cure=cure or (set_command(path, instead) if instead is not None else example),
    )


def _conflict(reason: str, code: str, loc: Sequence[str], given: object, model: type[BaseModel]) -> Problem:
    """One reason why settings do not fit together: the first setting that it names is the one that is pointed at.

    An example of that setting would seldom fit either: what to type is told by the reason, or is to remove what has no effect.
    """
    named = _PATH_IN_REASON.match(reason)
    inner = tuple(named[0].split(".")) if named is not None else ()
    while inner and field_at(model, (*loc, *inner)) is None:
        inner = inner[:-1]
    value: object = given
    for part in inner:
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None) if isinstance(value, BaseModel) else None
    wrong, _, cure = reason.partition(" Cure: ")
    field, path = field_at(model, (*loc, *inner)), path_of(model, (*loc, *inner))
    return Problem(
        code=code,
        path=path,
        value="" if value is None or isinstance(value, Mapping | BaseModel) else shown_as(value),
        wrong=wrong.rstrip("."),
        purpose=_purpose(field),
        cure=cure or _removal(reason, code, path_of(model, loc), path) or _change(field, path),
    )


def _removal(reason: str, code: str, around: Path, path: Path) -> str:
    """What to type where settings have no effect, "" for any other reason."""
    named = _WITHOUT_EFFECT.match(reason)
    if named is None:
        return remove_command(path) if code in {"settings.unused", "models.ignored"} else ""
    group = tuple((named["group"] or "").split(".")) if named["group"] else ()
    names = re.split(", | and ", named["names"])
    return "; ".join(remove_command((*around, *group, *name.split("."))) for name in names)


def _change(field: FieldInfo | None, path: Path) -> str:
    if not path:
        return ""
    return set_command((*path, "NAME") if group_of(field) is not None else path)


def _nearest(model: type[BaseModel], loc: Sequence[str]) -> tuple[FieldInfo | None, Path]:
    """Field at a place, or the nearest one around it, and its path."""
    ends = (end for end in range(len(loc), 0, -1) if not loc[end - 1].isdigit() and field_at(model, loc[:end]) is not None)
    end = next(ends, 0)
    return field_at(model, loc[:end]), path_of(model, loc[:end])


def _purpose(field: FieldInfo | None) -> str:
    return (field.description or "") if field is not None else ""


def _example(field: FieldInfo | None, refused: object) -> object:
    """An example to type, unless it is what was refused."""
    example = (field.examples or ["VALUE"])[0] if field is not None else "VALUE"
    return "VALUE" if str(example) == str(refused) else example


def _seen(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":
        return repr(detail["ctx"]["tag"])
    silent = detail["type"] == "missing" or isinstance(detail["input"], dict | BaseModel)
    return "" if silent else shown_as(detail["input"])


def shown_as(value: object) -> str:
    """Without a password that somebody wrote into a URL."""
    return _USER_IN_URL.sub("...@", repr(value))


def _unknown(path: Path, loc: Sequence[str], model: type[BaseModel]) -> Problem:
    """Without its value: an unknown key may be a secret in the wrong place."""
    *groups, last = loc
    siblings = (model if not groups else _group_at(model, groups) or model).model_fields
    guess = _of_another(model, groups, last) or _guess(model, groups, last, siblings)
    return Problem(
        code="settings.unknown",
        path=path,
        wrong=f"unknown setting; {guess}",
        breaks="Pulumi would keep it and nothing would use it",
        cure=remove_command(path),
    )


def _guess(model: type[BaseModel], groups: Sequence[str], last: str, siblings: Mapping[str, FieldInfo]) -> str:
    """What may have been meant: a name that is spelt nearly so, or one of that name a level deeper or higher."""
    close = difflib.get_close_matches(last, sorted(siblings), n=3)
    deeper = [f"{name}.{last}" for name, field in siblings.items() if (inner := group_of(field)) is not None and last in inner.model_fields]
    higher = [".".join((*groups[:end], last)) for end in range(len(groups)) if field_at(model, (*groups[:end], last)) is not None]
    guesses = [*close, *deeper, *(f"{PROJECT}:{name}" for name in higher)][:_MOST_GUESSES]
    if guesses:
        return f"did you mean {' or '.join(map(repr, guesses))}?"
    if len(siblings) > _MOST_NAMES:
        return f"none of the {len(siblings)} settings of {'.'.join(groups)} is called nearly so; they are in stacks/settings/"
    return f"known here: {', '.join(sorted(siblings))}"


def _of_another(model: type[BaseModel], groups: Sequence[str], name: str) -> str:
    """Whether a setting belongs to another driver of the same group; "" where it does not."""
    if not groups:
        return ""
    others = variants(field_at(model, groups[:-1]))
    whose = [repr(tag) for tag, other in others.items() if name in other.model_fields]
    return f"it is one of the driver {' or '.join(whose)}, and the driver here is {groups[-1]!r}" if whose else ""


def _wording(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing, and nobody but you can know it"
    if detail["type"] == "union_tag_invalid":
        return f"should be {' or '.join(detail['ctx']['expected_tags'].split(', '))}"
    if detail["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "should be a group of settings: names, each with a value"
    if detail["type"] in {"tuple_type", "list_type"}:
        return "should be a list"
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input ")


def path_of(model: type[BaseModel], loc: Sequence[str]) -> Path:
    """Path of a setting as the operator writes it: a place in the model without the names of drivers, which tell groups apart."""
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
