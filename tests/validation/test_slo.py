"""judge(): the decision table."""

import math

import pytest

from validation.measures import Measurement, Measurements
from validation.outcome import Outcome, exit_code
from validation.profile import Profile
from validation.slo import Grade, judge


def put(measurements: Measurements, **values: float | None) -> Measurements:
    return measurements | {name: Measurement(value=value, samples=10_000) for name, value in values.items()}


def test_all_promises_kept_is_a_pass(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, good)
    assert (judgement.outcome, judgement.verdict, judgement.faults) == (Outcome.PASS, Outcome.PASS, ())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("search_p95_ms", 75.0, (Grade.PASS, Outcome.PASS)),
        ("search_p95_ms", 75.1, (Grade.WARN, Outcome.WARN)),
        ("search_p95_ms", 150.0, (Grade.WARN, Outcome.WARN)),
        ("search_p95_ms", 150.1, (Grade.FAIL, Outcome.FAIL)),
        ("recall_at_10", 0.97, (Grade.PASS, Outcome.PASS)),
        ("recall_at_10", 0.96, (Grade.WARN, Outcome.WARN)),
        ("recall_at_10", 0.94, (Grade.FAIL, Outcome.FAIL)),
        ("answer_error_share", 0.01, (Grade.FAIL, Outcome.FAIL)),
    ],
)
def test_a_number_is_graded_by_its_limits(
    profile: Profile, good: Measurements, name: str, value: float, expected: tuple[Grade, Outcome]
) -> None:
    judgement = judge(profile, put(good, **{name: value}))
    grade = next(one.grade for one in judgement.judged if one.objective.sli == name)
    assert (grade, judgement.outcome) == expected


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_never_green(profile: Profile, good: Measurements, value: float | None) -> None:
    judgement = judge(profile, put(good, search_p99_ms=value))
    assert (judgement.verdict, judgement.outcome) == (Outcome.FAIL, Outcome.INVALID)
    assert "search_p99_ms is promised, but was not measured" in judgement.faults[-1]


def test_too_few_samples_count_as_not_measured(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, good | {"search_p99_ms": Measurement(value=1.0, samples=99)})
    assert judgement.outcome is Outcome.INVALID


def test_nothing_measured_at_all_is_invalid(profile: Profile) -> None:
    assert judge(profile, {}).outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("vectors", 9_999, "certifies nothing"),
        ("search_requests", 2_499, "certifies nothing"),
        ("search_sent_rate", 97.9, "bottleneck"),
        ("search_delay_p50_ms", 5.01, "sending delay p50"),
        ("search_delay_p95_ms", 15.01, "sending delay p95"),
        ("search_delay_p99_ms", 40.01, "sending delay p99"),
        ("truth_coverage", 0.98, "not to be trusted"),
        ("planted_in_truth", 0.5, "not to be trusted"),
        ("planted_in_truth", None, "not to be trusted"),
        ("truth_beaten_share", 0.001, "not exact"),
        ("truth_beaten_share", None, "not exact"),
        ("recall_at_10", 0.0, "recall 0"),
    ],
)
def test_a_run_that_proves_nothing_is_invalid_whatever_its_numbers(
    profile: Profile, good: Measurements, name: str, value: float | None, word: str
) -> None:
    judgement = judge(profile, put(good, **{name: value}))
    assert judgement.outcome is Outcome.INVALID
    assert word in judgement.faults[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("search_sent_rate", 98.0), ("search_delay_p50_ms", 5.0), ("truth_coverage", 0.99), ("planted_in_truth", 0.9), ("vectors", 20_000)],
)
def test_validity_limits_themselves_are_still_valid(profile: Profile, good: Measurements, name: str, value: float) -> None:
    assert judge(profile, put(good, **{name: value})).outcome is Outcome.PASS


def test_invalid_is_said_before_failed_and_the_verdict_stays_visible(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, put(good, search_p50_ms=1_000.0, vectors=10.0))
    assert (judgement.outcome, judgement.verdict) == (Outcome.INVALID, Outcome.FAIL)


def test_a_fault_that_a_check_found_makes_the_run_invalid(profile: Profile, good: Measurements) -> None:
    assert judge(profile, good, ["clock stepped"]).faults == ("clock stepped",)


@pytest.mark.parametrize(
    ("outcome", "plain", "strict"),
    [
        (Outcome.PASS, 0, 0),
        (Outcome.WARN, 0, 1),
        (Outcome.FAIL, 1, 1),
        (Outcome.ERROR, 2, 2),
        (Outcome.INVALID, 3, 3),
        (Outcome.UNREACHABLE, 4, 4),
    ],
)
def test_each_outcome_has_its_exit_code(outcome: Outcome, plain: int, strict: int) -> None:
    assert (exit_code(outcome, strict=False), exit_code(outcome, strict=True)) == (plain, strict)
