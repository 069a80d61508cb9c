"""The same numbers by language and by kind."""

import pytest

from validation.checks.answer import _shares
from validation.clients.llm import Answer
from validation.clients.passages import Chunk
from validation.corpus.documents import Question
from validation.corpus.grading import Graded, breakdown


def question(name: str, language: str, kind: str) -> Question:
    known = kind != "unanswerable"
    return Question(
        id=name, question="How much?", language=language, relevance={"d": 3} if known else {}, fact="5 kg" if known else None, kind=kind
    )


QUESTIONS = [question("a", "en", "fact"), question("b", "de", "fact"), question("c", "de", "table"), question("d", "de", "unanswerable")]


def test_each_language_and_kind_has_its_own_mean() -> None:
    found = breakdown(QUESTIONS, {"hit": [1.0, 1.0, 0.0, 0.5]})
    assert found["language"] == {"de": {"questions": 3, "hit": 0.5}, "en": {"questions": 1, "hit": 1.0}}
    assert found["kind"]["table"] == {"questions": 1, "hit": 0.0}


def answered(one: Question, text: str) -> Graded:
    source = Chunk(title="D", document_id="d", text="5 kg", section="", language="en", source="", sha256="")
    return Graded(question=one, sources=[source], answer=Answer(text=text, first_token_s=0, total_s=0))


@pytest.mark.parametrize(
    ("text", "refusal_share", "false_refusal_share", "fact_share"), [("5 kg [1]", 0, 0, 1), ("The sources do not answer this.", 1, 1, 0)]
)
def test_who_always_answers_and_who_never_does_are_both_seen(
    text: str, refusal_share: float, false_refusal_share: float, fact_share: float
) -> None:
    shares = _shares([answered(one, text) for one in QUESTIONS], QUESTIONS)
    assert {len(shares["refusal_share"]), len(shares["fact_share"])} == {1, 3}
    assert (shares["refusal_share"][0], shares["false_refusal_share"][0], shares["fact_share"][0]) == (
        refusal_share,
        false_refusal_share,
        fact_share,
    )


def test_a_question_without_an_answer_from_the_model_is_wrong_in_every_way() -> None:
    shares = _shares([], QUESTIONS)
    assert [sum(shares[name]) for name in ("answer_error_share", "fact_share", "refusal_share")] == [4, 0, 0]
