"""What an earlier run left half-done, what that breaks, and what would mend it. Pure.

`pulumi up` alone passes over most of it: it compares the settings with its own state, and where an upgrade was ended hard, the state still
holds the old settings, so the next run says "unchanged" while no pod of Milvus is there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stacks.operations.helm import GOOD, PENDING, Revision

RELEASE = "milvus-release"
"""Milvus's release, as the state names it."""

Cure = Literal["none", "wait", "cancel", "refresh", "roll back", "remove"]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock on the state."""

    owner: str
    """User, machine, process and time, as Pulumi wrote them down."""
    is_stale: bool
    """Its process is known to be gone."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen of one environment; everything is its own, nothing another environment's."""

    environment: str
    is_ours: bool
    """The state holds the namespace, so that what is in it is this environment's: a release of another one is not judged."""
    in_state: bool = False
    """The state holds Milvus's release."""
    is_retried: bool = False
    """The state says that the release is not complete, so that the next `pulumi up` tries again."""
    locks: Sequence[Lock] | None = None
    """On the state; None where the backend shows none beforehand, so that somebody may be at work."""
    plugin_runs: bool = False
    """A Kubernetes plugin runs on this machine: killed, Pulumi leaves it installing for up to five minutes."""
    pending: Sequence[str] = ()
    """Resources at which an earlier Pulumi was killed."""
    revisions: Sequence[Revision] = ()
    """Of Milvus's release, the newest last; none where Helm has no such release."""
    missing_of_release: Sequence[str] = ()
    """Objects of the newest revision that the cluster does not have, and workloads without a pod."""
    missing_of_stack: Sequence[str] = ()
    """Objects in the state that the cluster does not have."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is half-done."""

    code: str
    problem: str
    """What is wrong, and what it breaks."""
    cure: Cure
    action: str
    """What the cure does."""
    revision: int = 0
    """To roll back to."""
    pending_for_s: float | None = None
    """Since when a helm was at work that may still be; None where none can be."""

    def __str__(self) -> str:
        return f"{self.problem} [{self.code}]\n    mends it: {self.action}"


def diagnose(facts: Facts) -> list[Finding]:
    """Return everything that is half-done, in the order in which to mend it."""
    return [*_locks(facts), *_release(facts), *_state(facts)]


def _locks(facts: Facts) -> Iterator[Finding]:
    for lock in facts.locks or ():
        if lock.is_stale:
            problem = f"the state is locked by a Pulumi that is gone ({lock.owner}), and every `pulumi up` is refused"
            yield Finding(code="state.stale_lock", problem=problem, cure="cancel", action=f"pulumi cancel {facts.environment}")
        else:
            problem = f"another Pulumi is at work on this environment ({lock.owner}), and every other `pulumi up` is refused"
            action = f"wait for it; if it is gone: pulumi cancel {facts.environment}"
            yield Finding(code="state.locked", problem=problem, cure="wait", action=action)


def _state(facts: Facts) -> Iterator[Finding]:
    if facts.pending:
        problem = f"an earlier Pulumi was killed while it worked on {_listed(facts.pending)}, and nobody knows what of it was done"
        yield _refresh("state.pending", problem, facts)
    if facts.missing_of_stack:
        problem = f"in the state and not in the cluster: {_listed(facts.missing_of_stack)}; `pulumi up` takes them for unchanged"
        yield _refresh("state.objects_missing", problem, facts)
    elif facts.in_state and not facts.revisions and not facts.pending:
        problem = "Milvus's release is in the state and Helm has none of that name; `pulumi up` takes it for unchanged"
        yield _refresh("release.gone", problem, facts)


def _refresh(code: str, problem: str, facts: Facts) -> Finding:
    action = f"pulumi refresh --clear-pending-creates --stack {facts.environment}, after which `pulumi up` makes what is not there"
    return Finding(code=code, problem=problem, cure="refresh", action=action)


def _release(facts: Facts) -> Iterator[Finding]:
    if not facts.revisions:
        return
    last, missing = facts.revisions[-1], facts.missing_of_release
    if last.status != "deployed":
        yield _half_done(last, [revision.number for revision in facts.revisions[:-1] if revision.status in GOOD], facts)
    elif not facts.in_state:
        problem = f"revision {last.number} of Milvus is deployed and not in the state: `pulumi up` would install it and is refused the name"
        yield _remove("release.not_in_state", problem)
    elif missing:
        problem = f"Helm's record says that revision {last.number} of Milvus is deployed, and the cluster lacks {_listed(missing)}"
        action = f"helm rollback to revision {last.number}, which makes its objects anew"
        code, problem = "release.objects_missing", f"{problem}; `pulumi up` takes it for unchanged"
        yield Finding(code=code, problem=problem, cure="roll back", action=action, revision=last.number)


def _half_done(last: Revision, good: Sequence[int], facts: Facts) -> Finding:
    code = f"release.{last.status.replace('-', '_')}"
    seen = f"revision {last.number} of Milvus is {last.status} ({last.description})"
    if last.status == "failed" and facts.is_retried:
        return Finding(code=code, problem=seen, cure="none", action="the next `pulumi up`, which tries again")
    pending = last.age_s if last.status in PENDING else None
    since = None if _is_left(facts) else pending
    meaning = (
        f"{seen}: a helm began it {pending:.0f} s ago and did not end it, and the next one is refused: 'another operation is in progress'"
        if pending is not None
        else f"{seen}, and `pulumi up` takes it for unchanged where the settings are those of its state"
    )
    if not good or last.status == "uninstalling":
        return _remove(code, meaning, since)
    action = f"helm rollback to revision {good[-1]}, which was good"
    return Finding(code=code, problem=meaning, cure="roll back", action=action, revision=good[-1], pending_for_s=since)


def _is_left(facts: Facts) -> bool:
    """Whether the Pulumi that began the release is known to be gone, and its helm with it."""
    begun_here = RELEASE in facts.pending and not facts.plugin_runs
    return begun_here and facts.locks is not None and all(lock.is_stale for lock in facts.locks)


def _remove(code: str, problem: str, pending_for_s: float | None = None) -> Finding:
    action = "helm uninstall, since there is no good revision; volumes that the chart keeps, and the bucket, stay"
    return Finding(code=code, problem=problem, cure="remove", action=action, pending_for_s=pending_for_s)


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
