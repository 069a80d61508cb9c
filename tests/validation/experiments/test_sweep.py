"""Capacity at SLO: which rates are tried, and what is said of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.experiments.sweep import Step, Sweep, at_rate, search
from validation.judge.errors import Outcome
from validation.judge.profile import Profile


@given(st.floats(25, 3_000))
def test_the_highest_rate_that_holds_is_found_to_a_tenth_in_a_dozen_tries(truth: float) -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= truth

    found = search(holds, 25, 3_200)
    assert found is not None
    assert found <= truth < found * 1.101
    assert len(tried) <= 13


def test_a_lowest_rate_that_does_not_hold_is_no_capacity() -> None:
    assert search(lambda _: False, 25, 3_200) is None


def test_nothing_is_tried_beyond_the_highest_rate() -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return True

    assert search(holds, 100, 450) == 400
    assert tried == [100, 200, 400]


def test_a_rate_is_judged_by_the_promises_about_search_alone(profile: Profile) -> None:
    found = at_rate(profile, 400, 10)
    assert (found.rate.value, found.requests.value) == (400, 4_000)
    assert {"recall_at_10", "search_p99_ms", "search_error_share"} <= set(found.objectives)
    assert "ndcg_at_10" not in found.objectives


def step(rate: float, outcome: Outcome, why: str = "") -> Step:
    return Step(rate=rate, outcome=outcome, why=why, numbers={})


@pytest.mark.parametrize(
    ("steps", "held", "expected"),
    [
        (
            [step(100, Outcome.PASS), step(200, Outcome.FAIL, "search_p99_ms (fail)")],
            100.0,
            (Outcome.PASS, "200 do not: search_p99_ms (fail)"),
        ),
        ([step(50, Outcome.WARN), step(100, Outcome.FAIL)], 50.0, (Outcome.FAIL, "50 requests/s hold")),
        ([step(50, Outcome.FAIL)], None, (Outcome.FAIL, "no rate that was tried holds")),
        ([step(50, Outcome.INVALID, "the gate was late")], None, (Outcome.INVALID, "50 do not: the gate was late")),
        ([step(100, Outcome.PASS)], 100.0, (Outcome.PASS, "no higher rate was asked for")),
    ],
)
def test_the_result_says_what_holds_and_what_does_not(steps: list[Step], held: float | None, expected: tuple[Outcome, str]) -> None:
    found = Sweep(run_id="x", steps=steps, promised=100.0, capacity=held)
    assert found.outcome is expected[0]
    assert expected[1] in found.reason
