"""Criteria: what a number is held against, alone or together, fixed or relative to a baseline; pure.

In YAML, `"<= 150"` is one criterion, a list means AND, a list of lists means OR: `[["<= 150", "<= +10%"], ["<= 50"]]` is kept by what
stays below 150 and within ten percent of the baseline, and by what stays below 50 anyway. Three answers: yes, no, and None where the
baseline that a relative criterion needs is not there; None never counts as yes.
"""

import re
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
        match = _FORM.fullmatch(data.strip())
        if not match:
            raise ValueError(_EXPECTED)
        operator, sign, number, percent = match.groups()
        if percent and not sign:
            written = f'write "{operator} +{number}%"; a share is written 0.1'
            raise ValueError(f"a percentage is relative to the baseline and needs a sign: {written}")
        kind = Kind.PERCENT if percent else Kind.DELTA if sign else Kind.FIXED
        return {"operator": operator, "value": float(sign + number), "kind": kind}

    @model_serializer
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


def _as_alternatives(data: object) -> object:
    """Return the readable forms as the one that is kept: a list of lists."""
    if isinstance(data, str | dict):
        return [[data]]
    return [data] if isinstance(data, list) and data and not any(isinstance(item, list) for item in data) else data


Group = Annotated[tuple[Criterion, ...], Field(min_length=1)]  # all of them must hold
Criteria = Annotated[tuple[Group, ...], Field(min_length=1), BeforeValidator(_as_alternatives)]  # one group of them must hold


def hold(criteria: Criteria, value: float, baseline: float | None = None) -> bool | None:
    """Whether one group holds altogether; None when that depends on a baseline that is not there."""
    groups = [{criterion.holds(value, baseline) for criterion in group} for group in criteria]
    if any(answers == {True} for answers in groups):
        return True
    return False if all(False in answers for answers in groups) else None


def flat(criteria: Criteria) -> list[Criterion]:
    """Return every criterion of all groups."""
    return [criterion for group in criteria for criterion in group]


def show(criteria: Criteria) -> str:
    """Return the criteria on one line: `<= 150 and <= +10% or <= 50`."""
    return " or ".join(" and ".join(map(str, group)) for group in criteria)


def useless(criteria: Criteria) -> str | None:
    """Return why a part of the criteria never decides anything; None when every part can."""
    for group in criteria:
        for criterion in group:
            if any(criterion.contains(other) for other in group if other is not criterion):
                return f'"{criterion}" never decides beside a stricter one in the same list (AND); leave one out'
    for strict in criteria:  # whatever keeps it keeps `loose`
        if any(all(any(wide.contains(each) for each in strict) for wide in loose) for loose in criteria if loose is not strict):
            return f'"{show((strict,))}" never decides beside an alternative (OR) that forgives more; leave one out'
    return None
