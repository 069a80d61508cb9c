"""Limits for an environment from what equal runs on it showed; pure.

From each objective's worst end over all runs (interval included) two numbers follow: `warn`, where only half of the margin is used up, and
`limit`, where all of it is. Rounded to two figures, away from what was seen. Criteria relative to a baseline stay as they are. What the
profile promised before stands beside the proposal: it is for people to decide whether a promise becomes looser.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from validation.judge.criteria import Kind, flat
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.measures import CATALOGUE, Better, Measure, Measurement
from validation.judge.objectives import Objective
from validation.judge.profile import Profile
from validation.reports.fingerprint import differences
from validation.reports.model import GateReport

_LEAST_RUNS, _FIGURES, _SHARE_DIGITS = 3, 2, 4


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One objective: what was seen, and what follows from it."""

    objective: Objective
    seen: tuple[float, float]  # lowest and highest value of all runs
    worst: float
    limit: str
    warn: str | None


def refuse_unequal(reports: Sequence[GateReport]) -> None:
    """Refuse runs that are too few, not valid or not of the same thing: their spread would not be that of the environment."""
    if len(reports) < _LEAST_RUNS:
        raise UsageError(f"{len(reports)} runs are too few to see how far equal runs differ; give {_LEAST_RUNS} or more")
    if len({report.run.id for report in reports}) < len(reports):
        raise UsageError("the same run is named twice; it would look as if two runs agreed")
    refuse_invalid(reports)
    for report in reports[1:]:
        refuse_other(reports[0], report, "workload")
        refuse_other(reports[0], report, "system")


def refuse_invalid(reports: Sequence[GateReport]) -> None:
    """Refuse a run that proves nothing."""
    for report in reports:
        if not report.validity.valid:
            raise InvalidRunError(f"run {report.run.id} is not valid: nothing can be learnt from it; leave it out")


def refuse_other(first: GateReport, second: GateReport, group: Literal["workload", "system"]) -> None:
    """Refuse two runs whose fingerprints differ in a group."""
    other = differences(getattr(first.fingerprint, group), getattr(second.fingerprint, group))
    if other:
        raise InvalidRunError(f"runs {first.run.id} and {second.run.id} are not of the same {group}: {'; '.join(other[:3])}")


def propose(profile: Profile, reports: Sequence[GateReport], margin: float) -> list[Proposal]:
    """Return one proposal for each objective that every run measured; `margin` of 0.5 leaves half as much again."""
    numbers = [report.usable() for report in reports]
    measured = {sli: objective for sli, objective in profile.objectives.items() if all(sli in run for run in numbers)}
    return [_propose(objective, [run[sli] for run in numbers], margin) for sli, objective in measured.items()]


def _propose(objective: Objective, seen: Sequence[Measurement], margin: float) -> Proposal:
    measure = CATALOGUE[objective.sli]
    is_lower = measure.better is Better.LOWER
    edge, side = (0.0, "<=") if is_lower else (1.0, ">=")
    values = [each.value or 0.0 for each in seen]
    ends = [end for each in seen for end in each.interval or ()] + values
    worst = max(ends) if is_lower else min(ends)
    if any(each.kind is Kind.FIXED and each.value == edge for each in flat(objective.limit)) and set(values) == {edge}:
        limit, warn = f"{side} {edge:g}", None  # "not a single one" was promised and kept
    else:
        limit, warn = (f"{side} {_with_room(measure, worst, room)}" for room in (margin, margin / 2))
    return Proposal(objective=objective, seen=(min(values), max(values)), worst=worst, limit=limit, warn=warn if warn != limit else None)


def _with_room(measure: Measure, worst: float, room: float) -> str:
    """Return the worst end moved away by `room`, as YAML: of a share that is better higher, what is missing to 1 grows instead."""
    is_lower = measure.better is Better.LOWER
    if measure.unit == "share":
        grown = min(_rounded((worst if is_lower else 1 - worst) * (1 + room), up=True), 0.99)
        return f"{round(grown if is_lower else 1 - grown, _SHARE_DIGITS + 2):g}"
    return f"{_rounded(worst * (1 + room) if is_lower else worst / (1 + room), up=is_lower):.12g}"


def _rounded(value: float, *, up: bool) -> float:
    """Round to two figures; nothing grows to the smallest share."""
    if value <= 0 and up:
        return 10.0**-_SHARE_DIGITS
    step = 10.0 ** (math.floor(math.log10(value)) - _FIGURES + 1)
    return round((math.ceil(value / step - 1e-9) if up else math.floor(value / step + 1e-9)) * step, 12)


def calibrated(profile: Profile, proposals: Sequence[Proposal], name: str, reports: Sequence[GateReport], margin: float) -> dict[str, Any]:
    """Return the profile as plain data, with the proposals in the place of its fixed limits and the reason for each."""
    data: dict[str, Any] = profile.model_dump(mode="json", exclude_none=True)
    data["profile"] = name
    runs = f"{len(reports)} equal runs from {min(report.run.started_at for report in reports)} on"
    for each in proposals:
        entry, objective, (low, high) = data["objectives"][each.objective.sli], each.objective, each.seen
        relative = dict.fromkeys(str(criterion) for criterion in flat(objective.limit) if criterion.kind is not Kind.FIXED)
        end = f"{each.worst:.4g} at the worst end of an interval; {margin:.0%} of room beyond that"
        reason = f"{runs} saw {low:.4g} to {high:.4g} {objective.unit}, {end}"
        entry |= {"limit": [each.limit, *relative] if relative else each.limit, "basis": "calibrated", "reason": reason}
        entry.pop("warn", None)
        if each.warn:
            entry["warn"] = each.warn
    for entry in data["objectives"].values():
        entry.pop("sli")
    return data
