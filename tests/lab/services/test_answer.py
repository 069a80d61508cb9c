import pytest

from lab.services.answer import Source, answer, holds_asked_value, parse, quotes_of, sentences
from lab.services.reranker import Overlap

TABLE = """Severity
Level | What it means | Acknowledge within
SEV1 | A plant stands still | 5 minutes
SEV2 | A service is badly degraded | 15 minutes"""


def test_a_prompt_falls_into_its_sources_and_its_question() -> None:
    sources, question = parse(
        "[1] A title (a-title)\nFirst line.\nSecond [7] line.\n\nNew paragraph.\n\n[2] Other (b)\nText\n\nQuestion: Why?\nReally?"
    )
    assert sources == [
        Source(number=1, title="A title", text="First line.\nSecond [7] line.\n\nNew paragraph."),
        Source(number=2, title="Other", text="Text"),
    ]
    assert question == "Why?\nReally?"


def test_a_number_in_brackets_inside_a_text_does_not_open_a_source() -> None:
    sources, _ = parse("[1] A (a)\nSee below.\n\n[9] is no source\n\n[2] B (b)\nText\n\nQuestion: Q")
    assert [source.number for source in sources] == [1, 2]
    assert "[9] is no source" in sources[0].text


def test_the_last_question_counts_when_a_source_contains_the_word() -> None:
    sources, question = parse("[1] FAQ (faq)\nQuestion: Old one?\nAnswer.\n\nQuestion: New one?")
    assert question == "New one?"
    assert "Old one?" in sources[0].text


def test_a_message_without_sources_is_a_question_that_cannot_be_answered() -> None:
    assert parse("Hello there") == ([], "Hello there")
    assert answer("Hello there", []) == "The sources do not answer this question."


def test_a_table_row_is_quoted_under_its_header() -> None:
    quotes = quotes_of(Source(number=3, title="Runbook", text=TABLE))
    assert [quote.text for quote in quotes] == [
        "Level | What it means | Acknowledge within\nSEV1 | A plant stands still | 5 minutes",
        "Level | What it means | Acknowledge within\nSEV2 | A service is badly degraded | 15 minutes",
    ]
    assert {quote.headings for quote in quotes} == {"Severity"}


def test_a_cell_of_the_right_row_answers() -> None:
    found = answer("How quickly must a SEV2 incident be acknowledged?", [Source(number=3, title="Incident response runbook", text=TABLE)])
    assert "15 minutes [3]" in found.split("SEV1")[0]


def test_a_citation_inside_a_source_is_not_passed_on_as_one_of_the_answer() -> None:
    found = answer("How fast may a forklift go?", [Source(number=1, title="Rules", text="A forklift may go 8 km/h, says the law [4].")])
    assert found == "A forklift may go 8 km/h, says the law (4). [1]"


def test_an_answer_never_mixes_two_variants_of_a_document() -> None:
    sources = [
        Source(number=n, title=f"Lynx {model}", text=f"The Lynx {model} tows {load} kg.")
        for n, model, load in [(1, 40, 850), (2, 60, 1300)]
    ]
    assert answer("How many kg does the Lynx 60 tow?", sources) == "The Lynx 60 tows 1300 kg. [2]"


def test_the_sentence_after_the_one_that_matches_can_be_the_answer() -> None:
    text = "Visitors sign the confidentiality declaration. It is valid for five years. Coffee is free."
    assert "It is valid for five years. [1]" in answer(
        "How long does the confidentiality declaration bind?", [Source(number=1, title="Visitors", text=text)]
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Die Auditoren kommen am 6. Mai. Danach ist Ruhe.", 2),
        ("Das gilt z. B. hier.", 1),
        ("a: 1\nb: 2", 2),
        ("", 0),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("question", "sentence", "holds"),
    [
        ("How much weight can it pull?", "Rated load: 850 kg", True),
        ("How much weight can it pull?", "It pulls trains.", False),
        ("Wie lange gilt das?", "Es gilt fünf Jahre.", True),
        ("Wann ist die Sitzung?", "Sie ist am 25. März 2025.", True),
        ("What does it cost?", "It costs 25 euros.", True),
        ("Why is the sky blue?", "It is 5 km/h.", False),
    ],
)
def test_a_sentence_is_known_to_hold_the_kind_of_value_asked_for(question: str, sentence: str, holds: bool) -> None:
    assert holds_asked_value(question, sentence) is holds


@pytest.mark.parametrize(
    ("question", "answered", "other"),
    [
        ("der Magnet der Bremse", "Bremsmagnete werden geprüft", "Besucherausweis"),
        ("充电桩的接地电阻", "接地电阻不大于 4 欧", "培训中心的访客请提前预约"),
        ("駆動チェーンの給油", "チェーンには油をさします。給油は駆動側から", "寮の家賃は月払いです"),
    ],
)
def test_parts_of_words_are_recognised_where_words_are_not_apart(question: str, answered: str, other: str) -> None:
    same, right, wrong = Overlap(question, [answered, other]).scores([question, answered, other])
    assert same == pytest.approx(1)
    assert right > wrong + 0.1
