"""Which steps are left of a rotation, from settings and state alone, so that a killed run is completed; and the report of a run.

Settings say which generations are wanted, the state which users are there. At rest both name one and the same; anything else is a
rotation under way, which is finished before another one may begin.
"""

import json
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from components.generations import Generations
from stacks.yaml_files import write_whole

SCHEMA, SCHEMA_VERSION = "milvus-x10000/rotation", 2
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


@dataclass(kw_only=True)
class Report:
    """One run of the command; a field that was not reached is None. No key is in it."""

    environment: str
    old: int | None = None
    """Generation of the key that goes."""
    new: int | None = None
    steps: list[str] = field(default_factory=list)
    """What was left to do when the command began."""
    seconds: dict[str, float] = field(default_factory=dict)
    pods_without: list[str] | None = None
    """Pods of Milvus that were not ready with the new key when it was to be in use; [] is the evidence that it is."""
    old_key: str | None = None
    """The store's answer to the old key afterwards."""
    new_key: str | None = None
    result: str = "stopped"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        begun_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun_s, 1)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(self)}
        write_whole(path, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
