"""The catalogue of everything the gate measures: one name, one unit, one sentence each; every check brings its own.

An SLO may only name what stands here, in the unit that stands here, with a limit on the side that can be missed.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum


class Better(StrEnum):
    """Which way a number improves; `none` is told, never judged."""

    LOWER = "lower"
    HIGHER = "higher"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a name in a report means."""

    name: str
    unit: str
    better: Better
    meaning: str
    min_samples: int = 1  # fewer samples than this say nothing: a p99 needs a hundred
    at_most: str = ""  # name of a measure that this one is never above: a p95 is never above the p99; "" for none
    is_invariant: bool = False  # whether every run is judged by it, with zero tolerance: no SLO file names it or forgives it


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number that was measured; `value` is None when it was not."""

    value: float | None
    samples: int
    interval: tuple[float, float] | None = None
    """Where another run would be, nine times in ten, by bootstrap; None where nothing was resampled."""
    note: str = ""  # what it was, where it is not good: the first search that broke an invariant

    def is_usable(self, measure: Measure) -> bool:
        """Whether the number exists and rests on enough samples."""
        return self.value is not None and math.isfinite(self.value) and self.samples >= measure.min_samples


Measurements = dict[str, Measurement]
CATALOGUE: dict[str, Measure] = {}
"""Every measure by its name. The checks fill it when they register themselves: import `validation.checks` before an SLO file is read."""


def latencies(prefix: str, what: str, percentiles: tuple[int, ...], at_most: str = "") -> list[Measure]:
    """Return the percentiles of one latency, in ascending order; `at_most` names a measure that the last is never above."""
    needed = {50: 2, 95: 20, 99: 100}
    names = [f"{prefix}_p{percentile}_ms" for percentile in percentiles]
    return [
        replace(lower(name, "ms", f"{what}, {percentile}th percentile"), min_samples=needed[percentile], at_most=above)
        for name, percentile, above in zip(names, percentiles, [*names[1:], at_most], strict=True)
    ]


def searched(prefix: str, what: str) -> list[Measure]:
    """Return latency and recall of searches that are timed on their own."""
    return [*latencies(prefix, what, (50, 95)), higher(f"{prefix}_recall_at_10", "share", f"{what}: share of the exact ten nearest", 100)]


def invariant(name: str, unit: str, meaning: str) -> Measure:
    """Return a count that must be 0 in every run."""
    return Measure(name=name, unit=unit, better=Better.LOWER, meaning=meaning, is_invariant=True)


def neutral(name: str, unit: str, meaning: str) -> Measure:
    """Return a measure that is reported and never judged."""
    return Measure(name=name, unit=unit, better=Better.NONE, meaning=meaning)


def lower(name: str, unit: str, meaning: str) -> Measure:
    """Return a measure that is better when lower."""
    return Measure(name=name, unit=unit, better=Better.LOWER, meaning=meaning)


def higher(name: str, unit: str, meaning: str, min_samples: int = 1, at_most: str = "") -> Measure:
    """Return a measure that is better when higher."""
    return Measure(name=name, unit=unit, better=Better.HIGHER, meaning=meaning, min_samples=min_samples, at_most=at_most)
