"""Ranks the judged questions by vectors, by words (BM25) and by both (reciprocal rank fusion), over the same rows.

Names, part numbers and error codes are what embeddings blur and words find. Milvus has full-text search since 2.5: on an older server the
check is skipped, with the reason, and whatever the SLO file promises of it was not measured.
"""

import re
import time
from collections.abc import Callable, Iterator
from statistics import fmean

from validation.checks.context import GATE, RunContext, unpromised
from validation.checks.registry import Check
from validation.clients.fulltext import FIRST_VERSION, FullText
from validation.clients.vectors import Matrix
from validation.corpus import ranking
from validation.judge import interval
from validation.judge.measures import Measure, higher, latencies
from validation.run.record import Facts

_ROWS = 2_000
_BATCH = 500
_CHUNKS = 50
_TOP_K = 10

Mode = Callable[[str, Matrix, int], list[int]]


def _measures() -> Iterator[Measure]:
    for name, by in (("dense", "vectors"), ("sparse", "words (BM25)"), ("hybrid", "vectors and words, fused by reciprocal rank")):
        what = f"Judged questions searched by {by}"
        yield higher(f"{name}_ndcg_at_10", "share", f"{what}: ranking of documents", 20)
        yield from latencies(name, what, (50, 95))


def _reason_to_skip(run: RunContext, check: Check[RunContext]) -> str:
    version = run.record.versions.get("milvus server", "")
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < FIRST_VERSION:
        return f"Milvus {version or 'of an unknown version'} has no full-text search; {'.'.join(map(str, FIRST_VERSION))} and newer have"
    return unpromised(run, check)


@GATE.check(
    "modes",
    "Do vectors, words, and both together bring the right documents first?",
    after="segments",
    writes="stores rows",
    measures=_measures(),
    skip=_reason_to_skip,
)
def modes(run: RunContext, facts: Facts) -> None:
    """Build a collection with both kinds of vectors, and ask it each question in each way."""
    rows = run.loaded.rows[:_ROWS]
    full_text = FullText(run.services.milvus.uri, run.reserve_collection("_modes"), run.profile.search)
    full_text.create(run.target.embedding_dimension, run.profile.search.chosen_index)
    for first in range(0, len(rows), _BATCH):
        full_text.insert(rows[first : first + _BATCH], run.loaded.matrix)
    searches: dict[str, Mode] = {"dense": full_text.dense, "sparse": full_text.sparse, "hybrid": full_text.hybrid}
    for name, search in searches.items():
        facts[name] = {"missed": _rank(run, name, search)}


def _rank(run: RunContext, name: str, mode: Mode) -> list[str]:
    """Record ranking and latency; return the questions for which nothing right was among the first ten."""
    asked = [pair for pair in zip(run.corpus.questions, run.question_vectors, strict=True) if pair[0].is_answerable]
    values, seconds = [], []
    for question, vector in asked:
        begin = time.perf_counter()
        ids = mode(question.question, vector, _CHUNKS)
        seconds.append(time.perf_counter() - begin)
        documents = ranking.best_per_document([chunk.document_id for chunk in run.loaded.chunks(ids)])[:_TOP_K]
        values.append(ranking.ndcg(documents, question.relevance, _TOP_K))
    run.record.measure(f"{name}_ndcg_at_10", fmean(values), len(values), interval.of_share(values))
    run.measure_latency(f"{name}", seconds)
    return [question.id for (question, _), value in zip(asked, values, strict=True) if not value]
