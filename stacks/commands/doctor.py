"""Say what of an environment is half-done, what that breaks, and which pods cannot start; with --cure mend it, after asking.

Looks at Pulumi's state and locks, at Helm's record of Milvus, and whether the objects of both are in the cluster; then at the pods. A
release that was good goes back to its last good revision; one that never was is removed: volumes and the bucket stay, evidence in pods does
not. Nothing is done to a release on which another helm may still be at work.

Exit codes: 0 nothing is wrong, or it was mended; 1 something is wrong; 2 wrong usage or settings; 4 the environment was never deployed, or
the cluster does not answer.

For example:

    python -m stacks doctor prod; python -m stacks doctor prod --cure; pulumi up --stack prod
"""

import sys
import time
from typing import Annotated

import typer

from stacks import inspection, pod_watch
from stacks.commands import NOT_THERE, EnvironmentName, Progress, Yes, reached
from stacks.diagnosis import Finding, diagnose
from stacks.environments import Environment

_WRONG = 1
PATIENCE_S = 1800
"""The release's own time-out: a helm that began it is gone after that."""
_LOCKED_FOR_S, _PAUSE_S = 120, 2
"""How long a Pulumi that is ending is waited for."""

Patience = Annotated[
    int, typer.Option(min=0, help="Seconds after which a pending release is left by its helm; the release's own time-out is 1800.")
]


def run(
    environment: EnvironmentName,
    *,
    cure: Annotated[bool, typer.Option("--cure", help="Mend it, after asking.")] = False,
    yes: Yes = False,
    patience_s: Patience = PATIENCE_S,
) -> None:
    """Examine one environment."""
    examined, progress = reached(environment), Progress("doctor")
    if cure:
        mend(examined, progress, yes=yes, patience_s=patience_s)
    facts = inspection.inspect(environment, examined.settings.namespace)
    findings = diagnose(facts)
    for finding in findings:
        print(f"half-done: {finding}")
    if findings and not cure:
        print(f"all of it: make doctor ENV={environment} CURE=--cure")
    if not facts.is_ours and not findings:
        print(f"{environment!r} was never deployed by this state of Pulumi (`pulumi whoami --verbose`): nothing of it can be examined")
        raise typer.Exit(NOT_THERE)
    troubles = pod_watch.look(environment, examined.settings.namespace)
    for trouble in troubles:
        print(f"cannot start: {trouble}")
    if findings or troubles:
        raise typer.Exit(_WRONG)
    installed = f"revision {facts.revisions[-1].number} of Milvus is deployed" if facts.revisions else "Milvus is not installed yet"
    print(f"{installed}; nothing is half-done, and no pod is kept from starting")


def mend(environment: Environment, progress: Progress, *, yes: bool, patience_s: int = PATIENCE_S) -> None:
    """Mend what is half-done, each thing with consent, until nothing is; the command stops where that does not succeed."""
    mended: set[str] = set()
    while findings := [finding for finding in _findings(environment) if finding.cure != "none"]:
        finding = findings[0]
        progress.tell(f"half-done: {finding}")
        if finding.code in mended:
            progress.stop(NOT_THERE, "it was mended just now, and is there again; nothing more was touched")
        if finding.cure == "wait":
            _await_lock(environment, progress)
            continue
        _require_left(environment.name, finding, progress, patience_s)
        _require_consent(environment, finding, progress, yes=yes)
        inspection.mend(finding, environment.name, environment.settings.namespace)
        mended.add(finding.code)
        progress.tell(f"mended: {finding.action}")


def _findings(environment: Environment) -> list[Finding]:
    return diagnose(inspection.inspect(environment.name, environment.settings.namespace))


def _await_lock(environment: Environment, progress: Progress) -> None:
    """Wait for a Pulumi that may be ending."""
    for _ in range(_LOCKED_FOR_S // _PAUSE_S):
        if all(lock.is_stale for lock in inspection.read_locks(environment.name) or ()):
            return
        time.sleep(_PAUSE_S)
    progress.stop(NOT_THERE, f"that Pulumi did not end within {_LOCKED_FOR_S} s; nothing was touched")


def _require_left(name: str, finding: Finding, progress: Progress, patience_s: int) -> None:
    if finding.pending_for_s is not None and finding.pending_for_s < patience_s:
        progress.stop(
            _WRONG,
            f"only {finding.pending_for_s:.0f} s ago a helm was at work on it, and may still be, for up to {patience_s} s; "
            f"nothing was touched; if you know that it is gone: make doctor ENV={name} CURE='--cure --patience-s 0'",
        )


def _require_consent(environment: Environment, finding: Finding, progress: Progress, *, yes: bool) -> None:
    if yes or (sys.stdin.isatty() and typer.confirm(f"{finding.action}?")):
        return
    agree = f"--yes, or make doctor ENV={environment.name} CURE='--cure --yes'"
    progress.stop(_WRONG, f"nobody agreed to it, so nothing was touched; to agree beforehand: {agree}")
