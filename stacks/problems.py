"""What is wrong with settings, all of it at once: place in the file, key and value, what is wrong, what it breaks, what to type.

SettingsError      settings, or files beside them, cannot be used; `problems` has each, with a code
UnansweredError      a registry, a repository or the cluster does not answer

Validators raise `WrongValueError` for a value, `ConflictError` for values that do not fit together. Long texts are in problems.yaml.
"""

import pathlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, Self

import yaml

PROJECT = "milvus-x10000"
_USER_IN_URL = re.compile(r"((?<=//)\S*|(?<=^['\"])[^/\s]*)@(?!sha256:)")
_PLAIN_PART = re.compile(r"[A-Za-z_][\w-]*")
Path = tuple[str, ...]  # place of a setting: name, names below it, numbers in a list; the first may be a whole key of another project


@dataclass(frozen=True, kw_only=True)
class Location:
    """Line of a file."""

    file: str
    line: int | None = None


Locations = Mapping[Path, Location]  # where each setting stands


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    code: str  # such as `settings.placeholder`
    wrong: str
    breaks: str = ""
    cure: str = ""  # what to type
    purpose: str = ""  # what the setting is for
    path: Path = ()
    value: str = ""  # as it was seen, without passwords; "" where nothing was, or where it may be a secret
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
        place = f"{self.file}:{self.line}:" if self.line is not None else f"{self.file}:" if self.file else ""
        head = " ".join(part for part in (place, self.key, f"= {self.value}" if self.value else "") if part)
        parts = {"wrong": self.wrong, "breaks": self.breaks, "what it is for": self.purpose, "type": self.cure}
        body = [f"  {name}: {text}" for name, text in parts.items() if text]
        return "\n".join([head.rstrip(":"), *body]) if head else self.wrong


class SettingsError(Exception):
    """The settings cannot be used; every command, and Pulumi, prints the message without a traceback and changes nothing."""

    exit_code = 2  # of a command that ends with it

    def __init__(self, text: str = "", *, code: str = "settings.wrong", problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems) or (Problem(code=code, wrong=text),)
        if len(self.problems) > 1 or self.problems[0].path or self.problems[0].location is not None:
            number = f"{len(self.problems)} things are" if len(self.problems) > 1 else "1 thing is"
            count = f"{number} wrong with the settings, so nothing was changed"
            text = text or "\n\n".join([count, *(problem.text for problem in self.problems)])
        super().__init__(text or self.problems[0].text)

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
        reason = super().__new__(cls, text)
        reason.code = code
        return reason


class ConflictError(ValueError):
    """Why a validator refuses values that do not fit together: each a text that begins with the path of a setting."""

    def __init__(self, reasons: Iterable[object]) -> None:
        self.reasons = list(reasons)
        super().__init__("; ".join(map(str, self.reasons)))


@cache
def _rows(file: str = "problems.yaml") -> dict[str, dict[str, str]]:
    """Read the table once something is wrong: every command imports this."""
    return dict(yaml.safe_load(pathlib.Path(__file__).with_name(file).read_text(encoding="utf-8")))


def problem(name: str, path: Path = (), /, *, location: Location | None = None, value: str = "", **words: object) -> Problem:
    """Return a problem as problems.yaml has it under `name`."""
    row = {key: text.format(value=value, **words) for key, text in _rows()[name].items()}
    return Problem(path=path, location=location, value=value, **row)


def failure(name: str, kind: type[SettingsError] = SettingsError, /, **words: Any) -> SettingsError:  # noqa: ANN401  as problem has them
    """Return the error to raise; `path` is the place of a setting."""
    return kind(problems=[problem(name, words.pop("path", ()), **words)])


def reason(name: str, /, **words: object) -> Reason:
    """Return why settings do not fit together."""
    return Reason(text_of(name, **words), code=_rows()[name]["code"])


def text_of(name: str, /, **words: object) -> str:
    """Return what is wrong, for a warning or a validator's own error."""
    return _rows()[name]["wrong"].format(**words)


def refused(name: str, /, *, instead: object = None, **words: object) -> WrongValueError:
    """Return why a value is refused."""
    row = _rows()[name]
    return WrongValueError(row["code"], text_of(name, **words), row.get("breaks", "").format(**words), instead=instead)


def key_of(path: Sequence[str]) -> str:
    """Return the key of a setting as Pulumi writes it: members of a list in brackets, names with a dot in them too, others after a dot."""
    first, *rest = path
    key = first.removeprefix(":") if ":" in first else f"{PROJECT}:{first}"
    for part in rest:
        named = f".{part}" if _PLAIN_PART.fullmatch(part) else '["{}"]'.format(part.replace('"', r"\""))
        key += f"[{part}]" if part.isdigit() else named
    return key


def set_command(path: Sequence[str], value: object = "VALUE") -> str:
    """Return what to type to set a setting; `value` is quoted for the shell already."""
    return f"pulumi config set --path {shlex.quote(key_of(path))} {value}"


def remove_command(path: Sequence[str]) -> str:
    """Return what to type to remove a setting."""
    return f"pulumi config rm --path {shlex.quote(key_of(path))}"


def located(problems: Iterable[Problem], locations: Locations) -> list[Problem]:
    """Return the problems with file and line: its own, or those of the nearest group around a setting that is not there."""
    placed = []
    for each in problems:
        around = (locations[each.path[:end]] for end in range(len(each.path), -1, -1) if each.path[:end] in locations)
        placed.append(each if each.location is not None else replace(each, location=next(around, None)))
    return placed


def shown_as(value: object) -> str:
    """Return `repr` without a password that somebody wrote into a URL."""
    return _USER_IN_URL.sub("...@", repr(value))


@dataclass(frozen=True)
class Line:
    """One answer of an examination."""

    level: Literal["OK", "WARN", "FAIL"]
    what: str
    seen: str
    cure: str = ""
    page: str = ""

    @property
    def text(self) -> str:
        """All of it, for people."""
        rest = "".join(f"\n      {name}: {text}" for name, text in (("cure", self.cure), ("more", self.page)) if text)
        return f"{self.level:<5} {self.what}: {self.seen}{rest}"


def line_of(name: str, /, **words: object) -> Line:
    """Return an answer as lines.yaml has it under `name`."""
    row: dict[str, Any] = {key: text.format(**words) for key, text in _rows("lines.yaml")[name].items()}
    return Line(**row)
