"""Exact truth and recall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.clients.vectors import unit
from validation.load.truth import Exact, exact_truth, is_beaten, recall

ROWS = unit(np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], dtype=np.float32))
ALL = np.ones(4, dtype=np.bool_)
QUERY = np.array([1, 0], dtype=np.float32)


def test_truth_is_the_nearest_rows_in_order() -> None:
    (exact,) = exact_truth(ROWS, QUERY[None], [ALL], 2)
    assert exact.ids == (0, 1)
    assert exact.threshold == pytest.approx(float(ROWS[1] @ QUERY))


def test_truth_obeys_the_filter() -> None:
    mask = np.array([False, True, True, True])
    (exact,) = exact_truth(ROWS, QUERY[None], [mask], 10)
    assert exact.ids == (1, 2, 3)


def test_a_filter_that_leaves_nothing_has_an_empty_truth() -> None:
    (exact,) = exact_truth(ROWS, QUERY[None], [~ALL], 10)
    assert exact.ids == ()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.05, 1.0))
def test_truth_agrees_with_sorting_everything(seed: int, k: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    rows = unit(draw.standard_normal((50, 8)).astype(np.float32))
    query = unit(draw.standard_normal((1, 8)).astype(np.float32))
    mask = draw.random(50) < share
    (exact,) = exact_truth(rows, query, [mask], k)
    scores = rows @ query[0]
    expected = sorted(np.flatnonzero(mask), key=lambda row: -scores[row])[:k]
    assert set(exact.ids) == {int(row) for row in expected}


def test_recall_counts_the_share_of_the_exact_answer() -> None:
    (exact,) = exact_truth(ROWS, QUERY[None], [ALL], 2)
    assert recall([0, 3], exact, ROWS, QUERY, ALL) == 0.5


def test_a_tie_is_no_miss_but_a_twin_is_counted_once() -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    exact = Exact((0, 1), 1.0)
    assert recall([2, 1], exact, rows, QUERY, ALL) == 1.0
    assert recall([2, 2], exact, rows, QUERY, ALL) == 0.5


def test_rows_that_the_filter_forbids_or_nobody_sent_are_no_hits() -> None:
    mask = np.array([False, True, True, True])
    (exact,) = exact_truth(ROWS, QUERY[None], [mask], 2)
    assert recall([0, 99, -1], exact, ROWS, QUERY, mask) == 0.0


def test_fewer_matching_rows_than_k_can_still_be_found_completely() -> None:
    mask = np.array([True, False, False, False])
    (exact,) = exact_truth(ROWS, QUERY[None], [mask], 10)
    assert recall([0], exact, ROWS, QUERY, mask) == 1.0


def test_shuffled_truth_neither_keeps_its_recall_nor_goes_unnoticed() -> None:
    draw = np.random.default_rng(1)
    rows = unit(draw.standard_normal((500, 16)).astype(np.float32))
    exact = exact_truth(rows, rows[:50], [np.ones(500, dtype=np.bool_)] * 50, 10)
    mask = np.ones(500, dtype=np.bool_)
    right = [(one.ids, one, rows, query, mask) for one, query in zip(exact, rows, strict=False)]
    shuffled = [(one.ids, other, rows, query, mask) for one, other, query in zip(exact, exact[1:], rows, strict=False)]
    assert np.mean([recall(*case) for case in right]) == 1.0
    assert np.mean([recall(*case) for case in shuffled]) < 0.1
    assert not any(is_beaten(*case) for case in right)
    assert any(is_beaten(*case) for case in shuffled)


def test_a_tie_does_not_beat_the_truth() -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert not is_beaten([2], Exact((0, 1), 1.0), rows, QUERY, ALL)
    assert is_beaten([2], Exact((0, 3), 0.0), rows, QUERY, ALL)
