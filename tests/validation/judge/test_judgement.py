"""judge(): the decision table of docs/gate.md, every branch."""

import math
from typing import Any

import pytest

from validation.judge.errors import Outcome, exit_code
from validation.judge.judgement import NO_REFERENCE, Grade, Judgement, Reference, judge
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile


def put(measurements: Measurements, **values: float | None) -> Measurements:
    return measurements | {name: Measurement(value=value, samples=10_000) for name, value in values.items()}


def changed(profile: Profile, name: str = "search_p95_ms", **fields: Any) -> Profile:
    """Return the profile with fields of one objective changed; `score` belongs to the profile itself."""
    data = profile.model_dump(mode="json")
    if "score" in fields:
        passes, warns = fields.pop("score")
        data["score"] = {"pass_from": passes, "warn_from": warns, "unit": "percent", "reason": "for this test"}
    data["objectives"][name] |= fields
    return Profile.model_validate(data)


def grade(judgement: Judgement, name: str = "search_p95_ms") -> Grade:
    return next(one.grade for one in judgement.judged if one.objective.sli == name)


def against(**values: float) -> Reference:
    return Reference(values=values, notes=())


def test_all_promises_kept_is_a_pass(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, good)
    assert (judgement.outcome, judgement.verdict, judgement.faults) == (Outcome.PASS, Outcome.PASS, ())
    assert (judgement.score, judgement.notes) == (100.0, ())
    assert {(one.baseline, one.why) for one in judgement.judged} == {(None, "")}


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
    assert (grade(judgement, name), judgement.outcome) == expected
    assert [one.why for one in judgement.judged if one.why] == [], "the number and its limit say all there is to say"


@pytest.mark.parametrize(
    ("written", "found", "expected"),
    [
        (("<= +10%", None), (110.0, 100.0), Grade.PASS),
        (("<= +10%", None), (110.1, 100.0), Grade.FAIL),
        (("<= +10%", None), (1.0, None), Grade.UNCOMPARED),
        (("<= +5", None), (205.0, 200.0), Grade.PASS),
        (("<= +5", None), (205.1, 200.0), Grade.FAIL),
        ((["<= 150", "<= +10%"], None), (100.0, 100.0), Grade.PASS),
        ((["<= 150", "<= +10%"], None), (140.0, 100.0), Grade.FAIL),
        ((["<= 150", "<= +10%"], None), (151.0, 200.0), Grade.FAIL),
        ((["<= 150", "<= +10%"], None), (140.0, None), Grade.UNCOMPARED),
        ((["<= 150", "<= +10%"], None), (151.0, None), Grade.FAIL),
        (([["<= 150", "<= +10%"], ["<= 50"]], None), (50.0, None), Grade.PASS),
        (([["<= 150", "<= +10%"], ["<= 50"]], None), (50.0, 10.0), Grade.PASS),
        (([["<= 150", "<= +10%"], ["<= 50"]], None), (100.0, 10.0), Grade.FAIL),
        (([["<= 150", "<= +10%"], ["<= 50"]], None), (100.0, None), Grade.UNCOMPARED),
        (("<= 150", "<= +10%"), (100.0, 100.0), Grade.PASS),
        (("<= 150", "<= +10%"), (120.0, 100.0), Grade.WARN),
        (("<= 150", "<= +10%"), (100.0, None), Grade.UNCOMPARED),
    ],
)
def test_relative_and_combined_criteria(
    profile: Profile, good: Measurements, written: tuple[Any, Any], found: tuple[float, float | None], expected: Grade
) -> None:
    (limit, warn), (value, baseline) = written, found
    reference = NO_REFERENCE if baseline is None else against(search_p95_ms=baseline)
    judgement = judge(changed(profile, limit=limit, warn=warn), put(good, search_p95_ms=value), reference=reference)
    assert grade(judgement) is expected
    wanted = {Grade.PASS: Outcome.PASS, Grade.FAIL: Outcome.FAIL}.get(expected, Outcome.WARN)
    assert judgement.verdict is wanted


def test_a_missing_baseline_is_said_and_is_a_warning_not_a_pass(profile: Profile, good: Measurements) -> None:
    reference = Reference(values={}, notes=("no baseline",))
    judgement = judge(changed(profile, limit=["<= 150", "<= +10%"], warn=None), good, reference=reference)
    assert (judgement.outcome, judgement.notes) == (Outcome.WARN, ("no baseline",))
    (why,) = [one.why for one in judgement.judged if one.why]
    assert why == '"<= 150 and <= +10%" needs a baseline'
    warned = judge(changed(profile, warn="<= +10%"), good, reference=reference)
    assert [one.why for one in warned.judged if one.why] == ['"<= +10%" needs a baseline']


def test_the_baseline_of_the_number_stands_beside_it(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, good, reference=against(search_p95_ms=70.0, recall_at_10=0.98))
    assert {one.objective.sli: one.baseline for one in judgement.judged if one.baseline} == {"search_p95_ms": 70.0, "recall_at_10": 0.98}


@pytest.mark.parametrize(
    ("promised", "found", "expected"),
    [
        (("search_p95_ms", "<= 150"), (70.0, (60.0, 150.0)), Grade.PASS),
        (("search_p95_ms", "<= 150"), (70.0, (60.0, 150.1)), Grade.UNDECIDED),
        (("search_p95_ms", "<= 150"), (151.0, (140.0, 160.0)), Grade.FAIL),
        (("search_p95_ms", "<= 150"), (70.0, (1e9, 80.0)), Grade.PASS),
        (("recall_at_10", ">= 0.95"), (0.98, (0.95, 0.99)), Grade.PASS),
        (("recall_at_10", ">= 0.95"), (0.98, (0.949, 0.99)), Grade.UNDECIDED),
        (("search_error_share", "<= 0.001"), (0.0, (0.0, 0.0011)), Grade.UNDECIDED),
        (("answer_error_share", "<= 0"), (0.0, (0.0, 0.07)), Grade.PASS),
        (("fact_share", ">= 1"), (1.0, (0.9, 1.0)), Grade.PASS),
    ],
)
def test_a_limit_inside_the_interval_is_not_decided(
    profile: Profile, good: Measurements, promised: tuple[str, str], found: tuple[float, tuple[float, float]], expected: Grade
) -> None:
    (name, limit), (value, interval) = promised, found
    numbers = good | {name: Measurement(value=value, samples=10_000, interval=interval)}
    judgement = judge(changed(profile, name, limit=limit, warn=None), numbers)
    assert grade(judgement, name) is expected
    assert judgement.verdict is {Grade.PASS: Outcome.PASS, Grade.FAIL: Outcome.FAIL, Grade.UNDECIDED: Outcome.WARN}[expected]


def test_not_decided_says_how_many_samples_and_how_bad_another_run_may_be(profile: Profile, good: Measurements) -> None:
    numbers = good | {"search_p95_ms": Measurement(value=70.0, samples=10_000, interval=(60.0, 170.5))}
    (why,) = [one.why for one in judge(profile, numbers).judged if one.why]
    assert why == "not decided by 10,000 samples: another run may give 170.5"


def test_a_relative_limit_inside_the_interval_is_not_decided_either(profile: Profile, good: Measurements) -> None:
    numbers = good | {"search_p95_ms": Measurement(value=105.0, samples=10_000, interval=(90.0, 111.0))}
    judgement = judge(changed(profile, limit="<= +10%", warn=None), numbers, reference=against(search_p95_ms=100.0))
    assert grade(judgement) is Grade.UNDECIDED
    decided = good | {"search_p95_ms": Measurement(value=105.0, samples=10_000, interval=(90.0, 109.0))}
    assert judge(changed(profile, limit="<= +10%", warn=None), decided, reference=against(search_p95_ms=100.0)).verdict is Outcome.PASS


@pytest.mark.parametrize(
    ("fields", "value", "expected"),
    [
        ({}, 75.0, (100.0, Outcome.PASS)),
        ({}, 100.0, (97.5, Outcome.PASS)),
        ({}, 151.0, (95.0, Outcome.FAIL)),
        ({"key": False}, 151.0, (95.0, Outcome.WARN)),
        ({"key": False, "score": (97.6, 95)}, 100.0, (97.5, Outcome.WARN)),
        ({"key": False, "score": (97.5, 95)}, 100.0, (97.5, Outcome.PASS)),
        ({"key": False, "score": (97, 95)}, 151.0, (95.0, Outcome.WARN)),
        ({"key": False, "score": (95, 80)}, 151.0, (95.0, Outcome.WARN)),
        ({"key": False, "score": (97, 95.1)}, 151.0, (95.0, Outcome.FAIL)),
        ({"key": False, "weight": 21}, 151.0, (47.5, Outcome.FAIL)),
        ({"key": False, "weight": 21}, 100.0, (73.75, Outcome.FAIL)),
    ],
)
def test_a_score_forgives_what_is_not_key_but_never_calls_it_kept(
    profile: Profile, good: Measurements, fields: dict[str, Any], value: float, expected: tuple[float, Outcome]
) -> None:
    data = profile.model_dump(mode="json")
    data["objectives"] = dict(list(data["objectives"].items())[:17])
    extra = ("embedding_p50_ms", "first_token_p50_ms", "mrr_at_10")
    for name in extra:
        side = ">= 0.1" if name == "mrr_at_10" else "<= 90"
        data["objectives"][name] = {"sli": name, "unit": "share" if "mrr" in name else "ms", "limit": side, "reason": "makes it twenty"}
    twenty = changed(Profile.model_validate(data), **{"score": (90, 75), **fields})
    filled = put(good, embedding_p50_ms=1.0, first_token_p50_ms=1.0, answer_p50_ms=1.0, mrr_at_10=0.9, search_p95_ms=value)
    judgement = judge(twenty, filled)
    assert judgement.score == pytest.approx(expected[0])
    assert judgement.verdict is expected[1]


def test_what_is_not_key_and_was_not_measured_is_invalid_all_the_same(profile: Profile, good: Measurements) -> None:
    judgement = judge(changed(profile, key=False, score=(90, 10)), put(good, search_p95_ms=None))
    assert (judgement.verdict, judgement.outcome) == (Outcome.WARN, Outcome.INVALID)


def test_nothing_promised_is_nothing_kept(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile.model_copy(update={"objectives": {}}), good)
    assert (judgement.verdict, judgement.score) == (Outcome.FAIL, 0.0)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_never_green(profile: Profile, good: Measurements, value: float | None) -> None:
    judgement = judge(profile, put(good, search_p99_ms=value))
    assert (judgement.verdict, judgement.outcome) == (Outcome.FAIL, Outcome.INVALID)
    assert judgement.faults[-1] == f"search_p99_ms is promised, but was not measured: value {value}, 10000 of 100 samples"


def test_too_few_samples_count_as_not_measured(profile: Profile, good: Measurements) -> None:
    judgement = judge(profile, good | {"search_p99_ms": Measurement(value=1.0, samples=99)})
    assert (judgement.outcome, grade(judgement, "search_p99_ms")) == (Outcome.INVALID, Grade.UNMEASURED)
    assert judge(profile, good | {"search_p99_ms": Measurement(value=1.0, samples=100)}).outcome is Outcome.PASS


def test_nothing_measured_at_all_is_invalid(profile: Profile) -> None:
    judgement = judge(profile, {})
    assert (judgement.outcome, judgement.verdict, judgement.score) == (Outcome.INVALID, Outcome.FAIL, 0.0)
    assert "search_p50_ms is promised, but was not measured: value None, 0 of 2 samples" in judgement.faults


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
