"""`./rag status`: what runs, how much it takes, where it answers, what is wrong, what helps. It changes nothing and waits for seconds."""

import contextlib
import datetime as dt
import json
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from lab import cache, cluster, daemons, process_tree, project, toolchain
from lab.checkpoint import Checkpoint
from lab.diagnosis import Facts, Part, Pod, Problem, diagnose, notes
from lab.lock import LAB, at_work, cut_short, holder
from lab.pki import end_of
from lab.places import CACHE, LOGS, PKI, REPOSITORY, STATE, network
from lab.processes import boot, words

_MIB = 2**20
_HTTPS_PORT = 443


def status(*, as_json: bool = False) -> int:
    """Print the state of the lab; 0 where it is well, 1 where something is wrong."""
    facts = look()
    problems = diagnose(facts, dt.datetime.now(dt.UTC))
    if as_json:
        wrong = {"problems": [asdict(each) for each in problems], "notes": [asdict(each) for each in notes(facts)]}
        print(json.dumps({**asdict(facts), **wrong}, indent=2, ensure_ascii=False, default=str))
    else:
        console = Console(soft_wrap=True, highlight=False)
        for table in _tables(facts) if facts.runs else ():
            console.print(table)
        _print_summary(console, facts, problems)
    return 1 if problems else 0


def look() -> Facts:
    """Return what there is to see."""
    outer, alive = process_tree.recorded(), process_tree.running() is not None
    machine = Facts(
        here=str(REPOSITORY),
        busy=" ".join(filter(None, (str(who), at_work()))) if (who := holder(LAB)) else "",
        cut_short=cut_short(),
        damaged=cache.damaged(),
        free_gib={str(folder): shutil.disk_usage(folder).free / 2**30 for folder in (STATE, CACHE) if folder.exists()},
    )
    if outer is None:
        return replace(machine, state_left=STATE.exists() or process_tree.REMOVING.exists())
    processes = process_tree.descendants(outer["pid"]) if alive else []
    parts = [_part(daemon, processes, str(outer["since"])) for daemon in daemons.all_parts(network())] if alive else []
    return replace(
        machine,
        checkout=outer["checkout"],
        since=outer["since"],
        runs=alive,
        restarted=outer.get("boot", boot()) != boot(),
        wired=not alive or process_tree.is_wired(network()),
        other_code=process_tree.code_name() not in outer["tools"],
        stack_trouble=Checkpoint(project.HOME, project.PROJECT, project.STACK).trouble(),
        parts=parts,
        pods=list(map(_pod, cluster.pods())) if alive else [],
        pods_memory_mib=sum(map(_memory_mib, processes)) - sum(part.memory_mib for part in parts),
        addresses=_addresses() if alive else {},
        certificates_end=min((end_of(path) for path in PKI.glob("*.crt")), default=None),
    )


def _part(daemon: daemons.Daemon, processes: Sequence[psutil.Process], since: str) -> Part:
    process = next((process for process in processes if daemon.is_run_by(words(process.pid))), None)
    if process is None:
        return Part(name=daemon.name)
    # restarts as the log of the node's init has them, from where this life of the lab begins
    log = (LOGS / "node.log").read_text(errors="replace")
    restarts = sum(at >= since for at in re.findall(rf"^(\S+) {re.escape(daemon.name)} ended with", log, re.MULTILINE))
    age_s = time.time() - process.create_time()
    return Part(name=daemon.name, pid=process.pid, running_s=age_s, memory_mib=_memory_mib(process), restarts=restarts)


def _memory_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / _MIB
    except psutil.Error:
        return 0


def _pod(pod: Mapping[str, Any]) -> Pod:
    statuses, done = pod["status"].get("containerStatuses", []), pod["status"].get("phase") == "Succeeded"
    ready = done or (bool(statuses) and all(container["ready"] for container in statuses))
    restarts, metadata = sum(container["restartCount"] for container in statuses), pod["metadata"]
    return Pod(namespace=metadata["namespace"], name=metadata["name"], ready=ready, restarts=restarts, why=_why(pod["status"]))


def _why(state: Mapping[str, Any]) -> str:
    for container in state.get("containerStatuses", []):
        if waiting := container["state"].get("waiting"):
            return ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
    conditions = [condition for condition in state.get("conditions", []) if condition["status"] != "True"]
    return str(conditions[0].get("message") or conditions[0].get("reason") or conditions[0]["type"]) if conditions else ""


def _addresses() -> dict[str, tuple[str, bool]]:
    net = network()
    context = ssl.create_default_context(cafile=str(PKI / "store-ca.crt"))
    api = cluster.kubectl("get", "--raw", "/readyz", "--request-timeout=5s").returncode == 0
    services = {name.lower(): url for name, url in (project.endpoints() if api else {}).items() if not name.startswith("AWS_")}
    return {
        "Kubernetes API": (f"https://{net.node}:6443", api),
        **{name: (url, cluster.answers(url, context)) for name, url in (("S3 API", net.s3_endpoint), ("IAM API", net.iam_endpoint))},
        **{name: (url, _accepts(url)) for name, url in services.items()},
    }


def _accepts(url: str) -> bool:
    parts = urlsplit(url)
    with contextlib.suppress(OSError), socket.create_connection((str(parts.hostname), parts.port or _HTTPS_PORT), timeout=2):
        return True
    return False


def _tables(facts: Facts) -> Iterator[Table]:
    parts = _table("part", "pid", "up", "memory", "restarts")
    for part in facts.parts:
        pid = str(part.pid) if part.pid is not None else "[red]none[/]"
        age = str(dt.timedelta(seconds=round(part.running_s))) if part.running_s else ""
        parts.add_row(part.name, pid, age, f"{part.memory_mib:,.0f} MiB", str(part.restarts))
    parts.add_row("pods and their shims", "", "", f"{facts.pods_memory_mib:,.0f} MiB", "")
    pods = _table("namespace", "pod", "ready", "restarts")
    for pod in facts.pods:
        pods.add_row(pod.namespace, pod.name, "yes" if pod.ready else "[red]no[/]", str(pod.restarts))
    addresses = _table("address of", "where", "answers")
    for name, (address, answers) in facts.addresses.items():
        addresses.add_row(name, address, "yes" if answers else "[red]no[/]")
    yield from (parts, pods, addresses)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in {"pid", "up", "memory", "restarts"} else "left", no_wrap=True)
    return table


def _print_summary(console: Console, facts: Facts, problems: list[Problem]) -> None:
    if facts.checkout:
        logs_mib = sum(path.lstat().st_size for path in LOGS.rglob("*")) / _MIB
        built = f"the lab's own: {toolchain.PULUMI_VERSIONS}" if project.BUILT.exists() else "from PATH, with its own kubernetes plugin"
        free = ", ".join(f"{gib:.0f} GiB free under {folder}" for folder, gib in facts.free_gib.items())
        ends = f"; certificates until {facts.certificates_end:%Y-%m-%d}" if facts.certificates_end else ""
        console.print(
            f"lab: {'runs' if facts.runs else 'does not run'}, started {facts.since} from {facts.checkout}\n"
            f"     state {STATE}, cache {CACHE}\n"
            f"     logs {LOGS} ({logs_mib:,.0f} MiB; of tools and images: {CACHE / 'log' / 'commands.log'})\n"
            f"     pulumi {built}\n"
            f"     {free}{ends}"
        )
    for note in notes(facts):
        console.print(f"note:  {note.problem}\n  helps: {note.cure}")
    for problem in problems:
        console.print(f"[red]wrong:[/] {problem.problem}\n  helps: {problem.cure}")
    if not problems:
        console.print("all is well")
