"""The two parts that a test may replace by a broken one, to see that the gate notices; no option of the command line reaches them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from validation.clients.milvus import Row
from validation.clients.vectors import Mask, Matrix
from validation.load import truth

Delivery = Callable[[list[Row]], list[Row]]
Truth = Callable[[Matrix, Matrix, Sequence[Mask], int], list[truth.Exact]]


def _all(rows: list[Row]) -> list[Row]:
    return rows


@dataclass(frozen=True, kw_only=True)
class Seams:
    """How the run really works, unless a test says otherwise."""

    delivered: Delivery = _all
    """Which of the rows reach Milvus. Broken: `lambda rows: rows[::2]`, a collection that is half loaded."""
    exact_truth: Truth = truth.exact_truth
    """Exact answers to all searches. Broken: the same answers in another order."""
