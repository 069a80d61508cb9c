"""Chooses the chunks that the language model is shown for each judged question: the nearest, or what a reranker makes of them."""

from collections.abc import Sequence

from validation.checks.bench import Bench, Loaded, Services
from validation.clients.passages import Chunk
from validation.clients.reranker import Reranker
from validation.clients.vectors import Matrix
from validation.corpus.documents import Question
from validation.judge import interval
from validation.load.samples import Samples

QUESTION = "Which chunks is the language model shown, and what does reranking them take?"
_CANDIDATES = 4
"""Times as many chunks as are shown are offered to a reranker: enough to change the order, few enough for one request."""


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> list[list[Chunk]]:
    """Return the chunks for each question, best first, as many as the profile asks for."""
    wanted, questions = bench.profile.answer.sources, bench.corpus.questions
    with bench.record.check("sources", QUESTION) as check:
        check.facts["reranked"] = services.reranker is not None
        if services.reranker is None:
            return [_nearest(bench, loaded, vector, wanted) for vector in question_vectors]
        found = [_nearest(bench, loaded, vector, wanted * _CANDIDATES) for vector in question_vectors]
        return [chunks[:wanted] for chunks in _reranked(bench, services.reranker, questions, found)]


def _nearest(bench: Bench, loaded: Loaded, vector: Matrix, count: int) -> list[Chunk]:
    return loaded.chunks(loaded.collection.nearest(vector, count, bench.profile.search))


def _reranked(bench: Bench, reranker: Reranker, questions: Sequence[Question], found: list[list[Chunk]]) -> list[list[Chunk]]:
    taken, ordered = list[float](), list[list[Chunk]]()
    for question, chunks in zip(questions, found, strict=True):
        order, seconds = reranker.rank(question.question, [chunk.passage for chunk in chunks])
        taken.append(seconds)
        ordered.append([chunks[at] for at in order])
    for percentile in (50, 95):
        spread = interval.of_percentile_ms(taken, percentile)
        bench.record.measure(f"rerank_p{percentile}_ms", Samples(taken).percentile_ms(percentile), len(taken), spread)
    return ordered
