"""Validity: a run that proves nothing is invalid, whatever its numbers are."""

import pytest

from tests.validation.judge.test_judgement import changed, put
from validation.judge.errors import Outcome
from validation.judge.judgement import judge
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile
from validation.judge.validity import faults, tightest_limit_ms


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("vectors", 9_999, "vectors: 9999 measured, 10000 promised; a smaller run certifies nothing"),
        ("vectors", None, "vectors: nothing measured, 10000 promised; a smaller run certifies nothing"),
        ("search_requests", 2_999, "search_requests: 2999 measured, 3000 promised; a smaller run certifies nothing"),
        ("search_sent_rate", 97.9, "the gate sent 97.9 of 100 requests/s: it was the bottleneck itself; give it more CPU"),
        ("search_sent_rate", None, "the gate sent nothing of 100 requests/s"),
        ("search_delay_p99_ms", 5.01, "the gate's own sending delay p99 was 5.01 ms, more than a tenth of the tightest limit"),
        ("search_delay_p99_ms", None, "the gate's own sending delay p99 was nothing ms"),
        ("search_drift_ms", 12.6, "search_drift_ms is 12.6: latency was not steady"),
        ("search_drift_ms", -12.6, "search_drift_ms is -12.6: latency was not steady"),
        ("search_drift_ms", None, "search_drift_ms is nothing: latency was not steady"),
        ("truth_coverage", 0.98, "truth_coverage is 0.98, must be 0.99 or more: the exact answers are not to be trusted"),
        ("planted_in_truth", 0.5, "planted_in_truth is 0.5, must be 0.9 or more: the exact answers are not to be trusted"),
        ("planted_in_truth", None, "planted_in_truth is nothing"),
        ("truth_beaten_share", 0.001, "truth_beaten_share is 0.001, must be 0: searches found better rows than the exact answers"),
        ("truth_beaten_share", None, "truth_beaten_share is nothing, must be 0"),
        ("recall_at_10", 0.0, "not one search found anything right (recall 0)"),
    ],
)
def test_a_run_that_proves_nothing_is_invalid(profile: Profile, good: Measurements, name: str, value: float | None, expected: str) -> None:
    found = list(faults(profile, put(good, **{name: value}), {}))
    assert len(found) == 1
    assert found[0].startswith(expected)
    assert judge(profile, put(good, **{name: value})).outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search_sent_rate", 98.0),
        ("search_delay_p99_ms", 5.0),
        ("search_drift_ms", 12.5),
        ("search_drift_ms", -12.5),
        ("truth_coverage", 0.99),
        ("planted_in_truth", 0.9),
        ("vectors", 10_000),
        ("vectors", 20_000),
        ("search_requests", 3_000),
    ],
)
def test_validity_limits_themselves_are_still_valid(profile: Profile, good: Measurements, name: str, value: float) -> None:
    assert list(faults(profile, put(good, **{name: value}), {})) == []


def test_what_rests_on_too_few_samples_counts_as_nothing(profile: Profile, good: Measurements) -> None:
    few = good | {"search_delay_p99_ms": Measurement(value=0.1, samples=99)}
    assert "delay p99 was nothing" in next(iter(faults(profile, few, {})))


def test_the_tightest_limit_is_the_lowest_of_all_search_latencies(profile: Profile) -> None:
    assert tightest_limit_ms(profile, {}) == 50
    relative = changed(profile, "search_p50_ms", limit=["<= 50", "<= +10%"], warn=None)
    assert tightest_limit_ms(relative, {"search_p50_ms": 4.0}) == pytest.approx(4.4)


def test_a_delay_that_no_limit_can_be_held_against_is_a_fault(profile: Profile, good: Measurements) -> None:
    data = profile.model_dump(mode="json")
    for name in ("search_p50_ms", "search_p95_ms", "search_p99_ms"):
        data["objectives"][name] |= {"limit": "<= +10%", "warn": None}
    relative = Profile.model_validate(data)
    assert next(iter(faults(relative, good, {}))) == (
        "no search latency has a fixed limit, and there is no baseline: the gate's own delay cannot be held against anything"
    )
    assert list(faults(relative, good, {"search_p95_ms": 10.0})) == []


def test_a_drift_below_a_tenth_of_the_tightest_limit_is_steady_however_fast_search_is(profile: Profile, good: Measurements) -> None:
    quick = put(good, search_p50_ms=1.0)
    assert list(faults(profile, put(quick, search_drift_ms=5.0), {})) == []
    assert "not steady" in next(iter(faults(profile, put(quick, search_drift_ms=5.01), {})))
    assert "not steady" in next(iter(faults(profile, put(quick, search_p50_ms=None, search_drift_ms=5.01), {})))


def test_a_median_that_nobody_measured_forgives_no_drift(profile: Profile, good: Measurements) -> None:
    tight = changed(profile, "search_p50_ms", limit="<= 4", warn=None)
    unmeasured = put(good, search_p50_ms=None, search_drift_ms=0.45)
    assert "not steady" in next(iter(faults(tight, unmeasured, {})))


def test_a_slow_search_stays_a_failure_though_it_was_not_steady(profile: Profile, good: Measurements) -> None:
    slow = put(good, search_p99_ms=401.0, search_drift_ms=300.0)
    assert judge(profile, slow).outcome is Outcome.FAIL
    relative = changed(profile, "search_p99_ms", limit=["<= 400", "<= +10%"], warn=None)
    unsteady = put(good, search_p99_ms=120.0, search_drift_ms=300.0)
    assert list(faults(relative, unsteady, {"search_p99_ms": 100.0})) == []
    assert len(list(faults(relative, unsteady, {"search_p99_ms": 200.0}))) == 1
