"""How far a number would move if the same run were made again: bootstrap intervals, by numpy's multinomial resampling.

Each interval is the middle 90 % of what a thousand resamples give, so that its pessimistic end errs one time in twenty. Latencies of one
run are no independent draws (a stall slows whole seconds), so slices of time are drawn, not requests. What a bootstrap cannot see is an
end that no sample reached: for a share that never varied, the exact binomial bound is taken (0 of n may still be 1 - 0.05^(1/n)); a
percentile has no such cure, which is why each has its least number of samples in the catalogue.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
TAIL = 0.05
_FINENESS = 1e-3
_LEAST = 1e-6  # a microsecond: durations below it count as that, as in the histograms


def of_share(values: Sequence[float]) -> Interval | None:
    """Return the interval of the mean of numbers between 0 and 1; None for none."""
    if not values:
        return None
    count, mean = len(values), float(np.mean(values))
    if min(values) == max(values):
        room = 1 - TAIL ** (1 / count)
        return max(mean - room, 0.0) if mean > 0 else 0.0, min(mean + room, 1.0) if mean < 1 else 1.0
    distinct, counts = np.unique(values, return_counts=True)
    drawn = _draw(counts / count, count)
    return _middle(drawn @ distinct / count)


def of_percentile_ms(seconds: Sequence[float], percentile: float, slices: int | None = None) -> Interval | None:
    """Return the interval of a percentile in ms; the durations are in the order in which they were planned, cut into slices of time.

    With `slices` of None each duration is a slice of its own: right for requests that were made one after the other.
    """
    if not seconds:
        return None
    fine = np.round(np.log(np.maximum(seconds, _LEAST)) / _FINENESS)
    distinct, place = np.unique(fine, return_inverse=True)
    cut = len(seconds) if slices is None else min(slices, len(seconds))
    table = np.zeros((cut, len(distinct)))
    np.add.at(table, (np.arange(len(seconds)) * cut // len(seconds), place), 1)
    below = np.cumsum(_draw(np.full(cut, 1 / cut), cut) @ table, axis=1)
    rank = np.ceil(below[:, -1:] * percentile / 100 - 1e-9)
    values = np.exp(distinct * _FINENESS) * 1e3
    return _middle(values[np.argmax(below >= rank, axis=1)])


def of_load_percentile_ms(seconds: Sequence[float], percentile: float) -> Interval | None:
    """Return the interval of a percentile under load, drawn from 25 slices of time."""
    return of_percentile_ms(seconds, percentile, 25)


def _draw(chances: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return one row a resample: how often each value was drawn."""
    return np.random.default_rng(7).multinomial(count, chances, size=1_000).astype(np.float64)


def _middle(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return float(low), float(high)
