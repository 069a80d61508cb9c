"""The judged questions: how fast one is embedded, and which documents come first, by vectors, by words (BM25) and by both.

Generated documents stand in the way, as noise does in a real store. Names, part numbers and error codes are what embeddings blur and words
find. Milvus has full-text search since 2.5: on an older server `modes` is skipped, with the reason, and whatever the SLO file promises of
it was not measured.
"""

import re
import time
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from validation.checks.context import GATE, RunContext, unpromised
from validation.checks.registry import Check
from validation.clients.fulltext import FIRST_VERSION, FullText
from validation.clients.vectors import Matrix
from validation.corpus import grading
from validation.run.record import Facts

_ENOUGH = 200  # samples; a model on CPU takes 25 ms for each, so that more rounds than these need would be waited for
_BATCH_TEXTS, _PASSAGES = 32, 8
_SAME = 0.999
"""Cosine. Half precision and padding move a vector by less than a thousandth of this; two texts of one topic are at 0.95 or less."""
_BATCH = 500
_TOP_K = 10
Mode = Callable[[str, Matrix, int], list[int]]


@GATE.check(after="ingest")
def embedding(run: RunContext, facts: Facts) -> None:
    """How fast is one query turned into a vector?"""
    questions, service = run.corpus.questions, run.services.embedding
    seconds: list[float] = []
    before = [service.time_one(question.question)[0] for question in questions[:5]]
    while len(seconds) < _ENOUGH:
        timed = [service.time_one(question.question) for question in questions]
        seconds += [took for _, took in timed]
    facts["rounds"] = len(seconds) // len(questions)
    run.measure_latency("embedding", seconds)
    run.question_vectors = np.stack([vector for vector, _ in timed])
    _compare_vectors(run, before)


def _compare_vectors(run: RunContext, before: Sequence[Matrix]) -> None:
    """Count the vectors that are not those of their text: a batch in another order, or a model that answers by chance, ranks at random."""
    texts, vectors = [question.question for question in run.corpus.questions], run.question_vectors
    service, batch = run.services.embedding, vectors[:_BATCH_TEXTS]
    stored = run.loaded.rows[: len(run.corpus.chunks)]  # of others, vectors were made or pushed aside
    alone = stored[:: max(len(stored) // _PASSAGES, 1)]
    pairs = [(f"question {text!r}, asked twice", vector, again) for text, vector, again in zip(texts, vectors, before, strict=False)]
    together = service.embed_queries(texts[:_BATCH_TEXTS])
    pairs += [(f"question {text!r}, in a batch", vector, again) for text, vector, again in zip(texts, batch, together, strict=False)]
    passages = [(row, service.embed_passages([row.chunk])[0]) for row in alone]
    pairs += [(f"row {row.id}, in a batch and alone", run.loaded.matrix[row.id], again) for row, again in passages]
    broken = [f"{what}: cosine {vector @ again:.4f}" for what, vector, again in pairs if vector @ again < _SAME]
    owner: dict[bytes, str] = {}
    for text, vector in zip(texts, vectors, strict=True):
        if (other := owner.setdefault(np.round(vector, 5).tobytes(), text)) != text:
            broken.append(f"the vector of {text!r} is that of {other!r}")
    run.record.measure("broken_vectors", len(broken), len(pairs), note=f"first {broken[0]}" if broken else "")


@GATE.check(after="retrieval")
def quality(run: RunContext, facts: Facts) -> None:
    """Do the right documents come first, with everything else in the way?"""
    # search each question that has an answer over the whole collection, and rank documents by their best chunk
    nearest, search = run.loaded.collection.nearest, run.profile.search
    questions = [question for question, _ in run.answerable()]
    judged = [(_documents(run, nearest(vector, 100, search)), question.relevance) for question, vector in run.answerable()]
    ranks = {"ndcg_at_10": (grading.ndcg, _TOP_K), "mrr_at_10": (grading.reciprocal_rank, _TOP_K)}
    ranks |= {"hit_at_1": (grading.hit, 1), "hit_at_10": (grading.hit, _TOP_K)}
    numbers = {name: [float(rank(*case, first)) for case in judged] for name, (rank, first) in ranks.items()}
    for name, values in numbers.items():
        run.record.measure_share(name, values)
    facts["by"] = grading.breakdown(questions, numbers)
    facts["missed"] = [question.id for question, value in zip(questions, numbers["hit_at_10"], strict=True) if not value]
    seen = [document in relevance for documents, relevance in judged for document in documents]
    facts["judged_share_of_found"] = fmean(seen) if seen else 0.0


def _documents(run: RunContext, ids: list[int]) -> list[str]:
    """Return the documents of the chunks that a search brings, best first."""
    return grading.best_per_document([chunk.document_id for chunk in run.loaded.chunks(ids)])[:_TOP_K]


def _reason_to_skip(run: RunContext, check: Check[RunContext]) -> str:
    version = run.record.versions.get("milvus server", "")
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) >= FIRST_VERSION:
        return unpromised(run, check)
    return f"Milvus {version or 'of an unknown version'} has no full-text search; {'.'.join(map(str, FIRST_VERSION))} and newer have"


@GATE.check(after="sealed", writes="stores rows", skip=_reason_to_skip)
def modes(run: RunContext, facts: Facts) -> None:
    """Do vectors, words, and both together bring the right documents first?"""
    rows = run.loaded.rows[:2_000]
    full_text = FullText(run.services.milvus.uri, run.reserve_collection("_modes"), run.profile.search)
    full_text.create(run.target.embedding_dimension, run.profile.search.chosen_index)
    for first in range(0, len(rows), _BATCH):
        full_text.insert(rows[first : first + _BATCH], run.loaded.matrix)
    searches: dict[str, Mode] = {"dense": full_text.dense, "sparse": full_text.sparse, "hybrid": full_text.hybrid}
    for name, search in searches.items():
        values, seconds = dict[str, float](), []
        for question, vector in run.answerable():
            begin = time.perf_counter()
            ids = search(question.question, vector, 50)
            seconds.append(time.perf_counter() - begin)
            values[question.id] = grading.ndcg(_documents(run, ids), question.relevance, _TOP_K)
        run.record.measure_share(f"{name}_ndcg_at_10", [*values.values()])
        run.measure_latency(name, seconds)
        facts[name] = {"missed": [question for question, value in values.items() if not value]}
