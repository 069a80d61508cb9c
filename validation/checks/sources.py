"""Chooses the chunks that the language model is shown for each judged question: the nearest, or what a reranker makes of them."""

from collections.abc import Sequence

from validation.checks.context import GATE, RunContext
from validation.clients.passages import Chunk
from validation.clients.reranker import Reranker
from validation.clients.vectors import Matrix
from validation.corpus.documents import Question
from validation.judge.measures import latencies
from validation.run.record import Facts

_CANDIDATES = 4
"""Times as many chunks as are shown are offered to a reranker: enough to change the order, few enough for one request."""


@GATE.check(
    "sources",
    "Which chunks is the language model shown, and what does reranking them take?",
    after="quality",
    measures=latencies("rerank", "What a search found for one question, reranked", (50, 95)),
)
def sources(run: RunContext, facts: Facts) -> None:
    """Choose the chunks for each question, best first, as many as the profile asks for."""
    count, reranker = run.profile.answer.sources, run.services.reranker
    facts["reranked"] = reranker is not None
    if reranker is None:
        run.sources = [_nearest(run, vector, count) for vector in run.question_vectors]
        return
    candidates = [_nearest(run, vector, count * _CANDIDATES) for vector in run.question_vectors]
    run.sources = [chunks[:count] for chunks in _reranked(run, reranker, run.corpus.questions, candidates)]


def _nearest(run: RunContext, vector: Matrix, count: int) -> list[Chunk]:
    return run.loaded.chunks(run.loaded.collection.nearest(vector, count, run.profile.search))


def _reranked(run: RunContext, reranker: Reranker, questions: Sequence[Question], found: list[list[Chunk]]) -> list[list[Chunk]]:
    taken, ordered = list[float](), list[list[Chunk]]()
    for question, chunks in zip(questions, found, strict=True):
        order, seconds = reranker.rank(question.question, [chunk.passage for chunk in chunks])
        taken.append(seconds)
        ordered.append([chunks[at] for at in order])
    run.measure_latency("rerank", taken)
    return ordered
