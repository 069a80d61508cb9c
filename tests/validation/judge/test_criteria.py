"""Criteria: three answers, and forms that can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from validation.judge.criteria import Criteria, Criterion, Kind, hold, show, useless

READ = TypeAdapter[Criteria](Criteria)
TEXTS = st.builds("{} {}{}".format, st.sampled_from(["<=", ">="]), st.sampled_from(["", "+", "-"]), st.integers(0, 999)).flatmap(
    lambda text: st.sampled_from([text, f"{text}%"]) if "+" in text or "-" in text else st.just(text)
)


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_what_is_written_can_be_read_again(alternatives: list[list[str]]) -> None:
    criteria = READ.validate_python(alternatives)
    assert READ.validate_python(READ.dump_python(criteria)) == criteria


@pytest.mark.parametrize(
    ("text", "operator", "value", "kind"),
    [
        ("<= 5", "<=", 5, Kind.FIXED),
        (" >=0.5 ", ">=", 0.5, Kind.FIXED),
        ("<= +10%", "<=", 10, Kind.PERCENT),
        (">= -2%", ">=", -2, Kind.PERCENT),
        (">= -0.01", ">=", -0.01, Kind.DELTA),
    ],
)
def test_forms(text: str, operator: str, value: float, kind: Kind) -> None:
    found = Criterion.model_validate(text)
    assert (found.operator, found.value, found.kind) == (operator, value, kind)


@pytest.mark.parametrize(
    "text", ["", "5", "< 5", "== 5", "<= 5 ms", "<= 1e3", "<= nan", "<= 10%", "<= +-1", "<= 5,", "<= 5 and <= 6", "<= .5"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Criterion.model_validate(text)


@pytest.mark.parametrize(("data", "shown"), [("<= 5", "<= 5"), (["<= 5", "<= +10%"], "<= 5 and <= +10%")])
def test_one_alone_and_a_list_are_one_group(data: object, shown: str) -> None:
    criteria = READ.validate_python(data)
    assert (len(criteria), show(criteria)) == (1, shown)


def test_a_list_of_lists_are_alternatives() -> None:
    assert show(READ.validate_python([["<= 5", "<= +10%"], ["<= 2"]])) == "<= 5 and <= +10% or <= 2"


@pytest.mark.parametrize("data", [[], [[]], ["<= 5", ["<= 6"]], None, 5])
def test_what_is_no_list_of_criteria_is_refused(data: object) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(data)


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_a_percentage_is_of_the_baseline(value: float, baseline: float) -> None:
    assert hold(READ.validate_python("<= +50%"), value, baseline) is (value <= baseline * 1.5)
    assert hold(READ.validate_python(">= -50%"), value, baseline) is (value >= baseline * 0.5)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("<= 6", "<= 5", True),
        ("<= 5", "<= 5", True),
        ("<= 5", "<= 6", False),
        (">= 5", ">= 6", True),
        (">= 6", ">= 5", False),
        (">= 5", ">= 5", True),
        ("<= 6", ">= 5", False),
        ("<= 60", "<= +5%", False),
    ],
)
def test_one_criterion_contains_another_only_where_that_is_certain(left: str, right: str, expected: bool) -> None:
    assert Criterion.model_validate(left).contains(Criterion.model_validate(right)) is expected


def test_criteria_that_all_decide_something_are_not_useless() -> None:
    assert useless(READ.validate_python([["<= 150", "<= +10%"], ["<= 50"]])) is None
