"""When nobody was served: outages in the shots of a steady load. Pure.

An outage is a run of requests that failed, from the planned time of its first one until that of the next one that was answered: so long
whoever asked got nothing. It is as exact as the load is dense: 10 ms at 100 requests/s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from validation.load.open_loop import Shot


@dataclass(frozen=True, kw_only=True)
class Outage:
    """One of them."""

    begin_s: float
    """Since the first request of all."""
    seconds: float
    failed: int
    first_error: str
    ended: bool
    """False where no later request was answered: it lasted longer than was looked."""


def find(shots: Sequence[Shot]) -> list[Outage]:
    """Return the outages among shots in the order in which they were planned."""
    begins = [at for at, shot in enumerate(shots) if shot.error and (at == 0 or not shots[at - 1].error)]
    return [_outage(shots, first, following) for first, following in pairwise([*begins, len(shots)])]


def _outage(shots: Sequence[Shot], first: int, following: int) -> Outage:
    last = next((at for at in range(first, following) if not shots[at].error), following)
    ended = last < len(shots)
    until_s = shots[last].planned_s if ended else shots[-1].ended_s
    return Outage(
        begin_s=shots[first].planned_s - shots[0].planned_s,
        seconds=until_s - shots[first].planned_s,
        failed=last - first,
        first_error=shots[first].error,
        ended=ended,
    )
