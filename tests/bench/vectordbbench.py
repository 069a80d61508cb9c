"""VectorDBBench's concurrent runner as a contestant of `make bench`: its own code, in its own virtual environment, on one core.

Nothing of it is changed but that each of its processes also notes the CPU time and the seconds between its first search and its result.
"""

import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from vectordb_bench.backend.clients.api import MetricType  # type: ignore[import-not-found]  # in its own environment
from vectordb_bench.backend.clients.milvus.config import HNSWConfig  # type: ignore[import-not-found]
from vectordb_bench.backend.clients.milvus.milvus import Milvus  # type: ignore[import-not-found]
from vectordb_bench.backend.runner.mp_runner import MultiProcessingSearchRunner  # type: ignore[import-not-found]

LIMIT, EF, DIMENSION = 10, 64, 384


class Noted(MultiProcessingSearchRunner):  # type: ignore[misc]  # without types here
    """The runner, whose processes leave their CPU time, their seconds and their number of searches in a folder."""

    notes: str
    core: int
    begun: tuple[float, float] | None = None

    def search(self, *arguments: Any) -> Any:
        """Search as ever."""
        found = super().search(*arguments)
        ended = spent()
        if self.begun:
            noted = [ended[0] - self.begun[0], ended[1] - self.begun[1], found[0] - 1]
            (Path(self.notes) / str(os.getpid())).write_text(json.dumps(noted))
        return found

    def _search_once(self, *arguments: Any, **named: Any) -> Any:
        found = super()._search_once(*arguments, **named)
        if not self.begun:  # connecting, and what pymilvus imports when it first searches, are no cost of a search
            os.sched_setaffinity(0, {self.core})
            self.begun = spent()
        return found


def spent() -> tuple[float, float]:
    """Return the CPU time of this process, and the time."""
    times = os.times()
    return times.user + times.system, time.monotonic()


def database(uri: str, collection: str) -> Any:
    """Return its Milvus client for a collection that is there already."""
    case = HNSWConfig(M=16, efConstruction=100, ef=EF, metric_type=MetricType.COSINE)
    found = Milvus(dim=DIMENSION, db_config={"uri": uri}, db_case_config=case, collection_name=collection)
    found._primary_field = "id"  # not "pk": Milvus 2.3 does not name it in an answer, and pymilvus then says "id"
    return found


def do(task: dict[str, Any], core: int, collection: str, queries: list[list[float]]) -> dict[str, Any]:
    """Do one task and return what VectorDBBench reports, in milliseconds."""
    milvus = database(task["uri"], collection)
    if task["do"] == "ids":
        with milvus.init():
            milvus.expr = ""
            return {"ids": [milvus.search_embedding(query, LIMIT) for query in queries[:20]]}
    for seconds in (task["seconds"], 3 * task["seconds"]):  # its clock also runs while it connects, which a busy machine may not manage
        found = run(milvus, queries, seconds, task["processes"], core)
        if found["requests"]:
            return found
    sys.exit(f"bench: VectorDBBench did not search within {seconds} s; this machine has no CPU for it")


def run(milvus: Any, queries: list[list[float]], seconds: int, processes: int, core: int) -> dict[str, Any]:
    """Let the runner run; what it reports, beside what its processes noted."""
    with tempfile.TemporaryDirectory() as notes:
        runner = Noted(milvus, queries, k=LIMIT, concurrencies=[processes], duration=seconds)
        runner.notes, runner.core = notes, core
        reported, _, _, p99, p95, average, p50 = runner.run()
        noted = [json.loads(note.read_text()) for note in Path(notes).iterdir()]
    count = sum(each[2] for each in noted)
    return {
        "requests": count,
        "rate": sum(each[2] / each[1] for each in noted),
        "reported_rate": reported,
        "cpu_ms": sum(each[0] for each in noted) / max(count, 1) * 1e3,
        "p50_ms": p50[0] * 1e3,
        "p95_ms": p95[0] * 1e3,
        "p99_ms": p99[0] * 1e3,
        "average_ms": average[0] * 1e3,
    }


def main(core: int, collection: str) -> None:
    """Do every task that comes in."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what it prints itself is no result
    logging.disable(logging.WARNING)
    queries = np.random.default_rng(2).standard_normal((500, DIMENSION)).astype(np.float32).tolist()
    for line in sys.stdin:
        print(json.dumps(do(json.loads(line), core, collection, queries)), file=out, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
