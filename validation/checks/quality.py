"""Compares the ranking of documents with the graded judgements; generated documents stand in the way, as noise does in a real store."""

from statistics import fmean

from validation.checks.bench import Bench, Loaded
from validation.checks.breakdown import breakdown
from validation.clients.vectors import Matrix
from validation.corpus import ranking
from validation.judge import interval

QUESTION = "Do the right documents come first, with everything else in the way?"
_CHUNKS = 100
_TOP_K = 10


def run(bench: Bench, loaded: Loaded, question_vectors: Matrix) -> None:
    """Search each question that has an answer over the whole collection, and rank documents by their best chunk."""
    asked = [pair for pair in zip(bench.corpus.questions, question_vectors, strict=True) if pair[0].is_answerable]
    questions = [question for question, _ in asked]
    with bench.record.check("quality", QUESTION) as check:
        ranked = []
        for _, vector in asked:
            found = loaded.collection.nearest(vector, _CHUNKS, bench.profile.search)
            ranked.append(ranking.best_per_document([chunk.document_id for chunk in loaded.chunks(found)])[:_TOP_K])
        judged = [(documents, question.relevance) for documents, question in zip(ranked, questions, strict=True)]
        numbers = {
            "ndcg_at_10": [ranking.ndcg(documents, relevance, _TOP_K) for documents, relevance in judged],
            "mrr_at_10": [ranking.reciprocal_rank(documents, relevance, _TOP_K) for documents, relevance in judged],
            "hit_at_1": [float(ranking.hit(documents, relevance, 1)) for documents, relevance in judged],
            "hit_at_10": [float(ranking.hit(documents, relevance, _TOP_K)) for documents, relevance in judged],
        }
        for name, values in numbers.items():
            bench.record.measure(name, fmean(values), len(values), interval.of_share(values))
        check.facts["by"] = breakdown(questions, numbers)
        check.facts["missed"] = [question.id for question, value in zip(questions, numbers["hit_at_10"], strict=True) if not value]
        seen = [document in relevance for documents, relevance in judged for document in documents]
        check.facts["judged_share_of_found"] = fmean(seen) if seen else 0.0
