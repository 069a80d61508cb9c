"""Whether a run proves anything, whatever its numbers are; pure.

It must be big enough, at the promised rate, by a gate that was not late itself, against exact answers that are exact. A number that is
needed here and was not measured is a fault, never a silence.
"""

from collections.abc import Iterator, Mapping

from validation.judge.criteria import flat, hold
from validation.judge.errors import text_of
from validation.judge.measures import CATALOGUE, Measurements
from validation.judge.profile import Profile

_RATE_KEPT = 0.98
_COVERAGE = 0.99
_PLANTED = 0.9
_DELAY_SHARE = 0.1
_DRIFT_SHARE = 0.5


def faults(profile: Profile, measurements: Measurements, baseline: Mapping[str, float]) -> Iterator[str]:
    """Yield each reason why the run proves nothing; `baseline` is needed where a limit is relative to it."""
    for name, promised in (("vectors", profile.vectors.value), ("search_requests", profile.requests.value)):
        measured = _value(measurements, name)
        if measured is None or measured < promised:
            yield f"{name}: {_show(measured)} measured, {promised} promised; a smaller run certifies nothing"
    sent = _value(measurements, "search_sent_rate")
    if sent is None or sent < _RATE_KEPT * profile.rate.value:
        yield text_of("fault.rate", sent=_show(sent), promised=profile.rate.value)
    limit, delay = tightest_limit_ms(profile, baseline), _value(measurements, "search_delay_p99_ms")
    if limit is None:
        yield "no search latency has a fixed limit, and there is no baseline: the gate's own delay cannot be held against anything"
    elif delay is None or delay > limit * _DELAY_SHARE:
        yield text_of("fault.delay", of="the gate's", delay=_show(delay), limit=limit)
    yield from _unsteady(profile, measurements, baseline)
    yield from _truth_in_doubt(measurements)


def _value(measurements: Measurements, name: str) -> float | None:
    measurement = measurements.get(name)
    return measurement.value if measurement and measurement.is_usable(CATALOGUE[name]) else None


def tightest_limit_ms(profile: Profile, baseline: Mapping[str, float], prefix: str = "search_p") -> float | None:
    """Return the lowest number that a latency whose name begins so is held against; None when every one waits for a baseline."""
    named = [(name, objective) for name, objective in profile.objectives.items() if name.startswith(prefix)]
    bounds = [criterion.bound(baseline.get(name)) for name, objective in named for criterion in flat(objective.limit)]
    return min((bound for bound in bounds if bound is not None), default=None)


def _unsteady(profile: Profile, measurements: Measurements, baseline: Mapping[str, float]) -> Iterator[str]:
    """Refuse a green answer while latency still moves: by more than a tenth of the tightest limit and half of the median.

    A run that misses a limit of search is no less red for it, and stays a FAIL: slow and broken never share an exit code.
    """
    limit, drift = tightest_limit_ms(profile, baseline), _value(measurements, "search_drift_ms")
    searches = {name: objective for name, objective in profile.objectives.items() if name.startswith("search_p")}
    values = {name: value for name in searches if (value := _value(measurements, name)) is not None}
    if limit is None or any(hold(searches[name].limit, value, baseline.get(name)) is False for name, value in values.items()):
        return
    median = _value(measurements, "search_p50_ms")
    if drift is None or abs(drift) > max(limit * _DELAY_SHARE, (median or 0) * _DRIFT_SHARE):
        yield text_of("fault.drift", drift=_show(drift))


def _truth_in_doubt(measurements: Measurements) -> Iterator[str]:
    for name, least in (("truth_coverage", _COVERAGE), ("planted_in_truth", _PLANTED)):
        measured = _value(measurements, name)
        if measured is None or measured < least:
            yield f"{name} is {_show(measured)}, must be {least:g} or more: the exact answers are not to be trusted"
    if _value(measurements, "truth_beaten_share") != 0:
        yield text_of("fault.beaten", beaten=_show(_value(measurements, "truth_beaten_share")))
    if _value(measurements, "recall_at_10") == 0:
        yield "not one search found anything right (recall 0): truth and collection are not of the same data"


def _show(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
