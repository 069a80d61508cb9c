"""A contestant of `make bench` in a process of its own, on one core: tasks come in as lines of JSON, results go out as lines of JSON.

`ours` is the gate's generator as the gate uses it, `ours-pymilvus` the same with pymilvus as its client, `bare` a loop around pymilvus, and
`bytes` a loop around gRPC with the generator's own bytes.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from grpc_unary import framed
from tests.pymilvus_searcher import Searcher
from tests.validation.load.tasks import awaiting
from validation.checks import gate  # noqa: F401  # its measures are what an SLO file may name
from validation.clients.searcher import RawSearcher
from validation.judge.profile import Index, Search
from validation.judge.slo_file import read_profile
from validation.load import open_loop
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample

LIMIT, EF, DIMENSION = 10, 64, 384
QUERIES = np.random.default_rng(2).standard_normal((500, DIMENSION)).astype(np.float32)
_METHOD = "/milvus.proto.milvus.MilvusService/Search"
_SLOW_S = 0.1
_HELD = 0.95
_STEPS = 6
Task = dict[str, Any]


def _search() -> Search:
    profile = read_profile(Path(__file__).parents[2] / "validation" / "slo.lab.yaml")
    index = Index(type="HNSW", metric="COSINE", search_params={"ef": EF})
    return profile.search.model_copy(update={"consistency": "Bounded", "index": index, "timeout_ms": 10_000})


def cpu_s() -> float:
    """Return the CPU time of this process, user and system."""
    spent = os.times()
    return spent.user + spent.system


def agreed_start_s(task: Task) -> float | None:
    """Say that all is ready, and return when to begin; None for at once, where nobody else takes part."""
    if not task.get("together"):
        return None
    print(json.dumps({"ready": True}), flush=True)
    start_s: float = json.loads(sys.stdin.readline())["start_s"]
    return start_s


def told(samples: Sequence[Sample], spent_s: float) -> Task:
    """Return what a run shows: latency counts from the planned time, as in the gate."""
    latency, delay = Histogram(sample.latency_s for sample in samples), Histogram(sample.delay_s for sample in samples)
    return {
        "requests": len(samples),
        "failed": sum(bool(sample.error) for sample in samples),
        "sent_rate": open_loop.sent_rate(samples),
        "rate": open_loop.answered_rate(samples),
        "cpu_ms": spent_s / len(samples) * 1e3,
        **{f"p{percentile}_ms": latency.percentile_ms(percentile) for percentile in (50, 95, 99, 100)},
        "slow": sum(sample.latency_s > _SLOW_S for sample in samples),
        "delay_p99_ms": delay.percentile_ms(99),
    }


class Generator:
    """The gate's way: open loop, with either client."""

    def __init__(self, kind: str, uri: str, collection: str) -> None:
        which: Any = RawSearcher if kind == "ours" else Searcher
        self._searcher = which(uri=uri, database="default", collection=collection, search=_search(), limit=LIMIT)

    def do(self, task: Task) -> Task:
        """Do one task on a connection of its own."""
        with asyncio.Runner(loop_factory=open_loop.punctual_loop) as runner:
            return runner.run(self._do(task))

    async def _do(self, task: Task) -> Task:
        async with self._searcher as searcher:
            self._requests = [searcher.prepare(vector, "") for vector in QUERIES]
            for request in self._requests[:20]:
                await searcher.send(request)
            if task["do"] == "ids":
                return {"ids": [await searcher.send(request) for request in self._requests[:20]]}
            if task["do"] == "highest":
                return await self._highest(task["seconds"])
            return await self._paced(task["rate"], task["seconds"], agreed_start_s(task))

    async def _paced(self, rate: float, seconds: float, start_s: float | None = None) -> Task:
        searcher, requests = self._searcher, self._requests

        def fire(number: int, done: open_loop.Done) -> None:
            searcher.fire(requests[number % len(requests)], done)

        async def send(number: int) -> list[int]:
            found: list[int] = await searcher.send(requests[number % len(requests)])
            return found

        how, read = (awaiting(send), lambda ids: (ids, [])) if isinstance(searcher, Searcher) else (fire, searcher.read)
        due = dict(enumerate(open_loop.offsets(round(rate * seconds), rate, "constant", 0)))
        gc.collect()  # as workers.py does before the clock starts
        gc.freeze()
        gc.disable()
        begun_s = cpu_s()
        samples = await open_loop.at_times(how, due, start_s or time.monotonic() + 0.05, read=read)
        if all(sample.error for sample in samples):
            raise RuntimeError(f"no search was answered, so nothing is measured: {samples[0].error}")
        return told(samples, cpu_s() - begun_s)

    async def _highest(self, seconds: float) -> Task:
        """Return the run at the highest rate of a ladder that was both sent and answered; `held` says whether any was."""
        probe = await self._paced(500, 1)
        rate, best = 1_000 / probe["cpu_ms"], None
        for _ in range(_STEPS):
            found = await self._paced(rate, seconds)
            if min(found["sent_rate"], found["rate"]) >= _HELD * rate and not found["failed"]:
                best, rate = {**found, "held": True}, rate * 1.2
            elif best:
                break
            else:
                rate *= 0.8
        return best or {**found, "held": False}


class Loop:
    """A loop that asks, waits for the answer and asks again; with a rate it waits for the next due time, but counts from when it asked."""

    def __init__(self, kind: str, uri: str, collection: str) -> None:
        self._uri, self._collection = uri, collection
        self._asking = self._bytes if kind == "bytes" else self._pymilvus

    def do(self, task: Task) -> Task:
        """Do one task on a connection of its own."""
        with self._asking() as ask:
            for number in range(20):
                ask(number)
            if task["do"] == "ids":
                return {"ids": [ask(number) for number in range(20)]}
            return self._loop(ask, task["seconds"], task.get("rate"), agreed_start_s(task))

    def _loop(self, ask: Callable[[int], Any], seconds: float, rate: float | None, start_s: float | None) -> Task:
        begin_s, begun_s, samples = start_s or time.monotonic(), cpu_s(), list[Sample]()
        while time.monotonic() < begin_s + seconds:
            due_s = begin_s + len(samples) / rate if rate else 0.0
            time.sleep(max(due_s - time.monotonic(), 0) if rate else 0)
            sent_s = time.monotonic()
            ask(len(samples))
            samples.append(Sample(len(samples), sent_s, sent_s, time.monotonic(), [], ""))
        return told(samples, cpu_s() - begun_s)

    @contextmanager
    def _pymilvus(self) -> Iterator[Callable[[int], Any]]:
        client = MilvusClient(uri=self._uri, timeout=30)
        try:

            def ask(number: int) -> list[int]:
                found = client.search(
                    self._collection, data=[QUERIES[number % len(QUERIES)]], limit=LIMIT, search_params={"params": {"ef": EF}}
                )
                return [int(hit.id) for hit in found[0]]

            yield ask
        finally:
            client.close()

    @contextmanager
    def _bytes(self) -> Iterator[Callable[[int], Any]]:
        searcher = RawSearcher(uri=self._uri, database="default", collection=self._collection, search=_search(), limit=LIMIT)

        async def prepared() -> list[bytes]:
            async with searcher:
                return [searcher.prepare(vector, "")[len(framed(b"")) :] for vector in QUERIES]  # gRPC frames them itself

        requests = asyncio.run(prepared())
        with grpc.insecure_channel(urlsplit(self._uri).netloc) as channel:
            call: Any = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)
            name = (("dbname", "default"),)
            yield lambda number: RawSearcher.read(call(requests[number % len(requests)], timeout=10, metadata=name))[0]


def main(kind: str, core: int, collection: str) -> None:
    """Do every task that comes in."""
    os.sched_setaffinity(0, {core})
    which = Generator if kind.startswith("ours") else Loop
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(which(kind, task["uri"], collection).do(task)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
