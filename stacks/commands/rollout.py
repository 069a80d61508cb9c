"""The whole way with one exit code: settings, preflight from this machine, `pulumi up`, gate.

A bucket and a credential that are new are made first, so that the preflight has something to look at; a store that does not pass stops the
rollout before Milvus is touched. When the gate of an upgrade is red, the revision to go back to is named, and with --rollback the Helm
release is taken back to it; a first installation that failed is left as it is, as evidence.

Exit codes, as the gate's: 0 PASS or WARN, 1 the preflight or the gate is red, 2 wrong usage or settings, 3 not measured in a way that
proves anything, 4 the store does not answer, or `pulumi up` did not succeed.

For example:

    python -m stacks rollout prod; python -m stacks rollout prod --rollback
"""

import subprocess
import sys
import time
from typing import Annotated

import typer

from stacks import helm, pulumi_cli
from stacks.commands import EnvironmentName, chosen
from stacks.environments import Environment
from stacks.settings.object_store import S3Settings

RELEASE = "milvus"
_FIRST = ("**tenancy**", "**object-store-ca**", "**milvus-store**", "**documents-store**")
_LAST_MADE = "::milvus-store-secret"
"""Ends the URN of the last of them: without it a run was killed in between, or there was none."""
_NOT_THERE = 4
_VERDICTS = {1, 3}
"""Exit codes of the gate that say something of the new release: a promise is missed, or could not be measured."""


def run(
    environment: EnvironmentName,
    *,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take the Helm release back when the gate of an upgrade is red.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning of the gate exits 1.")] = False,
) -> None:
    """Roll one environment out."""
    found = chosen(environment)
    _tell(f"settings of {environment!r} are good")
    _stop(preflight(found), "the store did not pass, so nothing of Milvus was touched; the lines above say what to cure")
    before = _revision(found)
    _tell("pulumi up")
    if pulumi_cli.up(environment):
        _stop(_NOT_THERE, _evidence(found, before))
    _tell("gate")
    code = _run("validation", "run", "--stack", environment, *(["--strict"] if strict else []))
    if code in _VERDICTS:
        _take_back(found, before, rollback=rollback)
    _stop(code, "the gate is not green; its table is above")
    _tell("done")


def preflight(found: Environment) -> int:
    """Look at the store from this machine, with what is there; bucket and credential are made first where they are new."""
    if not any(one["urn"].endswith(_LAST_MADE) for one in pulumi_cli.resources(found.name)):
        _tell("bucket and credential are new: they are made first")
        if pulumi_cli.up(found.name, *_FIRST):
            return _NOT_THERE
    _tell("preflight from this machine")
    settings = found.settings
    admin = ["--admin-profile", settings.object_store.admin_profile] if isinstance(settings.object_store, S3Settings) else []
    planned = ["--root-path", settings.milvus.root_path, "--wal", settings.milvus.wal]
    return _run("validation", "preflight", "--stack", found.name, "--no-performance", *planned, *admin)


def _revision(found: Environment) -> int:
    """Newest revision of the release, 0 for none."""
    return max((one.number for one in helm.history(RELEASE, found.settings.namespace)), default=0)


def _evidence(found: Environment, before: int) -> str:
    space = found.settings.namespace
    look = f"kubectl -n {space} get pods; kubectl -n {space} get events --sort-by=.lastTimestamp; kubectl -n {space} logs JOB_OR_POD"
    if before:
        return f"`pulumi up` did not succeed; what it left is evidence: {look}; then: make doctor ENV={found.name}"
    return f"the first installation did not succeed and is left as it is, as evidence: {look}; `pulumi up` again tries again"


def _take_back(found: Environment, before: int, *, rollback: bool) -> None:
    """Say, or do, how an upgrade is undone; the first installation has nothing to go back to."""
    if not before or _revision(found) == before:
        _tell(f"the release was not upgraded by this run, so there is nothing to take back; {_look(found)}")
        return
    again = "the settings still ask for the new release: change them back before the next `pulumi up`"
    if not rollback:
        _tell(f"to take the upgrade back: helm rollback {RELEASE} {before} -n {found.settings.namespace} --wait; {again}")
        return
    _tell(f"taking the release back to revision {before}")
    helm.roll_back(RELEASE, found.settings.namespace, before)
    _tell(f"revision {before} is back; {again}")


def _look(found: Environment) -> str:
    return f"look at: kubectl -n {found.settings.namespace} get pods; the newest report in build/reports"


def _run(*module: str) -> int:
    return subprocess.run([sys.executable, "-m", *module], stdin=subprocess.DEVNULL, check=False).returncode


def _tell(text: str) -> None:
    print(f"rollout {time.strftime('%H:%M:%S')}  {text}", flush=True)


def _stop(code: int, why: str) -> None:
    if code:
        _tell(f"stopped: {why} (exit {code})")
        raise typer.Exit(code)
