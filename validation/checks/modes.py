"""Ranks the judged questions by vectors, by words (BM25) and by both (reciprocal rank fusion), over the same rows.

Names, part numbers and error codes are what embeddings blur and words find. Milvus has full-text search since 2.5: on an older server the
check is skipped, with the reason, and whatever the SLO file promises of it was not measured.
"""

import re
import time
from collections.abc import Callable
from statistics import fmean

from validation.checks import own_collection
from validation.checks.bench import Bench, Loaded, Services
from validation.clients.fulltext import FIRST_VERSION, FullText
from validation.clients.vectors import Matrix
from validation.corpus import ranking
from validation.judge import interval
from validation.load.samples import Samples

QUESTION = "Do vectors, words, and both together bring the right documents first?"
_ROWS = 2_000
_BATCH = 500
_CHUNKS = 50
_TOP_K = 10

Mode = Callable[[str, Matrix, int], list[int]]


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> None:
    """Build a collection with both kinds of vectors, and ask it each question in each way."""
    with bench.record.check("modes", QUESTION) as check:
        if reason := _reason_to_skip(bench):
            check.facts["skipped"] = reason
            return
        rows = loaded.rows[:_ROWS]
        found = FullText(services.milvus.uri, own_collection.reserve(bench, services, "_modes"), bench.profile.search)
        found.create(bench.target.embedding_dimension, bench.profile.search.chosen_index)
        for first in range(0, len(rows), _BATCH):
            found.insert(rows[first : first + _BATCH], loaded.matrix)
        modes: dict[str, Mode] = {"dense": found.dense, "sparse": found.sparse, "hybrid": found.hybrid}
        for name, mode in modes.items():
            check.facts[name] = {"missed": _rank(bench, loaded, question_vectors, name, mode)}


def _reason_to_skip(bench: Bench) -> str:
    version = bench.record.versions.get("milvus server", "")
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < FIRST_VERSION:
        return f"Milvus {version or 'of an unknown version'} has no full-text search; {'.'.join(map(str, FIRST_VERSION))} and newer have"
    if not bench.promises("dense_", "sparse_", "hybrid_"):
        return "the SLO file promises nothing about it (objectives dense_..., sparse_... and hybrid_...)"
    return ""


def _rank(bench: Bench, loaded: Loaded, question_vectors: Matrix, name: str, mode: Mode) -> list[str]:
    """Record ranking and latency; return the questions for which nothing right was among the first ten."""
    asked = [pair for pair in zip(bench.corpus.questions, question_vectors, strict=True) if pair[0].is_answerable]
    values, seconds = [], []
    for question, vector in asked:
        begin = time.perf_counter()
        ids = mode(question.question, vector, _CHUNKS)
        seconds.append(time.perf_counter() - begin)
        documents = ranking.best_per_document([chunk.document_id for chunk in loaded.chunks(ids)])[:_TOP_K]
        values.append(ranking.ndcg(documents, question.relevance, _TOP_K))
    bench.record.measure(f"{name}_ndcg_at_10", fmean(values), len(values), interval.of_share(values))
    for percentile in (50, 95):
        spread = interval.of_percentile_ms(seconds, percentile)
        bench.record.measure(f"{name}_p{percentile}_ms", Samples(seconds).percentile_ms(percentile), len(seconds), spread)
    return [question.id for (question, _), value in zip(asked, values, strict=True) if not value]
