"""Percentiles from histograms."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # hdrhistogram ships no types
from hypothesis import given
from hypothesis import strategies as st

from validation.load.histogram import Histogram

SECONDS = st.lists(st.floats(1e-5, 100), min_size=1, max_size=300)


@given(SECONDS, st.sampled_from([50.0, 95.0, 99.0]))
def test_percentiles_are_within_one_percent_of_the_sorted_samples(seconds: list[float], percentile: float) -> None:
    truth = float(np.percentile(seconds, percentile, method="inverted_cdf")) * 1e3
    assert Histogram(seconds).percentile_ms(percentile) == pytest.approx(truth, rel=0.01, abs=2e-3)


@given(SECONDS, SECONDS)
def test_merged_histograms_are_those_of_all_samples(left: list[float], right: list[float]) -> None:
    merged = Histogram(left)
    merged.merge(Histogram(right))
    together = Histogram([*left, *right])
    assert merged.count == len(left) + len(right)
    assert merged.percentile_ms(95) == together.percentile_ms(95)


def test_no_samples_have_no_percentile() -> None:
    assert Histogram().percentile_ms(99) is None


def test_durations_beyond_the_range_are_kept_at_its_ends() -> None:
    assert Histogram([0.0]).percentile_ms(50) == pytest.approx(0.001)
    assert Histogram([10_000.0]).percentile_ms(50) == pytest.approx(600_000, rel=0.01)


def test_a_percentile_is_the_sample_of_its_rank_and_not_its_neighbour() -> None:
    samples = Histogram(number / 1e3 for number in range(1, 1_001))
    assert [samples.percentile_ms(percentile) for percentile in (50, 95, 99)] == pytest.approx([500, 950, 990], rel=0.001)


def test_the_encoded_histogram_holds_every_sample() -> None:
    text = Histogram([0.001] * 99 + [0.5]).encoded()
    decoded = HdrHistogram.decode(text)
    assert decoded.get_total_count() == 100
    assert decoded.get_value_at_percentile(100) == pytest.approx(500_000, rel=0.001)
