"""What every answer must keep: an answer with one thing wrong is named by that."""

from dataclasses import replace

import numpy as np
import pytest

from validation.clients.vectors import unit
from validation.load.open_loop import Sample
from validation.load.truth import Broken, Verifier, exact_truth, passing_counts

ROWS = unit(np.random.default_rng(7).standard_normal((200, 16)).astype(np.float32))
QUERY = ROWS[3]
ALL = np.ones(200, dtype=np.bool_)
EVEN = np.arange(200) % 2 == 0
VERIFIER = Verifier(rows=ROWS, k=10, metric="COSINE", has_exact_scores=True)
(EXACT,) = exact_truth(ROWS, QUERY[None], [ALL], 10)
RIGHT = Sample(0, 0, 0, 0.01, [*EXACT.ids], "", scores=[float(ROWS[row] @ QUERY) for row in EXACT.ids])


def names(sample: Sample, mask: np.ndarray[tuple[int], np.dtype[np.bool_]] = ALL, verifier: Verifier = VERIFIER) -> list[str]:
    return [broken.invariant for broken in verifier.problems(sample, QUERY, mask, min(10, int(mask.sum())))]


def cut(sample: Sample, keep: slice) -> Sample:
    return replace(sample, ids=sample.ids[keep], scores=sample.scores[keep])


def test_a_right_answer_breaks_nothing() -> None:
    assert names(RIGHT) == []
    assert not VERIFIER.misses(RIGHT, 3, EXACT, QUERY)


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (replace(RIGHT, ids=[*RIGHT.ids, 77], scores=[*RIGHT.scores, float(ROWS[77] @ QUERY)]), ["size"]),
        (cut(RIGHT, slice(8)), ["size"]),
        (cut(RIGHT, slice(0)), ["size"]),
        (replace(RIGHT, ids=[RIGHT.ids[0], *RIGHT.ids[:-1]], scores=[RIGHT.scores[0], *RIGHT.scores[:-1]]), ["ids"]),
        (replace(RIGHT, ids=[*RIGHT.ids[:-1], 200]), ["ids"]),
        (replace(RIGHT, ids=[*RIGHT.ids[:-1], -1]), ["ids"]),
        (cut(RIGHT, slice(None, None, -1)), ["order"]),
        (replace(RIGHT, scores=[score - 0.001 for score in RIGHT.scores]), ["scores"]),
        (replace(RIGHT, scores=RIGHT.scores[:-1]), ["scores"]),
    ],
)
def test_one_thing_wrong_is_named_by_that(broken: Sample, expected: list[str]) -> None:
    assert names(broken) == expected


def test_the_answer_to_another_query_is_seen_by_its_scores() -> None:
    (other,) = exact_truth(ROWS, ROWS[4][None], [ALL], 10)
    assert names(replace(RIGHT, ids=[*other.ids], scores=[float(ROWS[row] @ ROWS[4]) for row in other.ids])) == ["scores"]


def test_a_row_outside_the_filter_is_named() -> None:
    broken = [*VERIFIER.problems(RIGHT, QUERY, EVEN, 10)]
    odd = next(row for row in RIGHT.ids if row % 2)
    assert broken == [Broken("filter", 0, f"row {odd}, which its filter forbids")]


def test_a_filter_that_leaves_fewer_rows_than_asked_has_as_many() -> None:
    few = np.zeros(200, dtype=np.bool_)
    few[[*RIGHT.ids[:4]]] = True
    assert names(cut(RIGHT, slice(4)), few) == []
    assert names(cut(RIGHT, slice(3)), few) == ["size"]


def test_rounded_vectors_have_rounded_scores_but_their_order_is_kept() -> None:
    rounded = replace(VERIFIER, has_exact_scores=False)
    shifted = replace(RIGHT, scores=[score - 0.01 for score in RIGHT.scores])
    assert names(shifted, verifier=rounded) == []
    assert names(cut(shifted, slice(None, None, -1)), verifier=rounded) == ["order"]


def test_distances_are_read_as_such() -> None:
    squared = replace(VERIFIER, metric="L2")
    assert names(replace(RIGHT, scores=[2 - 2 * score for score in RIGHT.scores]), verifier=squared) == []


def test_a_planted_search_without_its_own_row_misses_it_unless_it_ties() -> None:
    assert VERIFIER.misses(cut(RIGHT, slice(1, None)), 3, EXACT, QUERY)
    assert VERIFIER.misses(replace(RIGHT, ids=[*RIGHT.ids[1:], 77]), 3, EXACT, QUERY)
    twins = np.vstack([ROWS, ROWS[3:4]])
    (exact,) = exact_truth(twins, QUERY[None], [np.ones(201, dtype=np.bool_)], 1)
    tie = Verifier(rows=twins, k=1, metric="COSINE", has_exact_scores=True)
    assert exact.ids in ((3,), (200,))
    assert not tie.misses(replace(RIGHT, ids=[203 - exact.ids[0]]), exact.ids[0], exact, QUERY)


def test_equal_filters_are_counted_once_and_alike() -> None:
    assert passing_counts([ALL, EVEN, ALL]) == [200, 100, 200]
