"""Criteria: what a number is held against, alone or together, fixed or relative to a baseline; pure.

In YAML, `"<= 150"` is one criterion, a list means AND, a list of lists means OR: `[["<= 150", "<= +10%"], ["<= 50"]]` is kept by what
stays below 150 and within ten percent of the baseline, and by what stays below 50 anyway. Three answers: yes, no, and None where the
baseline that a relative criterion needs is not there; None never counts as yes.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

_FORM = re.compile(r"(<=|>=) *([+-]?)(\d+(?:\.\d+)?)(%?)")
_EXPECTED = 'expected "<= NUMBER" or ">= NUMBER", like "<= 50"; relative to the baseline with a sign, like "<= +10%" or ">= -0.01"'


class Kind(StrEnum):
    """What a criterion's number is."""

    FIXED = "fixed"
    PERCENT = "percent of the baseline"
    DELTA = "difference from the baseline"


class Criterion(BaseModel):
    """A side and a number: `<= 50`, `<= +10%`, `>= -0.01`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Literal["<=", ">="]
    value: float
    kind: Kind = Kind.FIXED

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, data: object) -> object:
        if not isinstance(data, str):
            return data
        found = _FORM.fullmatch(data.strip())
        if not found:
            raise ValueError(_EXPECTED)
        operator, sign, number, percent = found.groups()
        if percent and not sign:
            raise ValueError(
                f'a percentage is relative to the baseline and needs a sign: write "{operator} +{number}%"; a share is written 0.1'
            )
        kind = Kind.PERCENT if percent else Kind.DELTA if sign else Kind.FIXED
        return {"operator": operator, "value": float(sign + number), "kind": kind}

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if self.kind is Kind.FIXED:
            return f"{self.operator} {self.value:.12g}"
        return f"{self.operator} {self.value:+.12g}{'%' if self.kind is Kind.PERCENT else ''}"

    def bound(self, baseline: float | None) -> float | None:
        """Return the number that a value is held against; None for a relative one without a baseline."""
        if self.kind is Kind.FIXED:
            return self.value
        if baseline is None:
            return None
        return baseline * (1 + self.value / 100) if self.kind is Kind.PERCENT else baseline + self.value

    def holds(self, value: float, baseline: float | None = None) -> bool | None:
        """Whether the value keeps the criterion, the bound itself included; None when there is nothing to compare with."""
        bound = self.bound(baseline)
        if bound is None:
            return None
        return value <= bound if self.operator == "<=" else value >= bound

    def contains(self, other: "Criterion") -> bool:
        """Whether everything that keeps `other` keeps this one too, whatever the baseline is."""
        same = (self.operator, self.kind) == (other.operator, other.kind)
        return same and (other.value <= self.value if self.operator == "<=" else other.value >= self.value)


Group = Annotated[tuple[Criterion, ...], Field(min_length=1)]
"""All of them must hold."""


def _as_alternatives(data: object) -> object:
    """Return the readable forms as the one that is kept: a list of lists."""
    if isinstance(data, str | dict):
        return [[data]]
    if isinstance(data, list) and data and not any(isinstance(item, list) for item in data):
        return [data]
    return data


Criteria = Annotated[tuple[Group, ...], Field(min_length=1), BeforeValidator(_as_alternatives)]
"""One group of them must hold."""


def hold(criteria: Criteria, value: float, baseline: float | None = None) -> bool | None:
    """Whether one group holds altogether; None when that depends on a baseline that is not there."""
    return _any(_all(one.holds(value, baseline) for one in group) for group in criteria)


def _all(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return False if False in found else None if None in found else True


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return True if True in found else None if None in found else False


def flat(criteria: Criteria) -> list[Criterion]:
    """Return every criterion of all groups."""
    return [one for group in criteria for one in group]


def show(criteria: Criteria) -> str:
    """Return the criteria on one line: `<= 150 and <= +10% or <= 50`."""
    return " or ".join(" and ".join(map(str, group)) for group in criteria)


def useless(criteria: Criteria) -> str | None:
    """Return why a part of the criteria never decides anything; None when every part can."""
    for group in criteria:
        for one in group:
            if any(one.contains(other) for other in group if other is not one):
                return f'"{one}" never decides beside a stricter one in the same list (AND); leave one out'
    for position, group in enumerate(criteria):
        if any(_implies(group, other) for number, other in enumerate(criteria) if number != position):
            return f'"{show((group,))}" never decides beside an alternative (OR) that forgives more; leave one out'
    return None


def _implies(strict: Group, loose: Group) -> bool:
    """Whether whatever keeps `strict` keeps `loose`."""
    return all(any(wide.contains(narrow) for narrow in strict) for wide in loose)
