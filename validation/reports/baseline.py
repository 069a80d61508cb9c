"""What later runs are held against: the baseline, which relative limits are compared with, and limits from what equal runs showed.

Only a valid run that passed becomes one, and only by hand: a gate that takes every run as the next baseline forgives a little more each
time. One exception is needed for the first: a run that only lacks a baseline may become it, since every other limit was kept.

Of limits: each objective's worst end over all runs (interval included) gives `warn`, where only half of the margin is used up, and `limit`,
where all of it is, rounded to two figures away from what was seen. What the profile promised before stands beside the proposal: it is for
people to decide whether a promise becomes looser.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.judge.criteria import Kind, flat
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.judgement import Grade, Reference, judge
from validation.judge.measures import CATALOGUE, Better, Measure, Measurement
from validation.judge.objectives import Objective
from validation.judge.profile import Profile
from validation.reports.fingerprint import Fingerprint, differences
from validation.reports.model import GateReport, Number, usable, write_whole

DIRECTORY = Path("build") / "reports" / "baselines"
_LEAST_RUNS, _FIGURES, _SHARE_DIGITS = 3, 2, 4
_SHOWN = 3
_SET = "./rag baseline set REPORT"


class Baseline(BaseModel):
    """One kept run."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_name: Literal["milvus-x10000/gate-baseline"] = Field(default="milvus-x10000/gate-baseline", alias="schema")
    schema_version: Literal[2] = 2
    run: str
    profile: str
    measured_at: str
    set_at: str
    fingerprint: Fingerprint
    measurements: dict[str, Number]
    report_sha256: str  # of the report that it was made of
    sha256: str = ""  # of everything else in here: a baseline that was edited by hand is refused


class AlteredError(InvalidRunError):
    """A report or a baseline says something else than was measured."""

    code = "baseline.altered"


def _digest(kept: BaseModel) -> str:
    """Return the hash of everything in it but its own `sha256`."""
    return hashlib.sha256(json.dumps(kept.model_dump(mode="json", exclude={"sha256"}), sort_keys=True).encode()).hexdigest()


def keep(report: GateReport, directory: Path) -> Path:
    """Make the report's run the baseline of its profile; InvalidRunError when it is not fit for that."""
    if not report.validity.valid:
        raise InvalidRunError.of("baseline.invalid", run=report.run.id, outcome=report.result.outcome)
    spoilt = {each.sli: each.grade for each in report.objectives if each.grade not in {Grade.PASS, Grade.UNCOMPARED}}
    if spoilt or not report.objectives:
        named = ", ".join(f"{sli} ({grade})" for sli, grade in spoilt.items()) or "nothing was promised"
        raise InvalidRunError.of("baseline.missed", run=report.run.id, named=named)
    _refuse_altered(report)
    path = directory / f"{report.profile}.json"
    write_whole(path, made_of(report).model_dump_json(by_alias=True, indent=2) + "\n")
    return path


def made_of(report: GateReport) -> Baseline:
    """Return the baseline that the report's run is, fit for it or not."""
    made = Baseline(
        run=report.run.id,
        profile=report.profile,
        measured_at=report.run.started_at,
        set_at=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=report.fingerprint,
        measurements={name: Number(**asdict(measurement)) for name, measurement in usable(report.measurements).items()},
        report_sha256=_digest(report),
    )
    return made.model_copy(update={"sha256": _digest(made)})


def _refuse_altered(report: GateReport) -> None:
    """Grade the numbers of the report again, and refuse it where it says something else."""
    profile = Profile.model_validate(report.inputs["profile"])
    values = {each.sli: each.baseline for each in report.objectives if each.baseline is not None}
    again = judge(profile, usable(report.measurements), report.validity.faults, Reference(values=values, notes=()))
    graded = {each.objective.sli: (each.measurement.value, each.grade) for each in again.judged}
    reported = {each.sli: (each.value, each.grade) for each in report.objectives}
    if other := [sli for sli in graded | reported if graded.get(sli) != reported.get(sli)]:
        raise AlteredError.of("baseline.edited", run=report.run.id, name=other[0], said=reported.get(other[0]), graded=graded.get(other[0]))


def load(directory: Path, profile: str) -> Baseline | None:
    """Return the baseline of a profile; None where there is none, UsageError where a file is there but cannot be one."""
    path = directory / f"{profile}.json"
    if not path.exists():
        return None
    try:
        baseline = Baseline.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise UsageError(f"{path}: is no baseline ({reason}); remove it, or set one anew: {_SET}") from None
    if baseline.sha256 != _digest(baseline):
        raise AlteredError(f"{path}: was edited since it was set, so it says nothing about run {baseline.run}; set it anew: {_SET}")
    if baseline.profile != profile:
        raise UsageError(f"{path}: is the baseline of profile {baseline.profile}, not of {profile}; set one anew: {_SET}")
    return baseline


def reference(baseline: Baseline | None, profile: str, now: Fingerprint) -> Reference:
    """Return what relative limits are compared with, and say so: none, another workload and another system never pass silently."""
    if baseline is None:
        return Reference(values={}, notes=(f"no baseline for profile {profile}: nothing is compared; once a run passed: {_SET}",))
    other = differences(baseline.fingerprint.workload, now.workload)
    if other:
        why = f"baseline {baseline.run} is of another workload ({_some(other)}): nothing is compared; measure one anew: {_SET}"
        return Reference(values={}, notes=(why,))
    changed = differences(baseline.fingerprint.system, now.system)
    system = f", which was another system: {_some(changed)}" if changed else ", the same system"
    values = {name: number.value for name, number in usable(baseline.measurements).items() if number.value is not None}
    return Reference(values=values, notes=(f"compared with baseline {baseline.run} of {baseline.measured_at}{system}",))


def _some(phrases: list[str]) -> str:
    more = len(phrases) - _SHOWN
    return "; ".join(phrases[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One objective: what was seen, and what follows from it."""

    objective: Objective
    seen: tuple[float, float]  # lowest and highest value of all runs
    worst: float
    limit: str
    warn: str | None


def refuse_unequal(reports: Sequence[GateReport], groups: Sequence[str] = ("workload", "system")) -> None:
    """Refuse runs that are not valid or whose fingerprints differ in a group: nothing could be learnt from how far their numbers differ."""
    for report in reports:
        if not report.validity.valid:
            raise InvalidRunError(f"run {report.run.id} is not valid: nothing can be learnt from it; leave it out")
    for group, second in product(groups, reports[1:]):
        first = reports[0]
        if other := differences(getattr(first.fingerprint, group), getattr(second.fingerprint, group)):
            raise InvalidRunError(f"runs {first.run.id} and {second.run.id} are not of the same {group}: {'; '.join(other[:3])}")


def propose(profile: Profile, reports: Sequence[GateReport], margin: float) -> list[Proposal]:
    """Return one proposal for each objective that every run measured; `margin` of 0.5 leaves half as much again.

    Refuse runs that are too few: their spread would not be that of the environment.
    """
    if len(reports) < _LEAST_RUNS:
        raise UsageError(f"{len(reports)} runs are too few to see how far equal runs differ; give {_LEAST_RUNS} or more")
    if len({report.run.id for report in reports}) < len(reports):
        raise UsageError("the same run is named twice; it would look as if two runs agreed")
    numbers = [usable(report.measurements) for report in reports]
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
        entry |= {"warn": each.warn} if each.warn else {}
    for entry in data["objectives"].values():
        entry.pop("sli")
    return data
