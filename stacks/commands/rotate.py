"""The command that gives Milvus a new key at the store without an outage there."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from stacks.commands import EnvironmentName, Yes, reach
from stacks.environments import Environment
from stacks.operations import pulumi_cli, rotation, steps
from stacks.operations.rotation import Key, Plan, Report
from stacks.operations.steps import WRONG, Progress
from stacks.settings.object_store import MadeStoreSettings

_USAGE = 2


def rotate(
    environment: EnvironmentName,
    *,
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/TIME/rotation.json")] = None,
    yes: Yes = False,
) -> None:
    """Rotate Milvus's key."""
    selected, progress = reach(environment, "up"), Progress("rotate")
    if not isinstance(selected.settings.object_store, MadeStoreSettings):
        by_hand = "put the new one into the Secret that the settings name, raise object_store.credential_generation, then `pulumi up`"
        progress.stop(_USAGE, f"the keys are yours: {by_hand}")
    steps.mend(selected, progress, yes=yes)
    report = Report(environment=environment)
    path = out or Path("build") / "reports" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / "rotation.json"
    try:
        _rotate(selected, progress, report)
    finally:
        report.write(path)
        progress.tell(f"report: {path}")


def _rotate(selected: Environment, progress: Progress, report: Report) -> None:
    keys = _keys(selected)
    remaining = rotation.plan(selected.settings.object_store.generations, set(keys))
    report.old, report.new, report.steps = remaining.old, remaining.new, list(remaining.steps)
    progress.tell(f"from generation {remaining.old} to {remaining.new}: {', '.join(remaining.steps)}")
    if "raise" in remaining.steps:
        pulumi_cli.configure(selected.name, "object_store.credential_generation", remaining.new)
    if "switch" in remaining.steps:
        _up(selected, progress, report, "switch")
        keys |= _keys(selected)
    with report.step("in use"):
        _require_in_use(selected, keys[remaining.new], progress, report)
    if "revoke" in remaining.steps:
        pulumi_cli.configure(selected.name, "object_store.revoked_generation", remaining.new - 1)
    _up(selected, progress, report, "remove")
    _require_ended(selected, keys, remaining, progress, report)
    report.result = "done"


def _keys(selected: Environment) -> dict[int, dict[str, str]]:
    """Key, generation mark and bucket of each credential in the state, in clear, for this process alone."""
    credentials = pulumi_cli.credentials(pulumi_cli.resources(selected.name, secrets=True))
    names = ("access_key", "secret_key", "generation")
    return {
        number: {
            **{name: pulumi_cli.plain(outputs.get(name)) for name in names},
            "bucket": pulumi_cli.plain(outputs.get("bucket", selected.settings.milvus_bucket)),  # COSI names its buckets itself
        }
        for number, outputs in credentials.items()
    }


def _require_in_use(selected: Environment, new: Key, progress: Progress, report: Report) -> None:
    """Refuse to go on, with both keys valid, unless the store takes the new key and every pod of Milvus is ready with it."""
    again = f"both keys stay valid; cure that, then: ./rag rotate {selected.name}"
    if answer := rotation.refusal(selected.settings, new):
        progress.stop(WRONG, f"the store does not take the new key ({answer}); {again}")
    report.pods_without_new_key = rotation.await_use(selected.settings.namespace, new)
    if report.pods_without_new_key:
        progress.stop(WRONG, f"pods without the new key: {', '.join(report.pods_without_new_key)}; {again}")
    progress.tell("the new key opens the bucket, every pod of Milvus is ready with it, and none is left with the old one")


def _require_ended(selected: Environment, keys: dict[int, dict[str, str]], remaining: Plan, progress: Progress, report: Report) -> None:
    """Try both keys at the store: what is in the state is a promise, what the store answers is the fact."""
    report.new_key = rotation.refusal(selected.settings, keys[remaining.new]) or "taken"
    if report.new_key != "taken":
        progress.stop(WRONG, f"the store does not take the new key any more ({report.new_key})")
    if remaining.old in keys:
        report.old_key = rotation.refusal(selected.settings, keys[remaining.old]) or "taken"
    if report.old_key == "taken":
        why = f"the store still takes the old key of generation {remaining.old}, though its user is removed: remove it in the store by hand"
        progress.stop(WRONG, why)
    progress.tell(
        f"done: the store takes the key of generation {remaining.new}, and answers {report.old_key} to that of generation {remaining.old}"
    )


def _up(selected: Environment, progress: Progress, report: Report, step: str) -> None:
    progress.tell(f"pulumi up, to {step}")
    with report.step(step):
        progress.up(selected, f"no key was revoked that is in use; again: ./rag rotate {selected.name}")
