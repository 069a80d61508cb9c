"""Which steps are left of a rotation, from the settings and the state alone: so a run that was killed anywhere is completed. Pure.

Settings say which generations are wanted, the state which users are there. At rest both name one and the same; anything else is a
rotation under way, which is finished before another one may begin.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from components.stores import Generations

Step = Literal["raise", "switch", "revoke", "remove"]
"""Ask for the next generation; make it, switch the Secret and roll the pods; ask for the old one to go; let it go."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is left to do, and between which generations."""

    old: int
    new: int
    steps: tuple[Step, ...]


def plan(wanted: Generations, present: AbstractSet[int]) -> Plan:
    """Continue what was begun, or begin."""
    current = wanted.current
    if len(wanted.valid()) > 1:
        return Plan(old=current - 1, new=current, steps=("switch", "revoke", "remove"))
    if left := sorted(present - {current}):
        return Plan(old=left[-1], new=current, steps=("switch", "remove") if current not in present else ("remove",))
    return Plan(old=current, new=current + 1, steps=("raise", "switch", "revoke", "remove"))
