"""The sample corpus keeps what corpus/README.md promises, read and normalised by the gate's own rules."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from validation.corpus import Corpus, Question, read_corpus
from validation.grading import has_fact

ROOT = Path(__file__).parents[2] / "corpus"
CORPUS = read_corpus(ROOT)
PAIRS: list[dict[str, Any]] = [json.loads(line) for line in (ROOT / "near_duplicates.jsonl").read_text(encoding="utf-8").splitlines()]
PAGES = {document.id: document for document in CORPUS.documents}
COMMON_WORDS = {"en": {"the", "and", "of", "is", "to"}, "de": {"der", "die", "und", "ist", "nicht"}}

every_question = pytest.mark.parametrize("question", CORPUS.questions, ids=lambda question: question.id)
every_document = pytest.mark.parametrize("document_id", sorted(PAGES))
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["documents"][0])


def text_of(document_id: str) -> str:
    chunks = [chunk for chunk in CORPUS.chunks if chunk.document_id == document_id]
    return "\n".join([PAGES[document_id].title, *(f"{chunk.section}\n{chunk.text}" for chunk in chunks)])


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def test_there_are_twenty_documents_and_forty_questions_in_two_languages_and_two_formats() -> None:
    assert len(CORPUS.documents) == 20
    assert [sum(document.language == language for document in CORPUS.documents) for language in ("en", "de")] == [12, 8]
    assert [sum(question.language == language for question in CORPUS.questions) for language in ("en", "de")] == [24, 16]
    for language in ("en", "de"):
        assert {Path(document.source).suffix for document in CORPUS.documents if document.language == language} == {".md", ".html"}


def test_ids_are_unique_and_stand_in_order() -> None:
    ids = [question.id for question in CORPUS.questions]
    assert len(set(ids)) == len(ids)
    for language in ("en", "de"):
        numbers = [int(one.removeprefix(f"{language}-")) for one in ids if one.startswith(language)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_reading_twice_gives_the_same_order_and_digest() -> None:
    again: Corpus = read_corpus(ROOT)
    assert again == CORPUS
    assert [document.source for document in again.documents] == sorted(document.source for document in again.documents)


def test_no_file_of_the_corpus_is_overlooked() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "documents").rglob("*") if path.is_file()}
    assert files == {document.source for document in CORPUS.documents}


@every_document
def test_a_document_is_as_long_as_promised_and_written_in_its_language(document_id: str) -> None:
    text, language = text_of(document_id), PAGES[document_id].language
    words = words_of(text)
    assert 300 <= len(text.split()) <= 900
    counts = {each: sum(word in common for word in words) for each, common in COMMON_WORDS.items()}
    assert max(counts, key=lambda each: counts[each]) == language


@every_document
def test_a_document_has_a_title_of_its_own_and_several_sections(document_id: str) -> None:
    assert PAGES[document_id].title != document_id
    assert sum(document.title == PAGES[document_id].title for document in CORPUS.documents) == 1
    assert len({chunk.section for chunk in CORPUS.chunks if chunk.document_id == document_id}) >= 4


@every_question
def test_a_fact_stands_in_exactly_the_documents_graded_two_or_three(question: Question) -> None:
    holding = {document_id for document_id in PAGES if has_fact(text_of(document_id), question.fact)}
    assert holding == {document_id for document_id, grade in question.relevance.items() if grade >= 2}


@every_question
def test_a_question_has_an_answer_in_its_own_language(question: Question) -> None:
    answering = [document_id for document_id, grade in question.relevance.items() if grade == 3]
    assert answering
    assert {PAGES[document_id].language for document_id in answering} == {question.language}


@every_question
def test_a_question_does_not_give_its_answer_away(question: Question) -> None:
    assert not has_fact(question.question, question.fact)


@every_question
def test_a_question_is_not_a_copied_sentence(question: Question) -> None:
    asked = words_of(question.question)
    runs = {" ".join(asked[at : at + 6]) for at in range(len(asked) - 5)}
    for document_id in question.relevance:
        text = " ".join(words_of(text_of(document_id)))
        assert not [run for run in runs if run in text]


def test_every_document_answers_some_question() -> None:
    assert {document_id for question in CORPUS.questions for document_id, grade in question.relevance.items() if grade == 3} == set(PAGES)


def test_a_question_of_kind_table_is_answered_by_one_cell() -> None:
    for question in (one for one in CORPUS.questions if one.kind == "table"):
        answering = [document_id for document_id, grade in question.relevance.items() if grade == 3]
        for document_id in answering:
            rows = [line for line in text_of(document_id).splitlines() if " | " in line]
            assert any(has_fact(cell, question.fact) for row in rows for cell in row.split(" | ")), question.id


def test_kinds_are_those_of_the_readme() -> None:
    assert {question.kind for question in CORPUS.questions} == {"fact", "near_duplicate", "restated", "sibling", "table"}


def test_there_are_at_least_three_pairs_of_near_duplicates() -> None:
    assert len(PAIRS) >= 3


@every_pair
def test_near_duplicates_differ_in_their_identity_and_one_fact_alone(pair: dict[str, Any]) -> None:
    first, second = (text_of(document_id) for document_id in pair["documents"])
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
