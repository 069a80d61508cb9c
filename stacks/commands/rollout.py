"""Commands that run Pulumi on an environment: preview, the preflight of its store, `pulumi up`, and the whole way with the gate."""

from typing import Annotated

import typer

from components.milvus_values import SERVICE_NAME
from stacks.commands import EnvironmentName, Json, Patience, Yes, reach, select
from stacks.environments import Environment
from stacks.operations import helm, pulumi_cli, steps
from stacks.operations.pulumi_cli import INTERRUPTED
from stacks.operations.steps import NOT_THERE, PATIENCE_S, Progress
from stacks.problems import failure
from stacks.settings.platform import REASON

_VERDICTS = {1, 3}  # exit codes of the gate that say something of the new release: an SLO is missed, or could not be measured
_ENDS = {
    1: "an SLO is missed (with --strict: or there is a warning): its rows are above; measure again: ./rag gate {name}",
    2: "deployed, not measured: the gate could not begin; cure what it says above, then: ./rag gate {name}",
    3: "deployed, and the measurement proves nothing, neither good nor bad; cure what it says above, then: ./rag gate {name}",
    4: "deployed, not measured: something does not answer the gate; ./rag status {name}, then: ./rag gate {name}",
    INTERRUPTED: "deployed, the gate was interrupted; again: ./rag gate {name}",
}  # the last line, by the exit code of the gate


def preview(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Preview one environment."""
    reach(environment, "up")
    if pulumi_cli.preview(environment, as_json=as_json):
        raise typer.Exit(NOT_THERE)


def preflight(environment: EnvironmentName, *, yes: Yes = False, patience_s: Patience = PATIENCE_S) -> None:
    """Look at the store of one environment."""
    selected, progress = reach(environment, "up"), Progress("preflight")
    steps.mend(selected, progress, yes=yes, patience_s=patience_s)
    raise typer.Exit(steps.preflight(selected, progress))


def up(environment: EnvironmentName, *, yes: Yes = False, patience_s: Patience = PATIENCE_S) -> None:
    """Bring one environment up."""
    selected, progress = reach(environment, "up"), Progress("up")
    steps.mend(selected, progress, yes=yes, patience_s=patience_s)
    progress.up(selected, "what it made stays; the same command goes on")


def rollout(
    environment: EnvironmentName,
    *,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take the Helm release back when the gate of an upgrade is red.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning of the gate exits 1.")] = False,
    override: Annotated[str, typer.Option(metavar="REASON", help="Let digests in that did not pass below; kept in the settings.")] = "",
    yes: Yes = False,
) -> None:
    """Roll one environment out."""
    if override:
        _keep_reason(environment, override)
    selected, progress = reach(environment, "rollout"), Progress("rollout")
    from stacks import promotion, rendering
    from stacks.images import chart

    chart.refuse_dropped_keys(rendering.release(selected))
    progress.tell(f"settings of {environment!r} are good")
    steps.mend(selected, progress, yes=yes)
    if code := steps.preflight(selected, progress):
        why = "the preflight was interrupted" if code == INTERRUPTED else "the store did not pass; the lines above say what to cure"
        progress.stop(code, f"{why}; nothing of Milvus was touched")
    before = helm.good_revision(SERVICE_NAME, selected.settings.namespace)
    progress.tell("pulumi up")
    space = selected.settings.namespace
    look = f"kubectl -n {space} get pods; kubectl -n {space} get events --sort-by=.lastTimestamp; kubectl -n {space} logs JOB_OR_POD"
    first = f"what is there of the first installation is left as it is, as evidence: {look}; the same command tries again"
    progress.up(selected, f"what it left is evidence: {look}; then: ./rag doctor {environment}" if before else first)
    progress.tell("gate")
    reports = steps.report_folder()
    code = steps.validation("run", environment, "--out", str(reports), *(["--strict"] if strict else []))
    if code in _VERDICTS:
        _take_back(selected, before, progress, rollback=rollback)
    if code:
        progress.tell(f"ended: {_ENDS.get(code, _ENDS[2]).format(name=environment)} (exit {code})")
        raise typer.Exit(code)
    progress.tell(promotion.record(selected.settings, environment, reports / "report.json"))
    then = f"./rag status {environment}; ./rag ingest {environment} DIR --collection NAME"
    progress.tell(f"done: deployed, and the gate is green; next: {then}")


def _keep_reason(name: str, why: str) -> None:
    """Write into the settings why this very release may go up although it did not pass below; nothing where it did, or has no digests."""
    from stacks import promotion

    output, refusals = promotion.judge(select(name).settings, name)
    if output is None:
        raise failure("promotion_unset", environment=name)
    if not REASON.search(why):
        raise failure("promotion_reason", why=why)
    if refusals and output["release"]:
        pulumi_cli.configure(name, f"promotion.override.{output['release']}", why)
        Progress("rollout").tell(f"the reason is kept in the settings, for release {output['release']} alone: commit them")


def _take_back(selected: Environment, before: int, progress: Progress, *, rollback: bool) -> None:
    """Say, or do, how an upgrade is undone; the first installation has nothing to go back to."""
    space = selected.settings.namespace
    again = "the settings still ask for the new release: change them back before the next `pulumi up`"
    if not before or helm.good_revision(SERVICE_NAME, space) == before:
        look = f"look at: kubectl -n {space} get pods; the newest report in build/reports"
        progress.tell(f"the release was not upgraded by this run, so there is nothing to take back; {look}")
    elif rollback:
        progress.tell(f"taking the release back to revision {before}")
        helm.roll_back(SERVICE_NAME, space, before)
        progress.tell(f"revision {before} is back; {again}")
    else:
        progress.tell(f"to take the upgrade back: helm rollback {SERVICE_NAME} {before} -n {space} --wait; {again}")
