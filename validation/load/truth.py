"""Exact answers by brute force, and recall against them; the part of the gate that must never be fooled.

Truth is computed with numpy over the very vectors that were sent, outside the timed part. A hit may tie: near-duplicates have equal
scores, and which of them an index returns first is no error (epsilon, in cosine; single precision is good for about 1e-6 here).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.clients.vectors import Mask, Matrix

TIE_EPSILON = 1e-5
_BLOCK = 256


@dataclass(frozen=True)
class Exact:
    """The exact answer to one request: row numbers, best first, and the score that a row needs to belong to it."""

    ids: tuple[int, ...]
    threshold: float  # score of the last of `ids`; NaN when no row passes the filter


def exact_truth(rows: Matrix, queries: Matrix, masks: Sequence[Mask], k: int) -> list[Exact]:
    """Return for each query the exact top k (cosine) among the rows that its mask lets through."""
    answers: list[Exact] = []
    for first in range(0, len(queries), _BLOCK):
        scores = queries[first : first + _BLOCK] @ rows.T
        answers.extend(_top(line, mask, k) for line, mask in zip(scores, masks[first : first + _BLOCK], strict=True))
    return answers


def _top(scores: NDArray[np.float32], mask: Mask, k: int) -> Exact:
    candidates = np.flatnonzero(mask)
    if not len(candidates):
        return Exact((), float("nan"))
    kept = min(k, len(candidates))
    best = candidates[np.argpartition(-scores[candidates], kept - 1)[:kept]]
    best = best[np.argsort(-scores[best], kind="stable")]
    return Exact(tuple(int(row) for row in best), float(scores[best[-1]]))


def recall(ids: Sequence[int], exact: Exact, rows: Matrix, query: Matrix, mask: Mask) -> float:
    """Return the share of the exact answer that `ids` holds, ties accepted; rows the filter forbids and rows not there are no hits."""
    hits = sum(holds(row, exact, rows, query) for row in _allowed(ids, mask))
    return min(hits, len(exact.ids)) / len(exact.ids)


def holds(row: int, exact: Exact, rows: Matrix, query: Matrix) -> bool:
    """Whether the row belongs to the exact answer, or ties with its last one."""
    return row in exact.ids or abs(float(rows[row] @ query) - exact.threshold) <= TIE_EPSILON


def is_beaten(ids: Sequence[int], exact: Exact, rows: Matrix, query: Matrix, mask: Mask) -> bool:
    """Whether `ids` holds an allowed row that is better than the exact answer's last, yet not in it: then that answer is not exact."""
    outside = [row for row in _allowed(ids, mask) if row not in exact.ids]
    return any(float(rows[row] @ query) > exact.threshold + TIE_EPSILON for row in outside)


def _allowed(ids: Sequence[int], mask: Mask) -> set[int]:
    return {row for row in ids if 0 <= row < len(mask) and mask[row]}
