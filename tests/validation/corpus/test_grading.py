"""Facts and citations in answers."""

import pytest

from validation.corpus.grading import citation_is_right, cited_numbers, has_fact, is_refusal


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        ("The load is 1,300 kg. [1]", "1,300 kg"),
        ("Die Last ist 1.300 kg [1].", "1,300 kg"),
        ("It is 850\u00a0kg", "850 kg"),
        ("POSITION IS LOST!", "position is lost"),
        ("about 12\u201314 days", "12-14 days"),
        ("Größe 44 [2] Paar", "größe 44"),
    ],
)
def test_a_fact_is_found_however_it_is_written(answer: str, fact: str) -> None:
    assert has_fact(answer, fact)


@pytest.mark.parametrize(
    ("answer", "fact"),
    [("1350 kg", "350 kg"), ("15 mm", "1.5 mm"), ("The sources do not say.", "850 kg"), ("[850] kg", "850 kg"), ("", "x")],
)
def test_another_fact_is_not_taken_for_it(answer: str, fact: str) -> None:
    assert not has_fact(answer, fact)


def test_citations_are_read_in_order_and_once() -> None:
    assert cited_numbers("a [2] b [1][2] c [x] d [1234]") == [2, 1]


@pytest.mark.parametrize(
    ("answer", "right"),
    [("x [1]", True), ("x [1] y [2]", True), ("x [2]", False), ("x", False), ("x [1] y [3]", False), ("x [0]", False)],
)
def test_a_citation_is_right_when_relevant_and_when_none_is_invented(answer: str, right: bool) -> None:
    assert citation_is_right(answer, ["good", "bad"], {"good": 2, "bad": 0}) is right


@pytest.mark.parametrize(
    ("answer", "is_there"), [("载重为1,300公斤。[1]", True), ("载重为 1 300 公斤", True), ("载重为11300公斤", False), ("1300台", False)]
)
def test_a_fact_is_found_in_writing_without_spaces(answer: str, is_there: bool) -> None:
    assert has_fact(answer, "1300公斤") is is_there


@pytest.mark.parametrize(
    "answer",
    [
        "The sources do not answer this question.",
        "I cannot find this in the documents.",
        "There is no information about that.",
        "Die Quellen beantworten diese Frage nicht.",
        "Dazu gibt es keine Angaben.",
        "来源没有回答这个问题。",
        "出典にはこの質問の答えがありません。",
    ],
)
def test_saying_that_the_sources_do_not_answer_is_a_refusal(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    ["It is 40 litres [1].", "40 litres", "Do not lift it. [2]", "The sources do not say, but it is 5 [1]", "", "もちろん五台です。"],
)
def test_anything_else_is_none(answer: str) -> None:
    assert not is_refusal(answer)
