"""Generated documents: reproducible, near-duplicate, of any number."""

import hashlib
from itertools import islice

import pytest

from validation.corpus.generator import generate, generate_chunks


def test_the_same_seed_gives_the_same_documents_and_another_seed_others() -> None:
    assert list(islice(generate(7), 20)) == list(islice(generate(7), 20))
    assert next(generate(7)) != next(generate(8))


def test_document_number_n_does_not_depend_on_where_one_starts() -> None:
    assert next(generate(7, first=99_999)) == next(generate(7, first=99_999))
    assert list(islice(generate(7), 12))[10] == next(generate(7, first=10))


def test_every_fifth_document_differs_from_the_one_before_in_one_fact() -> None:
    for number in range(4, 200, 5):
        original, twin = islice(generate(7, first=number - 1), 2)
        before, after = ([chunk.text for chunk in document.chunks] for document in (original, twin))
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
        assert original.question == twin.question
        assert original.fact != twin.fact


def test_the_fact_that_a_question_asks_for_is_in_its_document() -> None:
    for document in islice(generate(7), 200):
        assert any(document.fact in chunk.text for chunk in document.chunks), document.question


def test_no_fact_is_left_unfilled_and_both_languages_come() -> None:
    documents = list(islice(generate(7), 300))
    assert not any("{" in chunk.passage for document in documents for chunk in document.chunks)
    assert {document.language for document in documents} == {"en", "de"}


def test_as_many_chunks_as_asked_for_are_generated() -> None:
    chunks, documents = generate_chunks(7, 1_001)
    assert len(chunks) == 1_001
    assert all(chunk.generated for chunk in chunks)
    assert len({document.id for document in documents}) == len(documents)


@pytest.mark.parametrize(
    ("seed", "sha256"),
    [
        (7, "e3c97f51256c18bcf54c5faf5f976b313f368efd25496e9fe6439850ed88adab"),
        (8, "36761bc1a224b16a005046dc3c86c79f3f343f0962fd55bf9b11d6b027a78ace"),
    ],
)
def test_the_texts_of_a_seed_never_change_so_that_runs_of_different_releases_compare(seed: int, sha256: str) -> None:
    digest = hashlib.sha256()
    for one in islice(generate(seed), 2_000):
        chunks = [(chunk.title, chunk.section, chunk.source, chunk.sha256, chunk.text) for chunk in one.chunks]
        digest.update(repr((one.id, one.language, one.question, one.fact, chunks)).encode())
    assert digest.hexdigest() == sha256
