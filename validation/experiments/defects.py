"""How each defect of the self-test is planted; defects.yaml says by which objective, for which reason, it must be seen.

They are planted on the wire by proxies, in load generators by a signal, in the exact answers by a seam: no wire has them.
"""

import hashlib
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import yaml
from pymilvus.grpc_gen import common_pb2  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.checks.answer import answer, originals, sources
from validation.checks.context import GATE, Overrides, RunContext
from validation.checks.invariants import invariants
from validation.checks.quality import quality
from validation.checks.registry import Check
from validation.checks.retrieval import filtered, retrieval
from validation.clients.vectors import Matrix, unit
from validation.experiments.during import beside
from validation.experiments.proxies import Exchange, MilvusDefect, Search, Stage
from validation.judge.judgement import Reference
from validation.load import truth
from validation.load.plan import NEWEST, pushed
from validation.reports import baseline
from validation.reports.model import GateReport

# in the place of an objective: the run must end INVALID, or its baseline must be refused, for the reason that is given
NOT_VALID, NOT_COMPARED = "not valid", "not compared"
CLEAN = (retrieval, filtered, invariants, quality, sources, answer, originals)  # what is asked of a run without a defect
_STALL_S, _STOP_S = 2.0, 3.0
_STARVED_S, _FED_S, _TIMES = 0.09, 0.01, 40  # a tenth of a CPU for four seconds, as cpulimit gives it
_ALIKE = 0.9  # cosine from which a cache of answers takes two questions for one
_BATCH = 500
_BEYOND = 1.3  # of a limit: what is delayed is delayed by more than is allowed
Message = Any  # of gRPC: pymilvus ships no types
Plant = Callable[[Stage, RunContext], Any]
"""Plants the defect for a run, whose target, data or seams it may change.

What it returns is entered while the checks run, if it is a context, and is what the run is compared with, if it is a reference."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect."""

    name: str
    planted: str
    plant: Plant
    seen_by: str
    checks: Sequence[Check[RunContext]]
    because: str = ""  # what the reason must hold, as a regular expression
    beside: str = ""  # the latency whose limit it stays below, where it is seen by something else


def _milvus(defect: MilvusDefect) -> Plant:
    """Plant a defect of Milvus that depends on nothing but the call."""
    return lambda stage, _: stage.milvus.plant(defect)


def _slow(objective: str, share: Callable[[Search, int], float] = lambda _search, _searches: _BEYOND) -> Plant:
    """Let each search wait for a share of the limit in effect of an objective."""
    return lambda stage, _: stage.milvus.plant(
        MilvusDefect(delay_s=lambda search: stage.limit_ms(objective) * share(search, stage.searches) / 1e3)
    )


def _stalls(stage: Stage, _run: RunContext) -> None:
    """Let all searches wait, in the middle of the load, until two seconds are over."""
    over_s = list[float]()

    def left_s(search: Search) -> float:
        if search.number < stage.searches // 2:
            return 0.0
        over_s[:] = over_s or [time.monotonic() + _STALL_S]
        return max(over_s[0] - time.monotonic(), 0.0)

    stage.milvus.plant(MilvusDefect(delay_s=left_s))


def _one_of_two_is_slow(stage: Stage, run: RunContext) -> None:
    run.target = run.target.model_copy(update={"milvus_proxies": 2})
    _slow("search_p95_ms", lambda search, _: _BEYOND * (search.connection == 1))(stage, run)


def _keep(results: Message, places: Sequence[int]) -> Message:
    """Leave these places of an answer, in this order."""
    found = results.results
    ids, scores = [found.ids.int_id.data[at] for at in places], [found.scores[at] for at in places]
    found.ids.int_id.data[:], found.scores[:], found.topks[:] = ids, scores, [len(ids)]
    return results


def _keeps(chosen: slice) -> Plant:
    """Leave some places of each answer."""
    return _milvus(MilvusDefect(answers=lambda _, results: _keep(results, range(len(results.results.scores))[chosen])))


def _asks_for(request: Message, rows: int) -> None:
    """Ask Milvus for another number of rows."""
    for pair in request.search_params:
        if pair.key == "topk":
            pair.value = str(rows)


def _other_answers(stage: Stage, _run: RunContext) -> None:
    """Give every fiftieth search the answer to the one before."""
    before = deque[Message](maxlen=2)

    def swapped(search: Search, results: Message) -> Message:
        before.append(results)
        return before[0] if search.number % 50 == 1 else results

    stage.milvus.plant(MilvusDefect(answers=swapped))


def _hides_the_newest(stage: Stage, run: RunContext) -> None:
    """Leave the newest rows out of each answer, and fill it up with others."""
    first = len(run.loaded.rows) - NEWEST

    def without(_search: Search, results: Message) -> Message:
        return _keep(results, [at for at, row in enumerate(results.results.ids.int_id.data) if row < first][:10])

    stage.milvus.plant(MilvusDefect(asks=lambda request: _asks_for(request, 10 + NEWEST), answers=without))


def _shuffles_truth(_stage: Stage, run: RunContext) -> None:
    def shuffled(*arguments: Message) -> list[truth.Exact]:
        exact = truth.exact_truth(*arguments)
        return [exact[at] for at in np.random.default_rng(run.seed).permutation(len(exact))]

    run.overrides = Overrides(exact_truth=shuffled)


def _halts(stop_s: float, go_s: float, times: int) -> Plant:
    """Stop the load generators, and let them go on, from the middle of their load, as a machine without CPU does."""

    def halted(stage: Stage, _run: RunContext) -> AbstractContextManager[None]:
        def halt(over: threading.Event) -> None:
            while stage.milvus.searches < stage.searches // 2 and not over.wait(0.05):
                pass
            generators = [process.pid for process in multiprocessing.active_children() if process.pid]
            for number, wait_s in [(signal.SIGSTOP, stop_s), (signal.SIGCONT, go_s)] * times:
                for pid in generators:
                    with suppress(ProcessLookupError):  # its load is over
                        os.kill(pid, number)
                over.wait(wait_s)

        stage.milvus.plant(MilvusDefect())
        return beside(halt)

    return halted


def _builds(change: Callable[[Matrix], Matrix] = lambda vectors: vectors, **index: Any) -> Plant:  # noqa: ANN401 - fields of an index
    """Let the run search another collection of the same rows: with another index, or of vectors that are not those of today."""

    def plant(_stage: Stage, run: RunContext) -> None:
        search, loaded, patience = run.profile.search, run.loaded, run.profile.patience
        chosen = search.chosen_index.model_copy(update=index)
        run.profile = run.profile.model_copy(update={"search": search.model_copy(update={"index": chosen})})
        collection, stored = run.make_collection(), change(loaded.matrix)
        for first in range(0, len(loaded.rows), _BATCH):
            collection.insert(loaded.rows[first : first + _BATCH], stored)
        collection.flush()
        collection.wait_until_indexed(len(loaded.rows), patience.indexed_s)
        collection.reload(patience.loaded_s)
        run.loaded = replace(loaded, collection=collection)

    return plant


def _caches(stage: Stage, _run: RunContext) -> None:
    """Answer a search that is much like an earlier one from memory, as caches of answers do that go by meaning."""
    kept = list[tuple[str, Matrix, Message]]()

    def cached(search: Search, results: Message) -> Message:
        values = common_pb2.PlaceholderGroup.FromString(search.asked).placeholders[0].values[0]
        vector = unit(np.frombuffer(values, dtype="<f4")[None])[0]
        known = (answer for chosen, other, answer in kept if chosen == search.filter and other @ vector >= _ALIKE)
        answer = next(known, results)
        if answer is results:
            kept.append((search.filter, vector, results))
        return answer

    stage.milvus.plant(MilvusDefect(answers=cached))


def _cuts_documents(_stage: Stage, run: RunContext) -> None:
    """Leave the first chunk of each document."""
    firsts = {chunk.source: chunk for chunk in reversed(run.corpus.chunks)}.values()
    sha256 = hashlib.sha256("\0".join(chunk.text for chunk in firsts).encode()).hexdigest()
    run.corpus = replace(run.corpus, chunks=tuple(firsts), sha256=sha256)


def _compares_with_another_corpus(stage: Stage, run: RunContext) -> Reference:
    """Compare the run with a baseline of the same numbers, measured of other documents."""
    now = GateReport.from_run(run.record).fingerprint
    _cuts_documents(stage, run)
    run.record.inputs = run.record.inputs | {"corpus_sha256": run.corpus.sha256}
    return baseline.reference(baseline.made_of(GateReport.from_run(run.record)), run.profile.profile, now)


def _http(part: str, change: Callable[[Exchange], bytes | AsyncIterator[bytes]], method: str = "POST") -> Plant:
    """Change answers of a part to requests of one method."""
    return lambda stage, _: getattr(stage, part).plant(lambda each: change(each) if each.method == method else each.answer)


def _vectors(change: Callable[[list[str], list[Any]], list[Any]]) -> Plant:
    """Change the vectors of each answer of the embedding service."""

    def changed(exchange: Exchange) -> bytes:
        texts, answer = json.loads(exchange.body)["input"], json.loads(exchange.answer)
        vectors = [entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: entry["index"])]
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(change(texts, vectors))]
        return json.dumps(answer | {"data": data}).encode()

    return _http("embedding", changed)


def _one_for_many(texts: list[str], vectors: list[Any]) -> list[Any]:
    """Return one and the same vector for every fifth text."""
    constant = [1.0] + [0.0] * (len(vectors[0]) - 1)
    chosen = [int(hashlib.sha256(text.encode()).hexdigest(), 16) % 5 == 0 for text in texts]
    return [constant if taken else vector for taken, vector in zip(chosen, vectors, strict=True)]


def _rewrites(change: Callable[[str], str]) -> Plant:
    """Let the model say something else: the whole answer, changed, as one event of its stream."""

    def changed(exchange: Exchange) -> bytes:
        events = [line.removeprefix("data:").strip() for line in exchange.answer.decode().splitlines() if line.startswith("data:")]
        choices = [json.loads(event)["choices"] for event in events if event != "[DONE]"]
        text = "".join(each[0].get("delta", {}).get("content") or "" for each in choices if each)
        return _event(change(text)) + b"data: [DONE]\n\n"

    return _http("llm", changed)


def _event(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield _event("and ")
        await anyio.sleep(0.05)


def _now_and_then(change: Callable[[bytes], bytes | AsyncIterator[bytes]]) -> Plant:
    """Change every twentieth answer of the model."""
    return _http("llm", lambda each: change(each.answer) if each.number % 20 == 0 else each.answer)


PLANTS: dict[str, Plant] = {
    "added": _slow("search_p50_ms"),
    "jitter": _slow("search_p95_ms", lambda search, _: _BEYOND * (search.number % 10 == 0)),
    "slow-hundredth": _slow("search_p99_ms", lambda search, _: _BEYOND * (search.number % 50 == 0)),
    "stall": _stalls,
    "growing-latency": _slow("search_p50_ms", lambda search, searches: 0.8 * search.number / searches),
    "cold-cache": _slow("search_p50_ms", lambda search, searches: max(0.8 - search.number / searches, 0.0)),
    "slow-proxy": _one_of_two_is_slow,
    "filtered-latency": _slow("filter_10_p95_ms", lambda search, _: _BEYOND * (search.filter == "bucket < 10")),
    "errors": _milvus(MilvusDefect(refuses=lambda search: search.number % 100 == 0)),
    "another-answer": _other_answers,
    "dropped": _keeps(slice(-2)),
    "too-many": _milvus(MilvusDefect(asks=lambda request: _asks_for(request, 12))),
    "outside-filter": _milvus(MilvusDefect(asks=lambda request: request.ClearField("dsl"))),
    "order": _keeps(slice(None, None, -1)),
    "stale": _hides_the_newest,
    "cache": _caches,
    "stale-index": _builds(lambda vectors: pushed(vectors, 0)),
    "poor-index": _builds(type="IVF_FLAT", params={"nlist": 128}, search_params={"nprobe": 1}),
    "truncated-corpus": _cuts_documents,
    "other-baseline": _compares_with_another_corpus,
    "half-loaded": _milvus(MilvusDefect(loses_insert=lambda number: number % 2 == 1)),
    "shuffled-truth": _shuffles_truth,
    "client-stopped": _halts(_STOP_S, 0.0, 1),
    "client-starved": _halts(_STARVED_S, _FED_S, _TIMES),
    "other-model": _vectors(lambda _, vectors: [vector[::-1] for vector in vectors]),
    "batch-order": _vectors(lambda _, vectors: [*vectors[1:], vectors[0]]),
    "constant-vector": _vectors(_one_for_many),
    "wrong-source": _rewrites(lambda text: re.sub(r"\[(\d+)\]", lambda cited: f"[{int(cited[1]) % 5 + 1}]", text)),
    "cites-all": _rewrites(lambda text: f"{text} [1][2][3][4][5]"),
    "invented-number": _rewrites(lambda text: f"{text} That is so since 1873."),
    "never-ends": _now_and_then(lambda _: _endless()),
    "breaks-off": _now_and_then(lambda answer: answer[: len(answer) // 2].rpartition(b"\n\n")[0] + b"\n\n"),
    "altered-original": _http("documents", lambda each: each.answer[:-1] + b"?" if "versionId" in each.query else each.answer, "GET"),
}
_ROWS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
DEFECTS = [
    Defect(name=name, plant=PLANTS[name], checks=[GATE.checks[each] for each in asked], **row)
    for name, row in _ROWS.items()
    for asked in [row.pop("asked", ("retrieval", "invariants"))]
]
