"""Decides which Lynx drives to the charging bay next, so that no two vehicles of one line are away at the same time.

Part of Conductor, fleet software group. The plan is made anew every 45 seconds; a vehicle that is already on its way keeps its place.
"""

from dataclasses import dataclass

RETURN_AT_PERCENT = 20
"""Below this a vehicle has to go, whatever the plan says: the manual promises it to operators."""

EARLY_AT_PERCENT = 37
"""From 37 percent down a vehicle may go if its line is quiet. Chosen with the data of the pilot customer, spring 2024."""

BAY_CHANGE_SECONDS = 95
"""Within 95 seconds one vehicle leaves the bay and the next one docks: the median of twelve sites."""


@dataclass(frozen=True)
class Vehicle:
    """What the planner needs to know about one vehicle."""

    name: str
    line: str
    battery_percent: float
    orders_waiting: int


def next_to_charge(vehicles: list[Vehicle], away: set[str]) -> Vehicle | None:
    """Return the vehicle that should charge now, or None.

    A vehicle that must go comes first, the emptiest of them. Otherwise the one with the fewest waiting orders goes, but only
    if no other vehicle of its line is in `away`.
    """
    must = [one for one in vehicles if one.battery_percent <= RETURN_AT_PERCENT]
    if must:
        return min(must, key=lambda one: one.battery_percent)
    may = [one for one in vehicles if one.battery_percent <= EARLY_AT_PERCENT and one.line not in away]
    return min(may, key=lambda one: (one.orders_waiting, one.battery_percent), default=None)


def bays_needed(vehicles: int, charge_seconds: float, drive_seconds: float) -> int:
    """Return how many bays a fleet needs when every vehicle alternates between driving and charging."""
    share = (charge_seconds + BAY_CHANGE_SECONDS) / (charge_seconds + BAY_CHANGE_SECONDS + drive_seconds)
    return max(1, round(vehicles * share + 0.4999))
