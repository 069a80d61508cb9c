"""The sample corpus keeps what corpus/README.md promises, read and normalised by the gate's own rules; no ranking has a say here."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from validation.corpus.documents import Question, read_corpus
from validation.corpus.grading import has_fact, normalise

ROOT = Path(__file__).parents[2] / "corpus"
CORPUS = read_corpus(ROOT)
PAIRS: list[dict[str, Any]] = [json.loads(line) for line in (ROOT / "near_duplicates.jsonl").read_text(encoding="utf-8").splitlines()]
PAGES = {document.id: document for document in CORPUS.documents}
COMMON_WORDS = {"en": {"the", "and", "of", "is", "to"}, "de": {"der", "die", "und", "ist", "nicht"}}
LETTERS = {"zh": re.compile(r"[\u4e00-\u9fff]"), "ja": re.compile(r"[\u3041-\u30ff]")}
RUNNING_TEXT = {".md", ".html", ".pdf", ".docx", ".eml", ".vtt"}
NAMED_BY_FILE = {".csv", ".py"}
KINDS = {"fact", "table", "near_duplicate", "sibling", "restated", "version", "contradiction", "cross_language", "unanswerable"}
LEAST_OF_A_KIND, LEAST_OF_A_LANGUAGE = 8, 30
"""Of fewer, one question more or less would be the whole of a figure by kind."""


def suffix_of(document_id: str) -> str:
    return Path(PAGES[document_id].source).suffix


def text_of(document_id: str) -> str:
    chunks = [chunk for chunk in CORPUS.chunks if chunk.document_id == document_id]
    return "\n".join([PAGES[document_id].title, *(f"{chunk.section}\n{chunk.text}" for chunk in chunks)])


TEXTS = {document_id: text_of(document_id) for document_id in PAGES}
PLAIN = {document_id: f" {normalise(text)} " for document_id, text in TEXTS.items()}
WORDS = {document_id: " ".join(re.findall(r"[^\W\d_]+", text.lower())) for document_id, text in TEXTS.items()}
ANSWERABLE = [question for question in CORPUS.questions if question.is_answerable]

every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["documents"][0])


def best(question: Question) -> set[str]:
    return {document_id for document_id, grade in question.relevance.items() if grade == 3}


def test_there_are_as_many_documents_and_questions_as_the_readme_says_in_four_languages() -> None:
    assert Counter(document.language for document in CORPUS.documents) == {"en": 43, "de": 29, "zh": 17, "ja": 15}
    assert Counter(question.language for question in CORPUS.questions) == {"en": 94, "de": 62, "zh": 40, "ja": 37}


def test_every_format_of_a_house_is_there_and_every_file_is_read() -> None:
    formats = {suffix_of(document_id) for document_id in PAGES}
    assert formats == {".md", ".html", ".pdf", ".docx", ".pptx", ".csv", ".json", ".vtt", ".eml", ".py", ".png", ".svg"}
    assert CORPUS.refused == ()
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "documents").rglob("*") if path.is_file()}
    read = {document.source for document in CORPUS.documents}
    assert files - read == {f"{source}.caption.md" for source in read if source.endswith((".png", ".svg"))}


def test_names_are_unique_over_the_whole_corpus_so_that_a_judgement_can_mean_one_document() -> None:
    assert {Path(document.source).stem for document in CORPUS.documents} == set(PAGES)


def test_ids_of_questions_stand_in_order() -> None:
    numbers = Counter[str]()
    for question in CORPUS.questions:
        numbers[question.language] += 1
        assert question.id == f"{question.language}-{numbers[question.language]:02d}"


@pytest.mark.parametrize("document_id", sorted(PAGES))
def test_a_document_is_written_in_its_language_and_long_enough_to_be_one(document_id: str) -> None:
    text, language = TEXTS[document_id], PAGES[document_id].language
    if language in LETTERS:
        assert 180 <= len(text) <= 2_000
        assert len(LETTERS[language].findall(text)) > len(text) / 10
    elif suffix_of(document_id) in RUNNING_TEXT:
        assert 150 <= len(text.split()) <= 900
        counts = {each: sum(word in common for word in WORDS[document_id].split()) for each, common in COMMON_WORDS.items()}
        assert max(counts, key=lambda each: counts[each]) == language
    else:
        assert len(text.split()) >= 50


def test_a_document_has_a_title_of_its_own() -> None:
    assert len({document.title for document in CORPUS.documents}) == len(PAGES)
    untitled = {document.id for document in CORPUS.documents if document.title in {document.id, Path(document.source).name}}
    assert {suffix_of(document_id) for document_id in untitled} <= NAMED_BY_FILE


def test_a_fact_stands_in_exactly_the_documents_graded_two_or_three() -> None:
    wrong = {}
    for question in ANSWERABLE:
        fact = f" {normalise(question.fact or '')} "
        holding = {document_id for document_id, text in PLAIN.items() if fact in text}
        if holding != {document_id for document_id, grade in question.relevance.items() if grade >= 2}:
            wrong[question.id] = (question.fact, holding)
    assert not wrong


def test_a_question_has_an_answer_in_its_own_language_unless_it_asks_across() -> None:
    for question in ANSWERABLE:
        assert best(question), question.id
        own = {PAGES[document_id].language == question.language for document_id in best(question)}
        assert own == {question.kind != "cross_language"}, question.id


def test_a_question_does_not_give_its_answer_away() -> None:
    assert not [question.id for question in ANSWERABLE if has_fact(question.question, question.fact)]


def test_a_question_is_not_a_copied_sentence() -> None:
    copied = []
    for question in ANSWERABLE:
        asked = re.findall(r"[^\W\d_]+", question.question.lower())
        runs = {" ".join(asked[at : at + 6]) for at in range(len(asked) - 5)}
        copied += [(question.id, run) for document_id in question.relevance for run in runs if run in WORDS[document_id]]
    assert not copied


def test_every_document_answers_some_question() -> None:
    assert set().union(*(best(question) for question in ANSWERABLE)) == set(PAGES)


def test_a_question_of_kind_table_is_answered_by_one_cell() -> None:
    for question in (one for one in ANSWERABLE if one.kind == "table"):
        for document_id in best(question):
            rows = [line for line in TEXTS[document_id].splitlines() if " | " in line]
            assert any(has_fact(cell, question.fact) for row in rows for cell in row.split(" | ")), question.id


@pytest.mark.parametrize("kind", ["version", "contradiction"])
def test_where_sources_disagree_the_other_one_is_judged_too(kind: str) -> None:
    for question in (one for one in ANSWERABLE if one.kind == kind):
        assert 1 in question.relevance.values(), question.id


def test_a_figure_by_kind_or_language_rests_on_enough_questions() -> None:
    kinds, languages = (Counter(getattr(question, name) for question in CORPUS.questions) for name in ("kind", "language"))
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= LEAST_OF_A_KIND
    assert min(languages.values()) >= LEAST_OF_A_LANGUAGE


def test_in_every_language_something_is_asked_that_the_documents_do_not_answer() -> None:
    asked = Counter(question.language for question in CORPUS.questions if not question.is_answerable)
    assert min(asked[language] for language in ("en", "de", "zh", "ja")) >= 4


@every_pair
def test_near_duplicates_differ_in_their_identity_and_one_fact_alone(pair: dict[str, Any]) -> None:
    first, second = (TEXTS[document_id] for document_id in pair["documents"])
    for here, there in [*pair["identity"], pair["fact"]]:
        assert here in first
        assert there in second
        assert there not in first
        first = first.replace(here, there)
    assert first == second
    assert second.count(pair["fact"][1]) == 1


@every_pair
def test_both_of_a_pair_are_asked_for_and_the_other_is_graded_one(pair: dict[str, Any]) -> None:
    for wanted, other, fact in zip(pair["documents"], reversed(pair["documents"]), pair["fact"], strict=True):
        asked = [question for question in CORPUS.questions if question.kind == "near_duplicate" and question.fact == fact]
        assert [question.relevance for question in asked] == [{wanted: 3, other: 1}]


def test_documents_that_read_alike_are_named_as_near_duplicates() -> None:
    lines = {document_id: {line for line in text.splitlines() if len(line) > 30} for document_id, text in TEXTS.items()}
    ids = sorted(lines)
    alike = {
        (a, b) for at, a in enumerate(ids) for b in ids[at + 1 :] if len(lines[a] & lines[b]) > 0.6 * min(len(lines[a]), len(lines[b]))
    }
    assert alike == {tuple(sorted(pair["documents"])) for pair in PAIRS}
