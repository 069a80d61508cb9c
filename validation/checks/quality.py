"""Compares the ranking of documents with the graded judgements; generated documents stand in the way, as noise does in a real store."""

from statistics import fmean

from validation.checks.context import GATE, RunContext
from validation.clients.vectors import Matrix
from validation.corpus import ranking
from validation.judge import interval
from validation.judge.measures import higher
from validation.run.record import Facts

_CHUNKS = 100
_TOP_K = 10


@GATE.check(
    "quality",
    "Do the right documents come first, with everything else in the way?",
    after="retrieval",
    measures=[
        higher("ndcg_at_10", "share", "Ranking of documents against graded judgements, generated documents in the way", 20),
        higher("mrr_at_10", "share", "One over the rank of the first relevant document", 20, at_most="hit_at_10"),
        higher("hit_at_1", "share", "Questions whose first document is relevant", 20, at_most="mrr_at_10"),
        higher("hit_at_10", "share", "Questions with a relevant document among ten", 20),
    ],
)
def quality(run: RunContext, facts: Facts) -> None:
    """Search each question that has an answer over the whole collection, and rank documents by their best chunk."""
    asked = [pair for pair in zip(run.corpus.questions, run.question_vectors, strict=True) if pair[0].is_answerable]
    questions = [question for question, _ in asked]
    judged = [(_ranked(run, vector), question.relevance) for question, vector in asked]
    numbers = {
        "ndcg_at_10": [ranking.ndcg(documents, relevance, _TOP_K) for documents, relevance in judged],
        "mrr_at_10": [ranking.reciprocal_rank(documents, relevance, _TOP_K) for documents, relevance in judged],
        "hit_at_1": [float(ranking.hit(documents, relevance, 1)) for documents, relevance in judged],
        "hit_at_10": [float(ranking.hit(documents, relevance, _TOP_K)) for documents, relevance in judged],
    }
    for name, values in numbers.items():
        run.record.measure(name, fmean(values), len(values), interval.of_share(values))
    facts["by"] = ranking.breakdown(questions, numbers)
    facts["missed"] = [question.id for question, value in zip(questions, numbers["hit_at_10"], strict=True) if not value]
    seen = [document in relevance for documents, relevance in judged for document in documents]
    facts["judged_share_of_found"] = fmean(seen) if seen else 0.0


def _ranked(run: RunContext, vector: Matrix) -> list[str]:
    """Return the documents that a search brings, best first."""
    ids = run.loaded.collection.nearest(vector, _CHUNKS, run.profile.search)
    return ranking.best_per_document([chunk.document_id for chunk in run.loaded.chunks(ids)])[:_TOP_K]
