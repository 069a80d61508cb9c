"""`make bench`: what the gate's generator costs, how fast it is and what it sees, beside VectorDBBench and a loop around pymilvus.

All of them search one collection on the lab's one Milvus, in turn, three times over, so that what else the machine does hits all of them.
The highest rate is measured on a front that answers at once, since Milvus on the other core is slower than any of them. Nothing here passes
or fails by a time: it fails only where two of them find different rows. docs/bench.md explains the columns.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from rich.console import Console
from rich.table import Table

from lab import process_tree, project
from lab.errors import LabError
from lab.lock import LAB, only_one
from lab.places import REPOSITORY
from tests.bench import contestants
from tests.bench.collection import made
from tests.bench.contestants import Contestant
from tests.bench.stall import Stalling
from validation.clients.kube import bypass_proxies

ROUNDS = 3
RATE = 200
"""About what one closed loop gets out of Milvus, so that all of them wake up as often."""

STALL_RATE = 100
LOW_RATE = 25
SECONDS = 3
CONNECTING_S = 2
"""VectorDBBench counts the time to connect as time to search."""

LOW_SECONDS = 20
STALL_AFTER_S, STALL_S, STALL_SECONDS = 2, 2, 6
NAMES = {
    "ours": "the gate's generator",
    "ours-pymilvus": "the same with pymilvus",
    "vectordbbench": "VectorDBBench 2.0.0",
    "bare": "bare pymilvus loop",
}
Found = dict[str, Any]


def main() -> int:
    """Run it on the lab that is there, and write the report."""
    if process_tree.running() is None:
        raise LabError("no lab runs on this machine, so there is no Milvus to search", "./rag up, then make bench")
    uri = project.endpoints().get("MILVUS_URI")
    if uri is None:
        raise LabError("the lab's stack has no Milvus yet, so there is nothing to search", "./rag up, then make bench")
    bypass_proxies([uri, "http://127.0.0.1"])
    with only_one(LAB, patience_s=600, say=print), made(uri) as collection, ExitStack() as closing:
        found = measure(uri, collection, closing)
    report = REPOSITORY / "build" / "bench" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    show(found)
    print(f"report: {report}")
    return 0


def measure(uri: str, collection: str, closing: ExitStack) -> Found:
    """Start the contestants, check that they find the same, and let each do everything in turn."""
    began_s = time.monotonic()
    address = urlsplit(uri)
    front = closing.enter_context(contestants.running(*contestants.front(address.netloc)))
    clients = {kind: contestants.ours(kind, collection) for kind in ("ours", "ours-pymilvus", "bare", "bytes")}
    commands = {**clients, "vectordbbench": contestants.vectordbbench(collection)}
    racing = {name: closing.enter_context(contestants.running(*command)) for name, command in commands.items()}
    at_once = f"http://127.0.0.1:{front.result()}"
    _refuse_different_rows(racing, uri)
    rounds = [_round(racing, uri, at_once, number) for number in range(1, ROUNDS + 1)]
    stalling = closing.enter_context(Stalling(address.hostname or "", address.port or 19530))
    stalls = {name: _stalled(racing[name], stalling, name) for name in NAMES}
    return {
        "version": 1,
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(time.monotonic() - began_s),
        "load_average": os.getloadavg(),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "stall": {"rate": STALL_RATE, "seconds": STALL_SECONDS, "stall_s": STALL_S, "reported": stalls},
    }


def _refuse_different_rows(racing: Mapping[str, Contestant], uri: str) -> None:
    rows = {name: racer.do(do="ids", uri=uri)["ids"] for name, racer in racing.items()}
    for name, ids in rows.items():
        if ids != rows["bare"]:
            sys.exit(
                f"bench: {name} found other rows than a bare pymilvus loop: {ids[0]} instead of {rows['bare'][0]}; it measures nothing"
            )
    print(f"bench: {len(rows)} clients find the same {len(rows['bare'])} x {len(rows['bare'][0])} rows in the same order", flush=True)


def _round(racing: Mapping[str, Contestant], uri: str, at_once: str, number: int) -> Found:
    """Let each of them search Milvus, then the front; then compare percentiles with loops that run at the same time."""
    found: Found = {"milvus": {}, "front": {}}
    for name, title in NAMES.items():
        print(f"bench: round {number} of {ROUNDS}, {title}", flush=True)
        racer = racing[name]
        if name.startswith("ours"):
            found["milvus"][name] = racer.do(do="search", uri=uri, seconds=SECONDS, rate=RATE)
            found["front"][name] = racer.do(do="highest", uri=at_once, seconds=1)
            continue
        seconds = SECONDS + CONNECTING_S if name == "vectordbbench" else SECONDS
        found["milvus"][name] = racer.do(do="search", uri=uri, seconds=seconds, processes=1)
        found["front"][name] = racer.do(do="search", uri=at_once, seconds=seconds, processes=2)
    found["low"] = _low_rate(racing, uri)
    return found


def _low_rate(racing: Mapping[str, Contestant], uri: str) -> Found:
    """Three clients at one low rate, each in the gaps of the others: whatever the machine does then, it does to all."""
    names = ("ours", "bytes", "bare")
    for name in names:
        racing[name].start(do="search", uri=uri, seconds=LOW_SECONDS, rate=LOW_RATE, together=True)
    for name in names:
        racing[name].result()  # connected, and its requests made
    start_s = time.monotonic() + 0.5
    for place, name in enumerate(names):
        racing[name].start(start_s=start_s + place / len(names) / LOW_RATE)
    return {name: racing[name].result() for name in names}


def _stalled(racer: Contestant, stalling: Stalling, name: str) -> Found:
    print(f"bench: a stall of {STALL_S} s, {NAMES[name]}", flush=True)
    stalling.arm(STALL_AFTER_S, STALL_S)
    rate = {"rate": STALL_RATE} if name.startswith("ours") else {}
    return racer.do(do="search", uri=f"http://127.0.0.1:{stalling.port}", seconds=STALL_SECONDS, processes=1, **rate)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median, and from where to where the rounds went."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(found: Found, where: str, what: str, name: str, to: str) -> list[float]:
    """Return one ratio for each round: both were measured within the same minute."""
    return [each[where][name][what] / each[where][to][what] for each in found["rounds"]]


def show(found: Found) -> None:
    """Print the three tables."""
    out = Console(width=None if sys.stdout.isatty() else 140)
    out.print(_cost(found))
    out.print(_stall(found))
    out.print(_percentiles(found))
    loads = " ".join(f"{load:.1f}" for load in found["load_average"])
    out.print(
        f"{ROUNDS} rounds in {found['seconds']} s on {found['cores']} cores, load average at the end {loads}: of this machine, ratios only"
    )


def _cost(found: Found) -> Table:
    table = Table(title="CPU a search and highest rate from one core: median of the rounds (from, to)")
    for column in ("client", "CPU ms, Milvus", "CPU ms, front", "of VectorDBBench's", "searches/s from one core", "of VectorDBBench's"):
        table.add_column(column)
    for name, title in NAMES.items():
        columns = [
            [each[where][name][what] for each in found["rounds"]]
            for where, what in (("milvus", "cpu_ms"), ("front", "cpu_ms"), ("front", "rate"))
        ]
        cost, rate = (ratios(found, "front", what, name, "vectordbbench") for what in ("cpu_ms", "rate"))
        table.add_row(title, spread(columns[0]), spread(columns[1]), spread(cost), spread(columns[2], 0), spread(rate))
    return table


def _stall(found: Found) -> Table:
    told = found["stall"]
    hit = told["rate"] * told["stall_s"]
    table = Table(
        title=f"Milvus stalls for {told['stall_s']} s of {told['seconds']}: at {told['rate']} searches/s, {hit} are due meanwhile"
    )
    for column in ("client", "searches", "p50 ms", "p95 ms", "p99 ms", "shown slower than 100 ms"):
        table.add_column(column)
    for name, title in NAMES.items():
        one = told["reported"][name]
        table.add_row(title, f"{one['requests']}", *(f"{one[f'p{p}_ms']:.1f}" for p in (50, 95, 99)), str(one.get("slow", "not reported")))
    return table


def _percentiles(found: Found) -> Table:
    table = Table(title=f"Percentiles at {LOW_RATE} searches/s, all at the same time: the gate's beside those of loops that only wait")
    for column in ("percentile", "gate ms", "loop, same bytes ms", "gate / loop", "loop, pymilvus ms", "gate / pymilvus"):
        table.add_column(column)
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        gate, same, bare = ([each["low"][who][name] for each in found["rounds"]] for who in ("ours", "bytes", "bare"))
        both = [spread(ratios(found, "low", name, "ours", other)) for other in ("bytes", "bare")]
        table.add_row(name.removesuffix("_ms"), spread(gate), spread(same), both[0], spread(bare), both[1])
    return table


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    try:
        sys.exit(main())
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except (MilvusException, TimeoutError, RuntimeError) as error:
        sys.exit(f"bench: {error}\n  cure: ./rag status says what is wrong with the lab")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; its collection is removed, and so are its processes")
