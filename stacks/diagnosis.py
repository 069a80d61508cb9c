"""What is wrong with a release, what it means, and what would cure it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stacks.helm import GOOD, PENDING, Revision


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A release that needs something, or nothing."""

    text: str
    """What was seen and what it means."""
    cure: Literal["none", "roll back", "remove"]
    revision: int = 0
    """To roll back to."""
    pending_for_s: float | None = None
    """Since when a helm was, or is, at work on it; None where none can be."""


def diagnose(revisions: Sequence[Revision]) -> Diagnosis:
    """Judge a release by its history, the newest last."""
    if not revisions:
        return Diagnosis(text="not installed: `pulumi up` installs it", cure="none")
    last = revisions[-1]
    if last.status == "deployed":
        return Diagnosis(text=f"revision {last.number} is deployed, nothing is half-done", cure="none")
    good = [revision.number for revision in revisions[:-1] if revision.status in GOOD]
    seen = f"revision {last.number} is {last.status} ({last.description})"
    pending = last.age_s if last.status in PENDING else None
    meaning = (
        f"{seen}: a helm began it {pending:.0f} s ago and did not end it, and `pulumi up` fails: 'another operation is in progress'"
        if pending is not None
        else f"{seen}: Helm gave up on it"
    )
    if good and last.status != "uninstalling":
        return Diagnosis(text=f"{meaning}; revision {good[-1]} was good", cure="roll back", revision=good[-1], pending_for_s=pending)
    return Diagnosis(
        text=f"{meaning}; there is no good revision to go back to, and Helm upgrades nothing that never was deployed",
        cure="remove",
        pending_for_s=pending,
    )
