"""Commands that ask how a deployed environment is: whether it is healthy, and what of it is half-done."""

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from stacks.commands import EnvironmentName, Json, Patience, Yes, reach, report, show
from stacks.environments import Environment
from stacks.operations import cluster, examination, leftovers, pod_watch, steps
from stacks.operations.leftovers import Facts, diagnose
from stacks.operations.steps import NOT_THERE, PATIENCE_S, WRONG, Progress, mend
from stacks.problems import Line, line_of

_EVERY_S = 5.0
_OLD_BACKUP_H = 48
_NEVER = "{!r} was never deployed by this state of Pulumi (`pulumi whoami --verbose`)"


def status(
    environment: EnvironmentName,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every five seconds.")] = False,
    as_json: Json = False,
) -> None:
    """Look at one environment."""
    selected = reach(environment)
    while True:
        facts = leftovers.inspect(environment, selected.settings)
        if not facts.is_ours:
            report([Line("FAIL", "release", _NEVER.format(environment), f"./rag rollout {environment}")], as_json=as_json)
            raise typer.Exit(NOT_THERE)
        lines = list(_lines(selected, facts))
        report(lines, as_json=as_json)
        if not watch:
            raise typer.Exit(WRONG if any(line.level == "FAIL" for line in lines) else 0)
        Event().wait(_EVERY_S)


def _lines(selected: Environment, facts: Facts) -> Iterator[Line]:
    settings, now = selected.settings, dt.datetime.now(dt.UTC)
    yield release(facts)
    for finding in diagnose(facts):
        yield Line("FAIL", finding.code, finding.problem, f"./rag doctor {selected.name} --cure", "docs/operations.md")
    yield from of_pods(pod_watch.pods(settings.namespace))
    yield from examination.of_troubles(pod_watch.look(selected.name, settings.namespace))
    yield from of_collections(*steps.collections(selected.name))
    yield Line("OK", "key at the store", f"generation {settings.object_store.credential_generation}")
    yield examination.of_store(settings)
    seen = cluster.look(settings, selected.name, secrets_alone=True)
    yield from (line for line in examination.of_secrets(settings, seen, now) if "certificate" in line.seen)
    yield last_gate(selected.name, now)
    yield last_backup(selected.name, now)


def release(facts: Facts) -> Line:
    """Judge the release of Milvus."""
    if not facts.revisions:
        return line_of("release_missing", environment=facts.environment)
    newest = facts.revisions[-1]
    return line_of("release" if newest.status == "deployed" else "release_unfinished", revision=newest)


def of_pods(pods: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Judge each pod that is to run for ever: ready or not, and how often it was restarted."""
    for pod in pods:
        states, count, name = pod.get("status", {}).get("containerStatuses") or (), len(pod["spec"]["containers"]), pod["metadata"]["name"]
        if pod["spec"].get("restartPolicy", "Always") != "Always":
            continue
        ready, restarts = sum(bool(each["ready"]) for each in states), sum(int(each["restartCount"]) for each in states)
        cure = f"kubectl -n {pod['metadata']['namespace']} logs {name} --previous" if restarts else ""
        seen = f"{ready} of {count} ready, {restarts} restarts"
        yield Line("FAIL" if ready < count else "WARN" if restarts else "OK", f"pod {name}", seen, cure)


def of_collections(listed: Sequence[Mapping[str, Any]], problem: str) -> Iterator[Line]:
    """Judge what Milvus says that it holds."""
    if problem:
        yield line_of("collections_silent", problem=problem)
    elif not listed:
        yield line_of("collections_none")
    yield from (line_of("collection" if each["state"] == "Loaded" else "collection_released", each=each) for each in listed)


def last_gate(environment: str, now: dt.datetime, reports: Path = steps.REPORTS) -> Line:
    """Tell how the newest gate of this environment on this machine ended."""

    def read(path: Path, data: Mapping[str, Any]) -> Line | None:
        age = now - dt.datetime.strptime(path.parent.name, steps.STAMP).replace(tzinfo=dt.UTC)
        profile, outcome = data["inputs"]["profile"]["profile"], data["result"]["outcome"]
        line = line_of("gate" if outcome == "PASS" else "gate_not_green", outcome=outcome, days=age.days, path=path)
        return line if profile == environment else None

    return next(_newest(reports, "report.json", read), line_of("gate_never", environment=environment))


def last_backup(environment: str, now: dt.datetime, reports: Path = steps.REPORTS) -> Line:
    """Tell how old and how large the last good backup is that this machine made; `./rag backup ENV --list` asks the bucket."""

    def read(_: Path, data: Mapping[str, Any]) -> Line | None:
        hours = (now - dt.datetime.fromisoformat(data["backup"]["ended_at"])).total_seconds() / 3_600
        level, size = "OK" if hours < _OLD_BACKUP_H else "WARN", int(data["backup"]["bytes"])
        line = line_of("backup", level=level, hours=hours, bytes=size, id=data["backup"]["id"], environment=environment)
        is_good = data["result"]["outcome"] == "PASS" and data["inputs"]["environment"] == environment
        return line if is_good else None

    return next(_newest(reports, "backup.json", read), line_of("backup_never", environment=environment))


def _newest(reports: Path, name: str, read: Callable[[Path, Mapping[str, Any]], Line | None]) -> Iterator[Line]:
    """What `read` says of the reports of that name, the newest first; one that is damaged, or another's, is passed over."""
    for path in sorted(reports.glob(f"*/{name}"), reverse=True):
        try:
            line = read(path, json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, OSError):
            continue
        if line is not None:
            yield line


def doctor(
    environment: EnvironmentName,
    *,
    cure: Annotated[bool, typer.Option("--cure", help="Mend it, after asking.")] = False,
    yes: Yes = False,
    patience_s: Patience = PATIENCE_S,
    as_json: Json = False,
) -> None:
    """Examine one environment."""
    examined = reach(environment)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        if cure:
            mend(examined, Progress("doctor"), yes=yes, patience_s=patience_s)
    facts = leftovers.inspect(environment, examined.settings)
    findings = diagnose(facts)
    if facts.revisions and not findings:  # else Milvus may not answer
        findings = leftovers.of_collections(environment, [each["name"] for each in steps.collections(environment)[0]])
    if not facts.is_ours and not findings:
        show({"deployed": False}, [f"{_NEVER.format(environment)}: nothing of it can be examined"], as_json=as_json)
        raise typer.Exit(NOT_THERE)
    troubles = pod_watch.look(environment, examined.settings.namespace)
    lines = [f"half-done: {finding}" for finding in findings] + [f"cannot start: {trouble}" for trouble in troubles]
    if not cure and any(each.cure != "none" for each in findings):
        lines.append(f"all of it: ./rag doctor {environment} --cure")
    installed = f"revision {facts.revisions[-1].number} of Milvus is deployed" if facts.revisions else "Milvus is not installed yet"
    whole = [f"{installed}; nothing is half-done, and no pod is kept from starting"]
    data = {"deployed": True, "half_done": [asdict(each) for each in findings], "pods": [asdict(each) for each in troubles]}
    show(data, lines or whole, as_json=as_json)
    raise typer.Exit(WRONG if findings or troubles else 0)
