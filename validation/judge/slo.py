"""judge(): promises and measurements in, verdict and validity out; pure, no clock, no file, no network.

Two answers side by side: does every number keep its limit (verdict), and does the run prove anything at all (validity)? A number that
nobody measured fails its promise and makes the run invalid. Green needs more than a lucky number: the pessimistic end of its interval must
keep the limit too, and a relative limit needs a baseline. The decision table is in docs/gate.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from validation.judge import validity
from validation.judge.criteria import Criteria, Kind, flat, hold, show
from validation.judge.measures import CATALOGUE, Better, Measure, Measurement, Measurements
from validation.judge.outcome import Outcome
from validation.judge.profile import Objective, Profile, Score


class Grade(StrEnum):
    """What one objective came to."""

    PASS = "pass"  # noqa: S105 - a grade, not a password
    WARN = "warn"
    UNDECIDED = "not decided"
    """The number keeps its limit, but another run might not: the limit lies inside the interval."""
    UNCOMPARED = "no baseline"
    FAIL = "fail"
    UNMEASURED = "not measured"


_CREDIT = {Grade.PASS: 1.0, Grade.WARN: 0.5, Grade.UNDECIDED: 0.5, Grade.UNCOMPARED: 0.5, Grade.FAIL: 0.0, Grade.UNMEASURED: 0.0}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What relative criteria are compared with, and what there is to say about it."""

    values: Mapping[str, float]
    """By SLI; empty when there is no baseline, or none of the same workload."""
    said: tuple[str, ...]


NO_REFERENCE = Reference(values={}, said=())


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

    verdict: Outcome
    """PASS, WARN or FAIL."""
    judged: tuple[Judged, ...]
    score: float
    """Percent: weights of kept objectives, half of them where one warns, over all weights."""
    faults: tuple[str, ...]
    """Why the run is not valid; empty when it is."""
    said: tuple[str, ...] = ()
    """About the baseline."""

    @property
    def outcome(self) -> Outcome:
        """INVALID when the run proves nothing, else the verdict."""
        return Outcome.INVALID if self.faults else self.verdict


def judge(profile: Profile, measurements: Measurements, found_faults: Sequence[str] = (), reference: Reference = NO_REFERENCE) -> Judgement:
    """Compare every objective with its measurement, and ask whether the run was what the profile promises.

    `found_faults` are reasons that a check saw itself and that no number shows.
    """
    judged = tuple(_grade(objective, measurements, reference) for objective in profile.objectives.values())
    faults = (*found_faults, *validity.faults(profile, measurements, reference.values), *_unmeasured(judged))
    score = _score(judged)
    return Judgement(verdict=_verdict(judged, score, profile.score), judged=judged, score=score, faults=faults, said=reference.said)


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
        return Grade.FAIL, ""
    if kept is None:
        return Grade.UNCOMPARED, f'"{show(objective.limit)}" needs a baseline'
    end = _pessimistic(objective.limit, measurement, measure)
    if end is not None and hold(objective.limit, end, baseline) is not True:
        return Grade.UNDECIDED, f"not decided by {measurement.samples:,} samples: another run may give {end:.4g}"
    return _warned(objective, value, baseline)


def _warned(objective: Objective, value: float, baseline: float | None) -> tuple[Grade, str]:
    calm = hold(objective.warn, value, baseline) if objective.warn else True
    if calm is None and objective.warn:
        return Grade.UNCOMPARED, f'"{show(objective.warn)}" needs a baseline'
    return (Grade.PASS, "") if calm else (Grade.WARN, "")


def _pessimistic(limit: Criteria, measurement: Measurement, measure: Measure) -> float | None:
    """Return the worse end of the interval; None without one, and for "not a single one", which only this run can say of itself."""
    lower = measure.better is Better.LOWER
    edge = 0.0 if lower else 1.0
    if measurement.interval is None or any(one.kind is Kind.FIXED and one.value == edge for one in flat(limit)):
        return None
    return measurement.interval[1 if lower else 0]


def _score(judged: Sequence[Judged]) -> float:
    total = sum(one.objective.weight for one in judged)
    return 100 * sum(one.objective.weight * _CREDIT[one.grade] for one in judged) / total if total else 0.0


def _verdict(judged: Sequence[Judged], score: float, asked: Score | None) -> Outcome:
    """Nothing promised is nothing kept; a missed key objective fails whatever the score; anything missed is no PASS whatever the score."""
    missed = [one for one in judged if one.grade in {Grade.FAIL, Grade.UNMEASURED}]
    if not judged or any(one.objective.key for one in missed):
        return Outcome.FAIL
    if asked is None:
        return Outcome.PASS if all(one.grade is Grade.PASS for one in judged) else Outcome.WARN
    if score < asked.warn_from:
        return Outcome.FAIL
    return Outcome.WARN if missed or score < asked.pass_from else Outcome.PASS


def _unmeasured(judged: Sequence[Judged]) -> Iterator[str]:
    for one in judged:
        if one.grade is Grade.UNMEASURED:
            yield f"{one.objective.sli} is promised, but was not measured: value {one.measurement.value}, {one.why}"
