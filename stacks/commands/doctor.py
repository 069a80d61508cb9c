"""Say whether the Helm release of Milvus is half-done (pending, failed), what that means, and with --cure put it right, after asking.

A release that was good before goes back to its last good revision; one that never was is removed: volumes and the bucket stay, evidence in
pods does not, so look first (`kubectl describe pod`). Nothing is done to a release on which another helm may still be at work.

Exit codes: 0 nothing is wrong, or it was cured; 1 something is wrong; 4 the cluster does not answer.

For example:

    python -m stacks doctor prod; python -m stacks doctor prod --cure; pulumi up --stack prod
"""

from typing import Annotated

import typer

from stacks import diagnosis, helm, release
from stacks.commands import EnvironmentName, chosen
from stacks.diagnosis import Diagnosis
from stacks.release import Release

_WRONG = 1
_PATIENCE_S = 1800


def run(
    environment: EnvironmentName,
    *,
    cure: Annotated[bool, typer.Option("--cure", help="Put it right, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for CI.")] = False,
    patience_s: Annotated[
        int, typer.Option(min=0, help="Seconds after which a pending release is left by its helm; the release's own time-out is 1800.")
    ] = _PATIENCE_S,
) -> None:
    """Examine one environment."""
    asked = release.of(chosen(environment))
    found = diagnosis.diagnose(helm.history(asked.name, asked.namespace))
    print(f"release {asked.name} in {asked.namespace}: {found.text}")
    if found.cure == "none":
        return
    action = f"roll back to revision {found.revision}" if found.cure == "roll back" else "remove the release"
    print(f"look first: kubectl -n {asked.namespace} get pods; kubectl -n {asked.namespace} get events --sort-by=.lastTimestamp")
    if not cure:
        print(f"cure: {action}: make doctor ENV={environment} CURE=--cure")
        raise typer.Exit(_WRONG)
    _require_left(found, patience_s)
    if not yes and not typer.confirm(f"{action}?"):
        raise typer.Exit(_WRONG)
    _carry_out(found, asked)
    print(f"done: {action}; now: pulumi up --stack {environment}")


def _require_left(found: Diagnosis, patience_s: int) -> None:
    if found.pending_for_s is not None and found.pending_for_s < patience_s:
        print(
            f"not cured: only {found.pending_for_s:.0f} s ago a helm was at work on it, and may still be, for up to {patience_s} s; "
            "if you know that it is gone: --patience-s 0"
        )
        raise typer.Exit(_WRONG)


def _carry_out(found: Diagnosis, asked: Release) -> None:
    if found.cure == "roll back":
        helm.roll_back(asked.name, asked.namespace, found.revision)
    else:
        helm.remove(asked.name, asked.namespace)
