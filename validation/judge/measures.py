"""The catalogue of everything the gate measures: one name, one unit, one sentence each, as validation/checks/measures.yaml has them.

An SLO may only name what stands here, in the unit that stands here, with a limit on the side that can be missed.
"""

import math
from dataclasses import dataclass
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
