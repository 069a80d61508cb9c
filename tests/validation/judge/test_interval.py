"""Bootstrap intervals: they hold the number itself, shrink with samples, and cover the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.judge.interval import TAIL, of_load_percentile_ms, of_percentile_ms, of_share
from validation.load.histogram import Histogram

DRAW = np.random.default_rng(3)


def width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


def test_nothing_has_no_interval() -> None:
    assert of_share([]) is None
    assert of_percentile_ms([], 95) is None


@given(st.lists(st.floats(1e-5, 100), min_size=1, max_size=100), st.sampled_from([50.0, 95.0, 99.0]))
def test_an_interval_is_in_order_and_inside_the_samples(seconds: list[float], percentile: float) -> None:
    found = of_percentile_ms(seconds, percentile)
    assert found is not None
    assert min(seconds) * 999 <= found[0] <= found[1] <= max(seconds) * 1001


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=200))
def test_the_interval_of_a_share_holds_the_share_and_stays_a_share(values: list[float]) -> None:
    found = of_share(values)
    assert found is not None
    assert 0 <= found[0] <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= found[1] <= 1


@pytest.mark.parametrize(
    ("values", "expected"), [([0.0] * 2_500, (0.0, 0.0012)), ([0.0] * 3_000, (0.0, 0.001)), ([1.0] * 40, (0.928, 1.0))]
)
def test_what_never_happened_may_still_happen(values: list[float], expected: tuple[float, float]) -> None:
    assert of_share(values) == pytest.approx(expected, abs=0.0005)
    room = 1 - TAIL ** (1 / len(values))
    assert (1 - room) ** len(values) == pytest.approx(TAIL), "with such a share, nothing at all would be seen one time in twenty"


def test_more_samples_make_it_narrower() -> None:
    few, many = (DRAW.exponential(0.01, count).tolist() for count in (200, 10_000))
    assert width(of_percentile_ms(many, 95, 200)) < width(of_percentile_ms(few, 95)) / 2


def test_nine_of_ten_intervals_hold_the_truth() -> None:
    truth, held = -np.log(0.05) * 10, 0
    for _ in range(40):
        low, high = of_percentile_ms(DRAW.exponential(0.01, 120).tolist(), 95) or (0, 0)
        held += low <= truth <= high
    assert 30 <= held <= 40


def test_a_stall_widens_the_interval_though_the_number_of_samples_is_the_same() -> None:
    calm = DRAW.exponential(0.005, 2_500)
    stalled = calm.copy()
    stalled[1_000:1_100] += 1.0
    spread = DRAW.permutation(stalled)
    assert width(of_load_percentile_ms(stalled.tolist(), 95)) > 5 * width(of_load_percentile_ms(spread.tolist(), 95))


def test_it_is_the_interval_of_the_percentile_that_is_reported() -> None:
    seconds = DRAW.lognormal(-5, 0.5, 3_000).tolist()
    for percentile in (50, 95, 99):
        low, high = of_load_percentile_ms(seconds, percentile) or (0, 0)
        assert low * 0.999 <= (Histogram(seconds).percentile_ms(percentile) or 0) <= high * 1.001


def test_the_same_samples_have_the_same_interval() -> None:
    seconds = DRAW.exponential(0.01, 100).tolist()
    assert of_percentile_ms(seconds, 95) == of_percentile_ms(seconds, 95)
