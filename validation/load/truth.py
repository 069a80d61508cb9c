"""Exact answers by brute force, recall against them, and what every answer must keep, whatever the averages are.

Truth is computed with numpy over the very vectors that were sent, outside the timed part. A hit may tie: near-duplicates have equal
scores, and which of them an index returns first is no error (epsilon, in cosine; single precision is good for about 1e-6 here). An average
forgives what no user would: a row outside the filter, the answer to another question, a stored document that is not there. A planted search
may miss its own row for one reason alone, an index that is not exact: who calls this asks for the row by its id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.clients.vectors import Mask, Matrix
from validation.load.open_loop import Sample

TIE_EPSILON = 1e-5
SCORE_EPSILON = 1e-4  # single precision over some thousand dimensions is good for a tenth of this
_ORDER_EPSILON = 1e-6
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


@dataclass(frozen=True, slots=True)
class Broken:
    """One answer, and which invariant it broke."""

    invariant: str
    number: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """What answers are held against: the rows by their number, how many are asked for, and how scores are to be read."""

    rows: Matrix
    k: int
    metric: str
    has_exact_scores: bool  # False for an index that keeps vectors rounded: its scores are

    def problems(self, sample: Sample, query: Matrix, mask: Mask, least: int) -> Iterator[Broken]:
        """Yield what is wrong with one answer, which has `least` rows or more."""
        ids = sample.ids
        known = np.array([row for row in ids if 0 <= row < len(mask)], dtype=np.int64)
        twice = [row for at, row in enumerate(ids) if row in ids[:at]]
        if not least <= len(ids) <= self.k:
            yield Broken("size", sample.number, f"{len(ids)} rows, where {self.k} were asked for")
        if twice:
            yield Broken("ids", sample.number, f"row {twice[0]} twice")
        if len(known) < len(ids):
            yield Broken("ids", sample.number, f"row {next(row for row in ids if not 0 <= row < len(mask))}, which was never sent")
        if not mask[known].all():
            yield Broken("filter", sample.number, f"row {known[~mask[known]][0]}, which its filter forbids")
        if len(known) == len(ids):
            yield from self._scores(sample, query, known)

    def _scores(self, sample: Sample, query: Matrix, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[Broken]:
        scores = np.array(sample.scores, dtype=np.float64)
        if len(scores) != len(ids):
            yield Broken("scores", sample.number, f"{len(scores)} scores for {len(ids)} rows")
            return
        nearness, cosines = -scores if self.metric == "L2" else scores, self.rows[ids] @ query
        for at in np.flatnonzero(np.diff(nearness) > _ORDER_EPSILON)[:1]:
            yield Broken("order", sample.number, f"score {scores[at]:.6g} before {scores[at + 1]:.6g}, which is better")
        exact = 2 - 2 * cosines if self.metric == "L2" else cosines
        for at in np.flatnonzero(np.abs(scores - exact) > SCORE_EPSILON)[:1] if self.has_exact_scores else ():
            yield Broken("scores", sample.number, f"row {ids[at]} with score {scores[at]:.6g}, its exact one is {exact[at]:.6g}")

    def misses(self, sample: Sample, row: int, exact: Exact, query: Matrix) -> bool:
        """Whether a planted search lacks the row it was made from, and has a worse one, or none, in its place."""
        ids = [each for each in sample.ids[: self.k] if 0 <= each < len(self.rows)]
        if row not in exact.ids or row in ids:
            return False
        worst = min(self.rows[ids] @ query) if len(ids) == len(exact.ids) else -1.0
        return bool(self.rows[row] @ query > worst + TIE_EPSILON)


def passing_counts(masks: Sequence[Mask]) -> list[int]:
    """Return how many rows each filter lets through; equal filters share one array, which is counted once."""
    counts = {id(mask): int(mask.sum()) for mask in {id(mask): mask for mask in masks}.values()}
    return [counts[id(mask)] for mask in masks]
