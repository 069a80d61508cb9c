"""The planned searches."""

import numpy as np
import pytest

from validation.clients.vectors import Matrix, unit
from validation.judge.profile import Filter, Profile
from validation.load import plan
from validation.load.plan import Columns, Pool, expression, make_plan, mask, masks


@pytest.fixture
def pools() -> dict[str, Pool]:
    def pool(seed: int, count: int) -> Pool:
        vectors: Matrix = unit(np.random.default_rng(seed).standard_normal((count, 32)).astype(np.float32))
        return Pool(vectors=vectors, languages=["en", "de"] * (count // 2))

    return {"judged": pool(1, 10), "generated": pool(2, 20), "planted": pool(3, 500)}


def test_the_same_seed_draws_the_same_searches(profile: Profile, pools: dict[str, Pool]) -> None:
    one, other = (make_plan(profile.search, pools, 300, 7) for _ in range(2))
    assert np.array_equal(one.queries, other.queries)
    assert (one.filters, one.kinds) == (other.filters, other.kinds)
    assert make_plan(profile.search, pools, 300, 8).kinds != one.kinds


def test_shares_of_kinds_and_filters_are_kept(profile: Profile, pools: dict[str, Pool]) -> None:
    drawn = make_plan(profile.search, pools, 4_000, 7)
    assert drawn.kinds.count("planted") / 4_000 == pytest.approx(profile.search.queries.planted, abs=0.03)
    assert sum(expression(chosen) == "" for chosen in drawn.filters) / 4_000 == pytest.approx(0.4, abs=0.03)


def test_a_planted_query_is_not_its_row_but_still_nearest_to_it(profile: Profile, pools: dict[str, Pool]) -> None:
    drawn = make_plan(profile.search, pools, 500, 7)
    rows = pools["planted"].vectors
    planted = [(row, query) for row, query in zip(drawn.planted_rows, drawn.queries, strict=True) if row is not None]
    assert all(np.argmax(rows @ query) == row for row, query in planted)
    assert all(0.9 < float(rows[row] @ query) < 0.999 for row, query in planted)


def test_no_search_is_sent_twice_and_the_newest_rows_are_searched_for(profile: Profile, pools: dict[str, Pool]) -> None:
    drawn = make_plan(profile.search, pools, 500, 7)
    assert len({query.tobytes() for query in drawn.queries}) == 500, "a cache on the way would answer the second one"
    assert {row for row in drawn.planted_rows if row is not None} >= {*range(500 - plan.NEWEST, 500)}
    judged = [query for kind, query in zip(drawn.kinds, drawn.queries, strict=True) if kind == "judged"]
    assert all(max(pools["judged"].vectors @ query) > 0.9999 for query in judged), "the same question, and the same answer"


def test_own_language_becomes_that_of_the_query(profile: Profile, pools: dict[str, Pool]) -> None:
    drawn = make_plan(profile.search, pools, 500, 7)
    assert {chosen.language for chosen in drawn.filters} == {None, "en", "de"}
    for row, chosen in zip(drawn.planted_rows, drawn.filters, strict=True):
        assert row is None or chosen.language in {None, pools["planted"].languages[row]}


def test_a_language_is_data_and_never_becomes_a_condition() -> None:
    own = plan._own(Filter(share=1, language="own"), 'x" or bucket >= 0 or language == "\\')
    assert expression(own) == r'language == "x\" or bucket >= 0 or language == \"\\"'


def test_expression_and_mask_mean_the_same() -> None:
    columns = Columns(language=np.array(["en", "de", "en"]), bucket=np.array([1, 2, 60], dtype=np.int64))
    both = Filter(share=1, language="en", bucket_below=50)
    assert expression(both) == 'language == "en" and bucket < 50'
    assert mask(both, columns).tolist() == [True, False, False]
    assert mask(Filter(share=1), columns).all()
    assert [one.tolist() for one in masks([both, both], columns)] == [[True, False, False]] * 2
