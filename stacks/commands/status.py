"""Tell whether an environment is healthy now: release, pods, what is half-done, collections, store, key, certificates, last gate.

Changes nothing. With --watch it looks again every five seconds, until Ctrl-C.

Exit codes: 0 healthy, 1 something is wrong, 2 wrong usage or settings, 4 never deployed, or the cluster does not answer.

For example:

    ./rag status prod; ./rag status prod --watch
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from stacks.commands import EnvironmentName, Json, reach
from stacks.commands.check import report
from stacks.environments import Environment
from stacks.operations import cluster_facts, examination, leftovers, pod_watch, steps
from stacks.operations.examination import Line
from stacks.operations.leftovers import Facts, diagnose
from stacks.operations.steps import NOT_THERE, WRONG

_REPORTS = Path("build") / "reports"
_EVERY_S = 5.0
_OLD_BACKUP_H = 48


def run(
    environment: EnvironmentName,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every five seconds.")] = False,
    as_json: Json = False,
) -> None:
    """Look at one environment."""
    selected = reach(environment)
    while True:
        facts = leftovers.inspect(environment, selected.settings.namespace)
        if not facts.is_ours:
            text = f"{environment!r} was never deployed by this state of Pulumi (`pulumi whoami --verbose`)"
            report([Line("FAIL", "release", text, f"./rag rollout {environment}")], as_json=as_json)
            raise typer.Exit(NOT_THERE)
        lines = list(_lines(selected, facts))
        report(lines, as_json=as_json)
        if not watch:
            raise typer.Exit(WRONG if any(line.level == "FAIL" for line in lines) else 0)
        Event().wait(_EVERY_S)


def _lines(selected: Environment, facts: Facts) -> Iterator[Line]:
    settings, now = selected.settings, dt.datetime.now(dt.UTC)
    yield from release(facts)
    for finding in diagnose(facts):
        yield Line("FAIL", finding.code, finding.problem, f"./rag doctor {selected.name} --cure", "docs/operations.md")
    yield from of_pods(pod_watch.pods(settings.namespace))
    for trouble in pod_watch.look(selected.name, settings.namespace):
        yield Line("FAIL", trouble.where, trouble.problem, trouble.cure, "docs/operations.md")
    yield from of_collections(*steps.collections(selected.name))
    yield Line("OK", "key at the store", f"generation {settings.object_store.credential_generation}")
    yield examination.of_store(settings)
    seen = cluster_facts.look_at_secrets(settings, selected.name)
    yield from (line for line in examination.of_secrets(settings, seen, now) if "certificate" in line.seen)
    yield last_gate(selected.name, now)
    yield last_backup(selected.name, now)


def release(facts: Facts) -> Iterator[Line]:
    """Judge the release of Milvus."""
    if not facts.revisions:
        yield Line("FAIL", "release", "Milvus is not installed", f"./rag rollout {facts.environment}")
        return
    newest = facts.revisions[-1]
    level: Any = "OK" if newest.status == "deployed" else "FAIL"
    yield Line(level, "release", f"revision {newest.number} is {newest.status}, since {newest.updated:%Y-%m-%d %H:%M}")


def of_pods(pods: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Judge each pod that is to run for ever: ready or not, and how often it was restarted."""
    for pod in pods:
        states = pod.get("status", {}).get("containerStatuses") or ()
        if pod["spec"].get("restartPolicy", "Always") != "Always":
            continue
        ready, restarts = sum(bool(each["ready"]) for each in states), sum(int(each["restartCount"]) for each in states)
        count = len(pod["spec"]["containers"])
        seen = f"{ready} of {count} ready, {restarts} restarts"
        level: Any = "FAIL" if ready < count else "WARN" if restarts else "OK"
        cure = f"kubectl -n {pod['metadata']['namespace']} logs {pod['metadata']['name']} --previous" if restarts else ""
        yield Line(level, f"pod {pod['metadata']['name']}", seen, cure)


def of_collections(listed: Sequence[Mapping[str, Any]], problem: str) -> Iterator[Line]:
    """Judge what Milvus says that it holds."""
    if problem:
        yield Line("FAIL", "collections", problem, "kubectl get pods; does this machine reach Milvus?", "docs/day-2.md")
    elif not listed:
        yield Line("OK", "collections", "Milvus answers and holds none")
    for each in listed:
        is_loaded = each["state"] == "Loaded"
        seen = f"{each['state']}, {each['rows']:,} rows, {each['segments']} segments in memory"
        cure = "" if is_loaded else "load it (load_collection of your client), or it cannot be searched"
        yield Line("OK" if is_loaded else "WARN", f"collection {each['name']}", seen, cure)


def last_gate(environment: str, now: dt.datetime, reports: Path = _REPORTS) -> Line:
    """Tell how the newest gate of this environment on this machine ended."""
    for path in sorted(reports.glob("*/report.json"), reverse=True):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            profile, result = data["inputs"]["profile"]["profile"], data["result"]
            age = now - dt.datetime.strptime(path.parent.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        except (ValueError, KeyError, TypeError, OSError):
            continue
        if profile == environment:
            level: Any = "OK" if result["outcome"] == "PASS" else "WARN"
            return Line(level, "last gate", f"{result['outcome']}, {age.days} days ago: {path}")
    return Line("WARN", "last gate", "none on this machine", f"./rag gate {environment}", "docs/gate.md")


def last_backup(environment: str, now: dt.datetime, reports: Path = _REPORTS) -> Line:
    """Tell how old and how large the last good backup is that this machine made; `./rag backup ENV --list` asks the bucket."""
    for path in sorted(reports.glob("*/backup.json"), reverse=True):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            ended, size = dt.datetime.fromisoformat(data["backup"]["ended_at"]), int(data["backup"]["bytes"])
            is_good = data["result"]["outcome"] == "PASS" and data["inputs"]["environment"] == environment
        except (ValueError, KeyError, TypeError, OSError):
            continue
        if is_good:
            hours = (now - ended).total_seconds() / 3_600
            level: Any = "OK" if hours < _OLD_BACKUP_H else "WARN"
            return Line(level, "last backup", f"{hours:.1f} h old, {size:,} bytes: {data['backup']['id']}", f"./rag backup {environment}")
    return Line("WARN", "last backup", "none on this machine", f"./rag backup {environment} --list", "docs/backup.md")
