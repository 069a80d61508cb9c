"""Steps that commands share: reach the cluster, mend what an earlier run left half-done, look at the store, run `pulumi up`."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import typer

from components.waiting import until
from stacks.environments import Environment
from stacks.operations import leftovers, pod_watch, pulumi_cli
from stacks.operations.leftovers import Finding, diagnose
from stacks.settings.object_store import S3Settings

WRONG, NOT_THERE = 1, 4  # exit codes: something is wrong with what was looked at; something does not answer or did not come up
REPORTS, STAMP = Path("build") / "reports", "%Y%m%dT%H%M%SZ"
PATIENCE_S = 1800  # the release's own time-out: a helm that began it is gone after that
_LOCKED_FOR_S = 120  # how long a Pulumi that is ending is waited for
_LONGEST = 300
_FIRST = ("**tenancy**", "**object-store-ca**", "**milvus-store**", "**documents-store**")
_LAST_MADE = "::milvus-store-secret"  # ends the URN of the last of them: without it a run was killed in between, or there was none


@dataclass(frozen=True)
class Progress:
    """Lines of a command that takes long, each with its time."""

    command: str

    def tell(self, text: str) -> None:
        """Print one step, or what was seen."""
        print(f"{self.command} {time.strftime('%H:%M:%S')}  {text}", flush=True)

    def stop(self, code: int, why: str) -> NoReturn:
        """End the command."""
        self.tell(f"stopped: {why} (exit {code})")
        raise typer.Exit(code)

    def up(self, environment: Environment, otherwise: str, *targets: str) -> None:
        """Run `pulumi up` and name pods that cannot start while it waits; where it fails, stop with its cause, and `otherwise`."""
        with pod_watch.watching(environment.name, environment.settings.namespace, self.tell) as watch:
            ended = pulumi_cli.up(environment.name, *targets)
        if not ended.code:
            return
        evidence = otherwise + "".join(f"\n  {trouble}" for trouble in watch.troubles)
        if ended.code == pulumi_cli.INTERRUPTED:
            self.stop(ended.code, f"`pulumi up` was interrupted and ended in order; {evidence}")
        self.stop(NOT_THERE, f"`pulumi up` failed at {ended.cause}; {evidence}")


def mend(environment: Environment, progress: Progress, *, yes: bool, patience_s: int = PATIENCE_S) -> None:
    """Mend what is half-done, each thing with consent, until nothing is; the command stops where that does not succeed."""
    name, namespace = environment.name, environment.settings.namespace
    mended: set[str] = set()
    while findings := [finding for finding in diagnose(leftovers.inspect(name, environment.settings)) if finding.cure != "none"]:
        finding = findings[0]
        progress.tell(f"half-done: {finding}")
        if finding.code in mended:
            progress.stop(NOT_THERE, "it was mended just now, and is there again; nothing more was touched")
        if finding.cure == "wait":
            try:
                until(lambda: all(lock.is_stale for lock in leftovers.read_locks(environment.name) or ()) or None, timeout_s=_LOCKED_FOR_S)
            except TimeoutError:
                progress.stop(NOT_THERE, f"that Pulumi did not end within {_LOCKED_FOR_S} s; nothing was touched")
            continue
        _require_consent(name, finding, progress, yes=yes, patience_s=patience_s)
        if finding.cure == "undo" and (code := validation("drill", "undo", name)):
            progress.stop(NOT_THERE, f"`./rag drill undo` ended with {code}")
        leftovers.mend(finding, name, namespace)
        mended.add(finding.code)
        progress.tell(f"mended: {finding.action}")


def _require_consent(name: str, finding: Finding, progress: Progress, *, yes: bool, patience_s: int) -> None:
    if finding.pending_for_s is not None and finding.pending_for_s < patience_s:
        seen = f"only {finding.pending_for_s:.0f} s ago a helm was at work on it, and may still be, for up to {patience_s} s"
        why = f"{seen}; nothing was touched; if you know that it is gone: ./rag doctor {name} --cure --patience-s 0"
        progress.stop(WRONG, why)
    require_yes(finding.action, progress, f"--yes, or ./rag doctor {name} --cure --yes", yes=yes)


def require_yes(question: str, progress: Progress, agree: str = "--yes", *, yes: bool) -> None:
    """Stop where nobody agrees, now or beforehand."""
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"{question}?")):
        progress.stop(WRONG, f"nobody agreed to it, so nothing was touched; to agree beforehand: {agree}")


def preflight(environment: Environment, progress: Progress) -> int:
    """Look at the store from this machine, with what is there; bucket and credential are made first where they are new."""
    if not any(resource["urn"].endswith(_LAST_MADE) for resource in pulumi_cli.resources(environment.name)):
        progress.tell("bucket and credential are new: they are made first")
        progress.up(environment, "bucket and credential are not all there, and nothing of Milvus was touched", *_FIRST)
    progress.tell("preflight from this machine")
    settings = environment.settings
    admin = ["--admin-profile", settings.object_store.admin_profile] if isinstance(settings.object_store, S3Settings) else []
    planned = ["--root-path", settings.milvus.root_path, "--wal", settings.milvus.planned_log]
    return validation("preflight", environment.name, "--no-performance", *planned, *admin)


def report_folder() -> Path:
    """Return the folder of a report that begins now, as the gate names it."""
    return REPORTS / f"{datetime.now(UTC):{STAMP}}"


def validation(*arguments: str) -> int:
    """Run a command of the gate, and return its exit code; interrupted, it is asked to end, and waited for while it cleans up."""
    command = [sys.executable, "-m", "validation", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, start_new_session=True) as process:
        otherwise = "ended at once it leaves its collection behind"
        # not SIGINT, which a command that a script began in the background ignores
        interrupted = pulumi_cli.wait(process, f"validation {arguments[0]}", otherwise, signal.SIGTERM)
        return pulumi_cli.INTERRUPTED if interrupted else process.returncode


def collections(environment: str) -> tuple[list[dict[str, Any]], str]:
    """Return what Milvus holds, by the gate's own client, and why nothing is known, "" where it answers."""
    command = [sys.executable, "-m", "cli", "collections", environment, "--json"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (json.loads(ended.stdout), "") if ended.returncode == 0 else ([], ended.stderr.strip().removeprefix("error: ")[-_LONGEST:])
