"""Who goes first where two lanes meet: the rules that Conductor 7.2 uses when planning ahead is off.

A reservation belongs to one vehicle. It ends when the vehicle has left the crossing or when it has not moved for
STALE_AFTER_SECONDS; the dispatcher then sees the message C118. Forklifts do not take part: for them a crossing is closed with
a lamp and a light barrier.
"""

import enum
from dataclasses import dataclass

STALE_AFTER_SECONDS = 17
"""After 17 seconds without motion a reservation is dropped. It was 30 until version 6.4, when a stuck vehicle blocked a whole hall at a customer's in Graz."""

TRAIN_CLEARANCE_MM = 640
"""At least 640 mm must be free behind the last trolley before the next vehicle may enter."""


class Side(enum.Enum):
    """From where a vehicle arrives, seen from the crossing."""

    NORTH = 0
    EAST = 1
    SOUTH = 2
    WEST = 3


@dataclass(frozen=True)
class Request:
    """A vehicle that wants to cross."""

    vehicle: str
    side: Side
    priority: int
    waiting_seconds: float


def winner(requests: list[Request]) -> Request:
    """Return who may enter: the highest priority, then who has waited longest, then whoever comes from the right.

    Waiting counts: every full minute adds one to the priority, so that an unimportant train is not kept for ever.
    """
    return max(requests, key=lambda one: (one.priority + int(one.waiting_seconds // 60), one.waiting_seconds, -one.side.value))


def is_stale(seconds_without_motion: float) -> bool:
    """Whether a reservation has to be dropped."""
    return seconds_without_motion >= STALE_AFTER_SECONDS
