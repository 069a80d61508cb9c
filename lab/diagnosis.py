"""What is wrong with a lab, from plain facts, in the order in which to act: each problem with the command that helps. Pure."""

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
    restarts: int = 0  # how often it was started again in this life of the lab


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

    checkout: str = ""  # checkout that started it; "" where there is no lab
    here: str = ""  # this checkout
    since: str = ""
    runs: bool = False  # whether its process tree is alive
    restarted: bool = False  # whether the machine was started again since the lab was
    wired: bool = True  # whether the host's routes lead into the process tree
    other_code: bool = False  # whether its node runs other code than this checkout has
    state_left: bool = False  # whether there is state of a lab that was never started or is being removed
    cut_short: str = ""  # step in which the last `./rag up` failed or was killed; "" where it came to its end
    stack_trouble: str = ""  # what a killed Pulumi left; "" for nothing
    damaged: dict[str, str] = field(default_factory=dict)  # what is wrong with a tool or image of the cache, by its name
    busy: str = ""  # command that changes the lab at this moment; "" for none
    parts: Sequence[Part] = ()
    pods: Sequence[Pod] = ()
    pods_memory_mib: float = 0
    addresses: dict[str, tuple[str, bool]] = field(default_factory=dict)  # address and whether it answers, by name
    certificates_end: dt.datetime | None = None  # when the first certificate expires
    free_gib: dict[str, float] = field(default_factory=dict)  # free space by folder


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to type."""

    problem: str
    cure: str


def notes(facts: Facts) -> list[Problem]:
    """What is worth knowing and not wrong."""
    brought_up = Problem(f"this lab was brought up from {facts.checkout}", "./rag up  (goes on with it from here)")
    busy = Problem(f"{facts.busy} is changing the lab at this moment", "wait for it, then `./rag status` again")
    other = Problem("its node runs other code than this checkout has", "./rag up  (starts the parts anew, on the same state)")
    seen = {busy: facts.busy, brought_up: facts.checkout not in ("", facts.here), other: facts.runs and facts.other_code}
    return [note for note, is_so in seen.items() if is_so]


def diagnose(facts: Facts, now: dt.datetime) -> list[Problem]:
    """Every problem, the one to act on first at the top; [] for a lab that is well."""
    if not facts.checkout and not facts.state_left:
        return [*_cut_short(facts), Problem("there is no lab on this machine", "./rag up")]
    return [*_processes(facts), *_machine(facts, now), *(_inside(facts) if facts.runs and facts.wired else ()), *_cut_short(facts)]


def _processes(facts: Facts) -> Iterator[Problem]:
    """Whether its processes are there, and can be reached."""
    go_on = "./rag up  (goes on with that state), or ./rag down  (removes it)"
    if not facts.checkout:
        yield Problem("there is state of a lab that was never started, or that a killed `./rag down` left", go_on)
    elif facts.restarted:
        yield Problem("this machine was restarted: the lab's processes are gone, its state is there", go_on)
    elif not facts.runs:
        yield Problem("the lab's processes were killed, its state is there", go_on)
    elif not facts.wired:
        yield Problem("the lab runs, but no route of this host leads to it", "./rag up  (starts its parts anew, on the same state)")


def _cut_short(facts: Facts) -> Iterator[Problem]:
    """What a command that was killed left unfinished; one that is at work is none."""
    if facts.cut_short and not facts.busy:
        yield Problem(f"the last `./rag up` did not come to its end: it failed or was killed in the step {facts.cut_short}", "./rag up")
    if facts.stack_trouble and not facts.busy:
        yield Problem(facts.stack_trouble, "./rag up  (looks up what was made, and goes on)")


def _machine(facts: Facts, now: dt.datetime) -> Iterator[Problem]:
    """Disk, cache and certificates: what fails everything else."""
    for folder, free in facts.free_gib.items():
        if free < DISK_MINIMUM_GIB:
            yield Problem(f"{free:.1f} GiB free under {folder}", f"free space: du -xh --max-depth=2 {folder} | sort -h | tail")
    for name, wrong in facts.damaged.items():
        yield Problem(f"{name} in the cache is damaged: {wrong}", "./rag up  (builds it again)")
    end = facts.certificates_end
    if end is not None and end < now + RENEW_BEFORE:
        verb = "have expired" if end < now else "expire soon"
        yield Problem(f"the lab's certificates {verb} ({end:%Y-%m-%d %H:%M} UTC)", "./rag up  (renews them, and starts the parts anew)")


def _inside(facts: Facts) -> Iterator[Problem]:
    for part in facts.parts:
        if part.pid is None:
            yield Problem(f"{part.name} does not run", f"tail the log of {part.name} (folder below); ./rag down, then ./rag up")
        elif part.restarts >= RESTARTS_MANY:
            yield Problem(f"{part.name} was started again {part.restarts} times", f"tail the log of {part.name} (folder below)")
    for name, (address, answers) in facts.addresses.items():
        if not answers:
            yield Problem(f"{name} at {address} does not answer", "./rag up  (waits for it and says why it cannot)")
    for pod in facts.pods:
        if not pod.ready:
            yield Problem(f"pod {pod.namespace}/{pod.name} is not ready: {pod.why}", f"kubectl -n {pod.namespace} describe pod {pod.name}")
