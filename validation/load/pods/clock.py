"""By how much another clock differs from ours, bounded by cause and effect alone; pure.

Nobody hears a word before it was said. So a generator that heard it at `heard` of its clock, said at `asked` of ours, is at most
`heard - asked` ahead; and its answer, sent at `told` of its clock and seen at `seen` of ours, makes it at least `told - seen` ahead.
Nothing is assumed about how long the store takes in either direction. More rounds only narrow the bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far another clock is ahead of ours, in seconds: nowhere outside of these two."""

    low_s: float = -inf
    high_s: float = inf

    @property
    def width_s(self) -> float:
        """What is not known of it."""
        return self.high_s - self.low_s

    @property
    def middle_s(self) -> float:
        """The estimate whose error is at most half of the width."""
        return (self.low_s + self.high_s) / 2

    def after(self, *, asked_s: float, heard_s: float, told_s: float, seen_s: float) -> "Bounds":
        """Narrow by one more word and its answer."""
        return Bounds(low_s=max(self.low_s, told_s - seen_s), high_s=min(self.high_s, heard_s - asked_s))


def spread_s(bounds: Sequence[Bounds]) -> float:
    """Return by how much two generators may start apart when each is told the start by the middle of its bounds."""
    halves = sorted((one.width_s / 2 for one in bounds), reverse=True)
    return sum(halves[:2])
