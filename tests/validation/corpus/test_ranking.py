"""Ranking quality against values worked out by hand."""

import math

import pytest

from validation.corpus.grading import best_per_document, hit, ndcg, reciprocal_rank

GRADES = {"a": 3, "b": 2, "c": 1, "d": 0}


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        (["a", "b", "c"], 1.0),
        (["x", "y"], 0.0),
        ([], 0.0),
        (["b", "a"], (2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3) + 1 / 2)),
        (["d", "x", "a"], (3 / 2) / (3 + 2 / math.log2(3) + 1 / 2)),
    ],
)
def test_ndcg_is_what_the_formula_gives(ranked: list[str], expected: float) -> None:
    assert ndcg(ranked, GRADES, 10) == pytest.approx(expected)


def test_ndcg_looks_no_further_than_k() -> None:
    assert ndcg(["x", "a"], GRADES, 1) == 0.0


def test_reciprocal_rank_is_of_the_first_relevant_document() -> None:
    assert reciprocal_rank(["x", "d", "c"], GRADES, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "d", "c"], GRADES, 2) == 0.0


def test_a_grade_of_zero_is_no_hit() -> None:
    assert hit(["a"], GRADES, 1)
    assert not hit(["d", "x"], GRADES, 10)


def test_a_document_stands_where_its_best_chunk_stands() -> None:
    assert best_per_document(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]
