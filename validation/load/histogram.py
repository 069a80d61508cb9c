"""Latency samples as HDR histograms: microseconds inside, milliseconds outside, merged before a percentile is taken."""

import math
from collections.abc import Iterable

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # hdrhistogram ships no types

_LOWEST_US = 1
_HIGHEST_US = 600_000_000
_SIGNIFICANT_FIGURES = 3
_ROUNDING = 1e-9
"""The library rounds the rank, so that the p99 of 60 samples would be the second largest; here it is rounded up, as a promise needs it."""


class Histogram:
    """Durations of one kind; percentiles are within 0.1 % of the recorded values."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _SIGNIFICANT_FIGURES)
        for duration in seconds:
            self.record(duration)

    def record(self, seconds: float) -> None:
        """Add one duration; below a microsecond and above ten minutes it counts as just that."""
        self._histogram.record_value(min(max(round(seconds * 1e6), _LOWEST_US), _HIGHEST_US))

    def merge(self, other: "Histogram") -> None:
        """Add all samples of another histogram."""
        self._histogram.add(other._histogram)  # noqa: SLF001 - the same class

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return int(self._histogram.get_total_count())

    def percentile_ms(self, percentile: float) -> float | None:
        """Return the smallest duration that `percentile` percent do not exceed; None without samples."""
        if not self.count:
            return None
        rank = math.ceil(self.count * percentile / 100 - _ROUNDING)
        return float(self._histogram.get_value_at_percentile(100 * rank / self.count)) / 1e3

    @classmethod
    def decoded(cls, text: str) -> "Histogram":
        """Inverse of `encoded`, to the last count."""
        decoded = cls()
        decoded._histogram.add(HdrHistogram.decode(text.encode("ascii")))
        return decoded

    def encoded(self) -> str:
        """Return the whole histogram in HdrHistogram's own compressed form, for whoever wants another percentile later."""
        return bytes(self._histogram.encode()).decode("ascii")
