"""Facts and citations in answers."""

import pytest

from validation.clients.llm import Answer
from validation.clients.passages import Chunk
from validation.corpus.documents import Question
from validation.corpus.grading import Graded, citation_is_right, cited_numbers, denies, has_fact, is_refusal, unsupported_numbers


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


@pytest.mark.parametrize(
    ("answer", "denied"),
    [
        ("The load is not 850 kg. [1]", True),
        ("It is never about 850 kg", True),
        ("Die Last ist nicht 850 kg", True),
        ("not more than 850 kg", False),
        ("nicht mehr als 850 kg", False),
        ("850 kg, not 1,300 kg", False),
    ],
)
def test_the_opposite_of_a_fact_is_not_the_fact(answer: str, denied: bool) -> None:
    assert denies(answer, "850 kg") is denied


def test_numbers_and_dates_that_no_source_holds_are_invented() -> None:
    sources = ["In force since 1 April 2025: 165 euros, 1.300 kg.", "Limit | 48"]
    assert unsupported_numbers("1. 165 euros [1]\n2) since 1 April 2025 [2], 1,300 kg and 48", sources) == []
    assert unsupported_numbers("170 euros since 2024 [1]", sources) == ["170", "2024"]


def graded(text: str) -> Graded:
    shown = (("manual", "Load 850 kg."), ("policy", "Lunch at noon."), ("twin", "It pulls 850 kg."))
    sources = [Chunk(title=name, document_id=name, text=body, section="", language="en", source="", sha256="") for name, body in shown]
    relevance = {"manual": 3, "twin": 1}
    question = Question(id="q", question="How much can it pull?", language="en", relevance=relevance, fact="850 kg", kind="fact")
    return Graded(question=question, sources=sources, answer=Answer(text=text, first_token_s=0.1, total_s=0.2))


@pytest.mark.parametrize(
    ("text", "precision", "grounded"),
    [
        ("850 kg [1]", 1, True),
        ("850 kg [1][2][3]", pytest.approx(2 / 3), True),
        ("850 kg [2]", 0, False),
        ("850 kg [1][9]", 0.5, True),
        ("850 kg", None, False),
    ],
)
def test_citing_everything_and_answering_by_heart_are_seen(text: str, precision: float | None, grounded: bool) -> None:
    answer = graded(text)
    assert (answer.citation_precision, answer.is_grounded, answer.has_fact, answer.unsupported) == (precision, grounded, True, [])


def test_a_fact_that_is_denied_or_stands_beside_an_invented_number_is_told() -> None:
    assert not graded("It is not 850 kg [1]").has_fact
    assert graded("It is not 850 kg [1]").unsupported == ["not 850 kg"]
    assert graded("850 kg since 2019 [1]").unsupported == ["2019"]
