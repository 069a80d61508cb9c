"""Generated documents: reproducible, near-duplicate, of any number; and vectors for them that are like real ones."""

import hashlib
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from tests.validation.services import vector
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.generator import embedded_count, generate, generate_chunks, make_vectors


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


def made(seed: int = 7, count: int = 2_000) -> tuple[list[Chunk], Matrix, Matrix]:
    chunks = generate_chunks(seed, count)[0]
    real = unit(np.array([vector(chunk.passage, 64) for chunk in chunks[: embedded_count(count)]], dtype=np.float32))
    return chunks, real, make_vectors(chunks, real, seed)


def test_one_chunk_in_twenty_is_embedded_but_not_fewer_than_stand_for_each_subject() -> None:
    assert [embedded_count(count) for count in (1, 480, 9_504, 200_000)] == [1, 480, 480, 10_000]


def test_the_same_seed_makes_the_same_vectors_after_those_that_were_embedded() -> None:
    _, real, vectors = made()
    assert np.array_equal(vectors, made()[2])
    assert np.allclose(vectors[: len(real)], real, atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(np.unique(vectors[len(real) :], axis=0)) == len(vectors) - len(real)


def test_a_made_vector_is_near_a_real_one_of_its_subject() -> None:
    chunks, real, vectors = made()
    subjects = [(chunk.language, chunk.section) for chunk in chunks]
    nearest = np.argmax(vectors[len(real) :] @ real.T, axis=1)
    assert np.mean([subjects[one] == subjects[len(real) + number] for number, one in enumerate(nearest)]) > 0.95


def test_made_vectors_keep_mean_and_spread_of_the_real_ones() -> None:
    chunks, real, vectors = made(count=20_000)
    subject = np.array([chunk.section == "Energy" for chunk in chunks])
    before, after = real[subject[: len(real)]], vectors[len(real) :][subject[len(real) :]]
    assert before.mean(axis=0) @ after.mean(axis=0) / np.linalg.norm(after.mean(axis=0)) / np.linalg.norm(before.mean(axis=0)) > 0.995
    assert np.trace(np.cov(after.T)) == pytest.approx(np.trace(np.cov(before.T)), rel=0.15)


def test_where_nothing_of_a_subject_was_embedded_all_that_was_stands_for_it() -> None:
    chunks, real, _ = made(count=600)
    strange = replace(chunks[0], section="Never seen")
    assert np.isfinite(make_vectors([*chunks[: len(real)], strange], real, 7)).all()
