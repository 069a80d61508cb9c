"""judge(): promises and measurements in, verdict and validity out; pure, no clock, no file, no network.

Two answers side by side: does every number keep its limit (verdict), and does the run prove anything at all (validity)? A number that
nobody measured fails its promise and makes the run invalid. Green needs more than a lucky number: the pessimistic end of its interval must
keep the limit too, and a relative limit needs a baseline. The decision table is in docs/gate.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from validation.judge import validity
from validation.judge.criteria import Criteria, Kind, flat, hold, show
from validation.judge.errors import Outcome
from validation.judge.measures import CATALOGUE, Better, Measure, Measurement, Measurements
from validation.judge.objectives import Objective, zero_tolerance
from validation.judge.profile import Profile, Score


class Grade(StrEnum):
    """What one objective came to."""

    PASS = "pass"  # noqa: S105 - a grade, not a password
    WARN = "warn"
    UNDECIDED = "not decided"  # the number keeps its limit, but another run might not: the limit lies inside the interval
    UNCOMPARED = "no baseline"
    FAIL = "fail"
    UNMEASURED = "not measured"


_CREDIT = {Grade.PASS: 1.0, Grade.WARN: 0.5, Grade.UNDECIDED: 0.5, Grade.UNCOMPARED: 0.5, Grade.FAIL: 0.0, Grade.UNMEASURED: 0.0}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What relative criteria are compared with, and what there is to say about it."""

    values: Mapping[str, float]  # by SLI; empty when there is no baseline, or none of the same workload
    notes: tuple[str, ...]


NO_REFERENCE = Reference(values={}, notes=())


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One objective, what was measured for it, its grade, and why it is not simply kept or missed."""

    objective: Objective
    measurement: Measurement
    grade: Grade
    baseline: float | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict over the objectives, and beside it whether the run proves anything."""

    verdict: Outcome  # PASS, WARN or FAIL
    judged: tuple[Judged, ...]
    score: float  # percent: weights of kept objectives, half of them where one warns, over all weights
    faults: tuple[str, ...]  # why the run is not valid; empty when it is
    notes: tuple[str, ...] = ()  # about the baseline

    @property
    def outcome(self) -> Outcome:
        """INVALID when the run proves nothing, else the verdict."""
        return Outcome.INVALID if self.faults else self.verdict


def judge(profile: Profile, measurements: Measurements, more_faults: Sequence[str] = (), reference: Reference = NO_REFERENCE) -> Judgement:
    """Compare every objective with its measurement, and ask whether the run was what the profile promises.

    `more_faults` are reasons that a check saw itself and that no number shows.
    """
    invariants = [zero_tolerance(CATALOGUE[name]) for name in measurements if CATALOGUE[name].is_invariant]
    judged = tuple(_grade(objective, measurements, reference) for objective in (*profile.objectives.values(), *invariants))
    missing = ((each.objective.sli, each.measurement.value, each.why) for each in judged if each.grade is Grade.UNMEASURED)
    unmeasured = (f"{name} is promised, but was not measured: value {value}, {why}" for name, value, why in missing)
    faults = (*more_faults, *validity.faults(profile, measurements, reference.values), *unmeasured)
    total = sum(each.objective.weight for each in judged)
    score = 100 * sum(each.objective.weight * _CREDIT[each.grade] for each in judged) / total if total else 0.0
    return Judgement(verdict=_verdict(judged, score, profile.score), judged=judged, score=score, faults=faults, notes=reference.notes)


def _grade(objective: Objective, measurements: Measurements, reference: Reference) -> Judged:
    measure, baseline = CATALOGUE[objective.sli], reference.values.get(objective.sli)
    measurement = measurements.get(objective.sli, Measurement(value=None, samples=0))
    grade, why = _decide(objective, measurement, measure, baseline)
    return Judged(objective=objective, measurement=measurement, grade=grade, baseline=baseline, why=why)


def _decide(objective: Objective, measurement: Measurement, measure: Measure, baseline: float | None) -> tuple[Grade, str]:
    value = measurement.value
    if value is None or not measurement.is_usable(measure):
        return Grade.UNMEASURED, f"{measurement.samples} of {measure.min_samples} samples"
    kept = hold(objective.limit, value, baseline)
    if kept is False:
        return Grade.FAIL, measurement.note
    if kept is None:
        return Grade.UNCOMPARED, f'"{show(objective.limit)}" needs a baseline'
    end = _pessimistic(objective.limit, measurement, measure)
    if end is not None and hold(objective.limit, end, baseline) is not True:
        return Grade.UNDECIDED, f"not decided by {measurement.samples:,} samples: another run may give {end:.4g}"
    calm = hold(objective.warn, value, baseline) if objective.warn else True
    if calm is None:
        return Grade.UNCOMPARED, f'"{show(objective.warn or ())}" needs a baseline'
    return (Grade.PASS, "") if calm else (Grade.WARN, "")


def _pessimistic(limit: Criteria, measurement: Measurement, measure: Measure) -> float | None:
    """Return the worse end of the interval; None without one, and for "not a single one", which only this run can say of itself."""
    edge, end = (0.0, 1) if measure.better is Better.LOWER else (1.0, 0)
    if measurement.interval is None or any(each.kind is Kind.FIXED and each.value == edge for each in flat(limit)):
        return None
    return measurement.interval[end]


def _verdict(judged: Sequence[Judged], score: float, promised: Score | None) -> Outcome:
    """Nothing promised is nothing kept; a missed key objective fails whatever the score; anything missed is no PASS whatever the score."""
    missed = [each for each in judged if each.grade in {Grade.FAIL, Grade.UNMEASURED}]
    if not judged or any(each.objective.key for each in missed):
        return Outcome.FAIL
    if promised is None:
        return Outcome.PASS if all(each.grade is Grade.PASS for each in judged) else Outcome.WARN
    if score < promised.warn_from:
        return Outcome.FAIL
    return Outcome.WARN if missed or score < promised.pass_from else Outcome.PASS
