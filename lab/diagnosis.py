"""What is wrong with a lab, told from plain facts: each problem with the command that helps. Pure.

The order is the order in which to act: a lab that does not run is not asked about its pods.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lab.pki import RENEW_BEFORE

DISK_MINIMUM_GIB = 1.0
RESTARTS_MANY = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the node, as it should run; `pid` is None where it does not."""

    name: str
    pid: int | None = None
    running_s: float = 0
    memory_mib: float = 0
    restarts: int = 0
    """How often it was started again in this life of the lab."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod; `why` is what it waits for, "" where it is ready."""

    namespace: str
    name: str
    ready: bool
    restarts: int
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen of the lab of this machine."""

    checkout: str = ""
    """Checkout that started it; "" where there is no lab."""
    here: str = ""
    """This checkout."""
    since: str = ""
    runs: bool = False
    """Whether its process tree is alive."""
    busy: str = ""
    """Command that changes the lab at this moment; "" for none."""
    parts: Sequence[Part] = field(default_factory=tuple)
    pods: Sequence[Pod] = field(default_factory=tuple)
    pods_memory_mib: float = 0
    addresses: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Address and whether it answers, by name."""
    certificates_end: dt.datetime | None = None
    """When the first certificate expires."""
    free_gib: dict[str, float] = field(default_factory=dict)
    """Free space by folder."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to type."""

    problem: str
    cure: str


def notes(facts: Facts) -> list[Problem]:
    """What is worth knowing and not wrong."""
    found = []
    if facts.busy:
        found.append(Problem(f"{facts.busy} is changing the lab at this moment", "wait for it, then `make status` again"))
    if facts.checkout and facts.checkout != facts.here:
        found.append(Problem(f"this lab was brought up from {facts.checkout}", "make up  (goes on with it from here)"))
    return found


def diagnose(facts: Facts, now: dt.datetime) -> list[Problem]:
    """Every problem, the one to act on first at the top; [] for a lab that is well."""
    if not facts.checkout:
        return [Problem("there is no lab on this machine", "make up")]
    gone = "the lab's processes are gone, its state is there: this machine was restarted, or they were killed"
    life = [] if facts.runs else [Problem(gone, "make up  (goes on with that state), or make down  (removes it)")]
    return [*life, *_ground(facts, now), *(_inside(facts) if facts.runs else ())]


def _ground(facts: Facts, now: dt.datetime) -> Iterator[Problem]:
    """Disk and certificates: what fails everything else."""
    for folder, free in facts.free_gib.items():
        if free < DISK_MINIMUM_GIB:
            yield Problem(f"{free:.1f} GiB free under {folder}", f"free space: du -xh --max-depth=2 {folder} | sort -h | tail")
    end = facts.certificates_end
    if end is not None and end < now + RENEW_BEFORE:
        verb = "have expired" if end < now else "expire soon"
        yield Problem(f"the lab's certificates {verb} ({end:%Y-%m-%d %H:%M} UTC)", "make up  (renews them, and starts the parts anew)")


def _inside(facts: Facts) -> Iterator[Problem]:
    for part in facts.parts:
        if part.pid is None:
            yield Problem(f"{part.name} does not run", f"tail the log of {part.name} (folder below); make down, then make up")
        elif part.restarts >= RESTARTS_MANY:
            yield Problem(f"{part.name} was started again {part.restarts} times", f"tail the log of {part.name} (folder below)")
    for name, (address, answers) in facts.addresses.items():
        if not answers:
            yield Problem(f"{name} at {address} does not answer", "make up  (waits for it and says why it cannot)")
    for pod in facts.pods:
        if not pod.ready:
            yield Problem(f"pod {pod.namespace}/{pod.name} is not ready: {pod.why}", f"kubectl -n {pod.namespace} describe pod {pod.name}")
