"""The latency budget: which stage of an answer spent it."""

import math

import pytest

from validation.judge.measures import Measurement, Measurements
from validation.reports.model import budget, budget_line


def measured(**values: float) -> Measurements:
    found = {"embedding": 5.0, "search": 10.0, "first_token": 60.0, "answer": 85.0} | values
    return {f"{name}_p50_ms": Measurement(value=value, samples=40) for name, value in found.items()}


def test_the_stages_are_those_a_user_waits_for_and_add_up() -> None:
    found = budget(measured())
    assert [(stage["name"], stage["ms"]) for stage in found] == [
        ("embed", 5),
        ("search", 10),
        ("first token", 60),
        ("rest of the answer", 25),
    ]
    assert sum(stage["share"] for stage in found) == pytest.approx(1)


@pytest.mark.parametrize(
    ("slow", "stage"),
    [({}, "60% is first token"), ({"search": 300.0}, "is search"), ({"embedding": 900.0}, "is embed"), ({"answer": 900.0}, "is rest of")],
)
def test_the_line_names_the_stage_that_spent_it(slow: dict[str, float], stage: str) -> None:
    assert stage in budget_line(measured(**slow))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["embedding", "search", "first_token", "answer"])
def test_a_stage_that_was_not_measured_leaves_no_budget_at_all(name: str, value: float) -> None:
    assert budget(measured(**{name: value})) == []
    assert budget_line(measured(**{name: value})) == ""
    assert budget({}) == []
