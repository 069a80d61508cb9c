"""Two runs beside each other: ratio (of a share the difference), the interval of it, and whether the second is worse; pure.

The interval of a ratio is the widest that both intervals allow (worst over best, best over worst), so it errs to the side of "the same". It
holds what one run can know of itself; equal runs differ more than that, which is what the tolerance is for, and `calibrate`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from validation.judge.measures import CATALOGUE, Better, Measure, Measurement, Measurements

SHARE_TOLERANCE = 0.01
"""A hundredth of a share is a difference that somebody notices; of everything else the tolerance is given in percent."""


class Change(StrEnum):
    """What the second run is against the first."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "one sample"
    """There is no interval: a single number moves as it likes."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One number in both runs."""

    measure: Measure
    before: Measurement
    after: Measurement
    change: Change
    moved: tuple[float, float, float] | None
    """Ratio (of a share the difference), and the interval of it; None where there is nothing to divide by."""


def compare(before: Measurements, after: Measurements, tolerance_percent: float) -> list[Compared]:
    """Compare what both runs measured and what has a better side."""
    return list(_compare(before, after, tolerance_percent))


def _compare(before: Measurements, after: Measurements, tolerance_percent: float) -> Iterator[Compared]:
    for name, measure in CATALOGUE.items():
        if measure.better is not Better.NONE and name in before and name in after:
            moved = _moved(measure, before[name], after[name])
            change = _change(measure, before[name], after[name], moved, tolerance_percent / 100)
            yield Compared(measure=measure, before=before[name], after=after[name], change=change, moved=moved)


def _moved(measure: Measure, before: Measurement, after: Measurement) -> tuple[float, float, float] | None:
    old, new = (one.value or 0.0 for one in (before, after))
    (old_low, old_high), (new_low, new_high) = before.interval or (old, old), after.interval or (new, new)
    if measure.unit == "share":
        return new - old, new_low - old_high, new_high - old_low
    if not old or not old_low or not old_high:
        return None
    return new / old, new_low / old_high, new_high / old_low


def _change(
    measure: Measure, before: Measurement, after: Measurement, moved: tuple[float, float, float] | None, tolerance: float
) -> Change:
    if moved is None or before.interval is None or after.interval is None:
        return Change.UNKNOWN
    centre, room = (0.0, SHARE_TOLERANCE) if measure.unit == "share" else (1.0, tolerance)
    lower, higher = moved[2] < centre - room, moved[1] > centre + room
    if not lower and not higher:
        return Change.SAME
    return Change.BETTER if lower == (measure.better is Better.LOWER) else Change.WORSE
