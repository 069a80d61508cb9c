"""Ranking quality of one question: nDCG, reciprocal rank and hit, over document ids in the order they were found.

nDCG after Järvelin and Kekäläinen (2002) as trec_eval computes it: gain = grade, discount log2(rank + 1), ideal order from all judgements.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from validation.corpus.documents import Question

Breakdown = dict[str, dict[str, dict[str, float]]]


def ndcg(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return nDCG@k in 0..1; documents without a judgement count as grade 0."""
    ideal = _dcg(sorted(relevance.values(), reverse=True)[:k])
    return _dcg([relevance.get(document, 0) for document in ranked[:k]]) / ideal if ideal else 0.0


def reciprocal_rank(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return one over the rank of the first document with a grade above 0 among the first k, else 0."""
    return next((1 / rank for rank, document in enumerate(ranked[:k], 1) if relevance.get(document, 0) > 0), 0.0)


def hit(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> bool:
    """Whether a document with a grade above 0 is among the first k."""
    return any(relevance.get(document, 0) > 0 for document in ranked[:k])


def best_per_document(chunk_documents: Sequence[str]) -> list[str]:
    """Return documents in the order of their best chunk."""
    return list(dict.fromkeys(chunk_documents))


def _dcg(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def breakdown(questions: Sequence[Question], numbers: Mapping[str, Sequence[float]]) -> Breakdown:
    """Return for each language and each kind how many questions it has, and the mean of each number over them."""
    groups = {
        "language": [question.language for question in questions],
        "kind": [question.kind for question in questions],
    }
    return {by: {name: _means(members, name, numbers) for name in sorted(set(members))} for by, members in groups.items()}


def _means(members: Sequence[str], name: str, numbers: Mapping[str, Sequence[float]]) -> dict[str, float]:
    at = [position for position, member in enumerate(members) if member == name]
    return {"questions": len(at), **{key: round(fmean(values[position] for position in at), 4) for key, values in numbers.items()}}
