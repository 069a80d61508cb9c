"""judge(): promises and measurements in, verdict and validity out; pure, no clock, no file, no network.

Two answers side by side: does every number keep its limit (verdict), and does the run prove anything at all (validity)? A number that
nobody measured fails its promise and makes the run invalid; fewer vectors than promised certify nothing, however fast they were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from validation.measures import CATALOGUE, Measurement, Measurements
from validation.outcome import Outcome
from validation.profile import Objective, Profile

_RATE_KEPT = 0.98
_COVERAGE = 0.99
_PLANTED = 0.9
_DELAY_SHARE = 0.1


class Grade(StrEnum):
    """What one objective came to."""

    PASS = "pass"  # noqa: S105 - a grade, not a password
    WARN = "warn"
    FAIL = "fail"
    UNMEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One objective, what was measured for it, and its grade."""

    objective: Objective
    measurement: Measurement
    grade: Grade


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict over the objectives, and beside it whether the run proves anything."""

    verdict: Outcome
    """PASS, WARN or FAIL."""
    judged: tuple[Judged, ...]
    faults: tuple[str, ...]
    """Why the run is not valid; empty when it is."""

    @property
    def outcome(self) -> Outcome:
        """INVALID when the run proves nothing, else the verdict."""
        return Outcome.INVALID if self.faults else self.verdict


def judge(profile: Profile, measurements: Measurements, found_faults: Sequence[str] = ()) -> Judgement:
    """Compare every objective with its measurement, and ask whether the run was what the profile promises.

    `found_faults` are reasons that a check saw itself and that no number shows.
    """
    judged = tuple(_grade(name, objective, measurements) for name, objective in profile.objectives.items())
    faults = (*found_faults, *_faults(profile, measurements), *_unmeasured(judged))
    return Judgement(verdict=_verdict(judged), judged=judged, faults=faults)


def _grade(name: str, objective: Objective, measurements: Measurements) -> Judged:
    measurement = measurements.get(name, Measurement(value=None, samples=0))
    if measurement.value is None or not measurement.is_usable(CATALOGUE[name]):
        grade = Grade.UNMEASURED
    elif not objective.limit.holds(measurement.value):
        grade = Grade.FAIL
    elif objective.warn and not objective.warn.holds(measurement.value):
        grade = Grade.WARN
    else:
        grade = Grade.PASS
    return Judged(objective=objective, measurement=measurement, grade=grade)


def _verdict(judged: Sequence[Judged]) -> Outcome:
    grades = {one.grade for one in judged}
    if not grades or grades & {Grade.FAIL, Grade.UNMEASURED}:
        return Outcome.FAIL
    return Outcome.WARN if Grade.WARN in grades else Outcome.PASS


def _unmeasured(judged: Sequence[Judged]) -> Iterator[str]:
    for one in judged:
        if one.grade is Grade.UNMEASURED:
            sli, found = one.objective.sli, one.measurement
            yield f"{sli} is promised, but was not measured: value {found.value}, {found.samples} of {CATALOGUE[sli].min_samples} samples"


def _faults(profile: Profile, measurements: Measurements) -> Iterator[str]:
    yield from _too_small(profile, measurements)
    yield from _rate_not_held(profile, measurements)
    yield from _delayed(profile, measurements)
    yield from _truth_in_doubt(measurements)


def _value(measurements: Measurements, name: str) -> float | None:
    found = measurements.get(name)
    return found.value if found and found.is_usable(CATALOGUE[name]) else None


def _too_small(profile: Profile, measurements: Measurements) -> Iterator[str]:
    for name, promised in (("vectors", profile.vectors.value), ("search_requests", profile.requests.value)):
        measured = _value(measurements, name)
        if measured is None or measured < promised:
            yield f"{name}: {_show(measured)} measured, {promised} promised; a smaller run certifies nothing"


def _rate_not_held(profile: Profile, measurements: Measurements) -> Iterator[str]:
    sent = _value(measurements, "search_sent_rate")
    if sent is None or sent < _RATE_KEPT * profile.rate.value:
        offered = f"{_show(sent)} of {profile.rate.value:g} requests/s"
        yield f"the gate sent {offered}: it was the bottleneck itself; give it more CPU, or promise a lower rate"


def _delayed(profile: Profile, measurements: Measurements) -> Iterator[str]:
    """Hold each percentile of the gate's own delay against a tenth of the limit on the same percentile of the latency."""
    for percentile in (50, 95, 99):
        objective = profile.objectives.get(f"search_p{percentile}_ms")
        if objective is None:
            continue
        delay, allowed = _value(measurements, f"search_delay_p{percentile}_ms"), objective.limit.value * _DELAY_SHARE
        if delay is None or delay > allowed:
            late = f"the gate's own sending delay p{percentile} was {_show(delay)} ms"
            yield f"{late}, more than a tenth of the limit it is to judge ({allowed:g} ms); give it more CPU, or a quieter machine"


def _truth_in_doubt(measurements: Measurements) -> Iterator[str]:
    for name, least in (("truth_coverage", _COVERAGE), ("planted_in_truth", _PLANTED)):
        measured = _value(measurements, name)
        if measured is None or measured < least:
            yield f"{name} is {_show(measured)}, must be {least:g} or more: the exact answers are not to be trusted"
    if _value(measurements, "truth_beaten_share") != 0:
        beaten = _show(_value(measurements, "truth_beaten_share"))
        yield f"truth_beaten_share is {beaten}, must be 0: searches found better rows than the exact answers, so those are not exact"
    if _value(measurements, "recall_at_10") == 0:
        yield "not one search found anything right (recall 0): truth and collection are not of the same data"


def _show(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
