"""Does a number grow over hours, though what it is of was restarted meanwhile? A slope by rank, which no spike moves, with its interval.

The slope is the median of those between any two points of one lifetime (Theil 1950, Sen 1968), over all lifetimes together (Hirsch, Slack
and Smith 1982); two more of them are its 95 % interval, by the variance of Kendall's S, n(n-1)(2n+5)/18, summed over lifetimes. Points that
follow each other are no independent draws: the variance is multiplied by (1+r)/(1-r), where r is the correlation of neighbours around the
line (Yue and Wang 2004). A step between two levels then widens the interval, and is not mistaken for a slope that goes on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.judge.judgement import Grade

LEAST = 10  # points of a lifetime: of fewer, Kendall's S is not normal
_Z, _MOST_R, _MOST = 1.96, 0.99, 1_000  # of so many points there are half a million pairs


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The median of all points, and by how much they grow in an hour."""

    level: float
    per_hour: float
    low: float  # the 95 % interval of `per_hour`
    high: float
    points: int
    lifetimes: int

    def grade(self, limit: float) -> Grade:
        """Hold it against what it may grow in an hour: only an interval on one side of that decides."""
        return Grade.FAIL if self.low > limit else Grade.PASS if self.high <= limit else Grade.UNDECIDED


def estimate(lifetimes: Sequence[Sequence[tuple[float, float]]]) -> Trend | None:
    """Return the trend of points (hour, value), in the order of time; None where no lifetime has enough of them."""
    kept = [np.array(each[:: -(-len(each) // _MOST)], dtype=float) for each in lifetimes if len(each) >= LEAST]
    if not kept:
        return None
    slopes = np.sort(np.concatenate([_slopes(*points.T) for points in kept]))
    slope, variance = float(np.median(slopes)), sum(n * (n - 1) * (2 * n + 5) / 18 for n in map(len, kept))
    around = [values - slope * hours - np.median(values - slope * hours) for hours, values in (points.T for points in kept)]
    squares = sum(float(each @ each) for each in around)
    r = sum(float(each[1:] @ each[:-1]) for each in around) / squares if squares else 0.0
    r = min(max(r, 0.0), _MOST_R)
    half, last = _Z * (variance * (1 + r) / (1 - r)) ** 0.5 / 2, len(slopes) - 1
    low, high = float(slopes[max(math.floor(last / 2 - half), 0)]), float(slopes[min(math.ceil(last / 2 + half), last)])
    level, points = float(np.median(np.concatenate(kept)[:, 1])), sum(map(len, kept))
    return Trend(level=level, per_hour=slope, low=low, high=high, points=points, lifetimes=len(kept))


def _slopes(hours: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(len(hours), 1)
    return np.asarray((values[second] - values[first]) / (hours[second] - hours[first]))
