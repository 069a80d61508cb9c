"""The whole way with one exit code: settings, what an earlier run left, preflight from this machine, `pulumi up`, gate.

What an earlier run left half-done is mended first, with consent. A bucket and a credential that are new are made next, so that the
preflight has something to look at; a store that does not pass stops the rollout before Milvus is touched. Pods that cannot start are named
while Pulumi waits for them. When the gate of an upgrade is red, the revision to go back to is named, and with --rollback the Helm release
is taken back to it; a first installation that failed is left as it is, as evidence.

Exit codes, as the gate's: 0 PASS or WARN, 1 the preflight or the gate is red, or something is half-done and nobody agreed to mend it, 2
wrong usage or settings, 3 not measured in a way that proves anything, 4 the store does not answer, or `pulumi up` did not succeed, 130
interrupted.

For example:

    ./rag rollout prod; ./rag rollout prod --rollback --yes
"""

from typing import Annotated

import typer

from components.milvus_values import SERVICE_NAME
from stacks import rendering
from stacks.commands import EnvironmentName, Yes, reach
from stacks.environments import Environment
from stacks.images import chart
from stacks.operations import helm, steps
from stacks.operations.pulumi_cli import INTERRUPTED
from stacks.operations.steps import Progress

_VERDICTS = {1, 3}
"""Exit codes of the gate that say something of the new release: an SLO is missed, or could not be measured."""
_ENDS = {
    1: "an SLO is missed (with --strict: or there is a warning): its rows are above; measure again: ./rag gate {name}",
    2: "deployed, not measured: the gate could not begin; cure what it says above, then: ./rag gate {name}",
    3: "deployed, and the measurement proves nothing, neither good nor bad; cure what it says above, then: ./rag gate {name}",
    4: "deployed, not measured: something does not answer the gate; ./rag status {name}, then: ./rag gate {name}",
    INTERRUPTED: "deployed, the gate was interrupted; again: ./rag gate {name}",
}
"""The last line, by the exit code of the gate."""


def run(
    environment: EnvironmentName,
    *,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take the Helm release back when the gate of an upgrade is red.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning of the gate exits 1.")] = False,
    yes: Yes = False,
) -> None:
    """Roll one environment out."""
    selected, progress = reach(environment, "rollout"), Progress("rollout")
    chart.refuse_dropped_keys(rendering.release(selected))
    progress.tell(f"settings of {environment!r} are good")
    steps.mend(selected, progress, yes=yes)
    if code := steps.preflight(selected, progress):
        why = "the preflight was interrupted" if code == INTERRUPTED else "the store did not pass; the lines above say what to cure"
        progress.stop(code, f"{why}; nothing of Milvus was touched")
    before = _revision(selected)
    progress.tell("pulumi up")
    progress.up(selected, _evidence(selected, before))
    progress.tell("gate")
    code = steps.validation("run", environment, *(["--strict"] if strict else []))
    if code in _VERDICTS:
        _take_back(selected, before, progress, rollback=rollback)
    if code:
        progress.tell(f"ended: {_ENDS.get(code, _ENDS[2]).format(name=environment)} (exit {code})")
        raise typer.Exit(code)
    progress.tell(
        f"done: deployed, and the gate is green; next: ./rag status {environment}; ./rag ingest {environment} DIR --collection NAME"
    )


def _revision(selected: Environment) -> int:
    """Newest revision of the release that is good, 0 for none."""
    history = helm.history(SERVICE_NAME, selected.settings.namespace)
    return max((revision.number for revision in history if revision.status in helm.GOOD), default=0)


def _evidence(selected: Environment, before: int) -> str:
    space = selected.settings.namespace
    look = f"kubectl -n {space} get pods; kubectl -n {space} get events --sort-by=.lastTimestamp; kubectl -n {space} logs JOB_OR_POD"
    if before:
        return f"what it left is evidence: {look}; then: ./rag doctor {selected.name}"
    return f"what is there of the first installation is left as it is, as evidence: {look}; the same command tries again"


def _take_back(selected: Environment, before: int, progress: Progress, *, rollback: bool) -> None:
    """Say, or do, how an upgrade is undone; the first installation has nothing to go back to."""
    space = selected.settings.namespace
    if not before or _revision(selected) == before:
        look = f"look at: kubectl -n {space} get pods; the newest report in build/reports"
        progress.tell(f"the release was not upgraded by this run, so there is nothing to take back; {look}")
        return
    again = "the settings still ask for the new release: change them back before the next `pulumi up`"
    if not rollback:
        progress.tell(f"to take the upgrade back: helm rollback {SERVICE_NAME} {before} -n {space} --wait; {again}")
        return
    progress.tell(f"taking the release back to revision {before}")
    helm.roll_back(SERVICE_NAME, space, before)
    progress.tell(f"revision {before} is back; {again}")
