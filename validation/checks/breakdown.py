"""One number over all questions hides where it is low: the same numbers by language and by kind of question; pure."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from validation.corpus.documents import Question

Breakdown = dict[str, dict[str, dict[str, float]]]


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
