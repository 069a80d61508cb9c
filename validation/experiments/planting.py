"""How each defect of the self-test is planted: on the wire by proxies, in load generators by a signal, in the exact answers by a seam.

A plant is made of the stage, which has the proxies, and of the run that it is for, whose target or seams it may change.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np

from validation.checks.context import Overrides, RunContext
from validation.clients import kube
from validation.clients.connect import open_connector
from validation.clients.http import Access
from validation.clients.target import Target
from validation.experiments.proxies import Exchange, HttpProxy, MilvusDefect, MilvusProxy, Search
from validation.load import truth
from validation.load.plan import NEWEST

Message = Any
"""Of gRPC: pymilvus ships no types."""
EVERY_HUNDREDTH, EVERY_FIFTIETH, EVERY_FIFTH, NOW_AND_THEN = 100, 50, 5, 20
STALL_S, STOP_S = 2.0, 3.0
_BEYOND = 1.3
"""Of a limit: what is delayed is delayed by more than is allowed."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The proxies, how many searches a load has, and the limits in effect, in ms."""

    milvus: MilvusProxy
    embedding: HttpProxy
    llm: HttpProxy
    documents: HttpProxy
    searches: int
    limit_ms: Callable[[str], float]


Plant = Callable[[Stage, RunContext], Any]
"""Plants the defect; what it returns is entered as a context while the checks run, where it is one."""


def set_up(run: RunContext, closing: ExitStack, searches: int, limit_ms: Callable[[str], float]) -> Stage:
    """Put a proxy before each part of the target, and aim at the proxies from now on."""
    target = run.target
    connector = open_connector(target, closing, run.record.secrets)
    kubernetes = connector.kubernetes
    address = kubernetes.address(target.milvus_uri)

    def http(url: str, authority: str) -> HttpProxy:
        trusted = kubernetes.certificate_authority(target.namespace, authority) if authority else ""
        return HttpProxy(kubernetes.address(url), Access(ca_pem=trusted))

    stage = Stage(
        milvus=MilvusProxy(address, connector.milvus_tls(address)),
        embedding=http(target.embedding_url, target.embedding_ca_config_map),
        llm=http(target.llm_url, target.llm_ca_config_map),
        documents=http(target.object_store_endpoint, target.object_store_ca_config_map),
        searches=searches,
        limit_ms=limit_ms,
    )
    kube.bypass_proxies([address, *(str(proxy.url) for proxy in (stage.embedding, stage.llm, stage.documents))])
    proxies = (stage.milvus, stage.embedding, stage.llm, stage.documents)
    addresses = [closing.enter_context(proxy.serving()) for proxy in proxies]
    names = ("milvus_uri", "embedding_url", "llm_url", "object_store_endpoint")
    trusted = ("milvus_ca_config_map", "embedding_ca_config_map", "llm_ca_config_map", "object_store_ca_config_map")
    run.target = Target.model_validate(target.model_dump() | dict(zip(names, addresses, strict=True)) | dict.fromkeys(trusted, ""))
    return stage


def delays(delay_s: Callable[[Stage, Search], float]) -> Plant:
    """Let each search wait for so long."""
    return lambda stage, _: stage.milvus.plant(MilvusDefect(delay_s=lambda search: delay_s(stage, search)))


def beyond_s(stage: Stage, objective: str, share: float = _BEYOND) -> float:
    """Return a time beyond the limit in effect of an objective, or that share of it."""
    return stage.limit_ms(objective) * share / 1e3


def stalls(stage: Stage, _run: RunContext) -> None:
    """Let all searches wait, in the middle of the load, until two seconds are over."""
    over_s = list[float]()

    def left_s(search: Search) -> float:
        if search.number < stage.searches // 2:
            return 0.0
        over_s[:] = over_s or [time.monotonic() + STALL_S]
        return max(over_s[0] - time.monotonic(), 0.0)

    stage.milvus.plant(MilvusDefect(delay_s=left_s))


def changes(change: Callable[[Message], None]) -> Plant:
    """Change each answer in place."""

    def answers(_search: Search, results: Message) -> Message:
        change(results.results)
        return results

    return lambda stage, _: stage.milvus.plant(MilvusDefect(answers=answers))


def keep(found: Message, places: Sequence[int]) -> None:
    """Leave these places of an answer, in this order."""
    ids, scores = [found.ids.int_id.data[at] for at in places], [found.scores[at] for at in places]
    found.ids.int_id.data[:], found.scores[:], found.topks[:] = ids, scores, [len(ids)]


def asks_for(request: Message, rows: int) -> None:
    """Ask Milvus for another number of rows."""
    for pair in request.search_params:
        if pair.key == "topk":
            pair.value = str(rows)


def other_answers(stage: Stage, _run: RunContext) -> None:
    """Give every fiftieth search the answer to the one before."""
    before = deque[Message](maxlen=2)

    def swapped(search: Search, results: Message) -> Message:
        before.append(results)
        return before[0] if search.number % EVERY_FIFTIETH == 1 else results

    stage.milvus.plant(MilvusDefect(answers=swapped))


def hides_the_newest(stage: Stage, run: RunContext) -> None:
    """Leave the newest rows out of each answer, and fill it up with others."""
    first = len(run.loaded.rows) - NEWEST

    def without(_search: Search, results: Message) -> Message:
        found = results.results
        keep(found, [at for at, row in enumerate(found.ids.int_id.data) if row < first][:10])
        return results

    stage.milvus.plant(MilvusDefect(asks=lambda request: asks_for(request, 10 + NEWEST), answers=without))


def one_of_two_is_slow(stage: Stage, run: RunContext) -> None:
    """Aim at two proxies of Milvus, and let the second connection wait."""
    run.target = run.target.model_copy(update={"milvus_proxies": 2})
    slow_s = beyond_s(stage, "search_p95_ms")
    stage.milvus.plant(MilvusDefect(delay_s=lambda search: slow_s if search.connection == 1 else 0.0))


def shuffles_truth(_stage: Stage, run: RunContext) -> None:
    """Give each search the exact answer to another one."""

    def shuffled(*arguments: Message) -> list[truth.Exact]:
        exact = truth.exact_truth(*arguments)
        return [exact[at] for at in np.random.default_rng(run.seed).permutation(len(exact))]

    run.overrides = Overrides(exact_truth=shuffled)


@contextmanager
def stops_the_client(stage: Stage, _run: RunContext) -> Iterator[None]:
    """Stop the load generators in the middle of their load, as a machine without CPU does."""
    over = threading.Event()

    def stop() -> None:
        while stage.milvus.searches < stage.searches // 2 and not over.wait(0.05):
            pass
        generators = [process.pid for process in multiprocessing.active_children() if process.pid]
        for pid in generators:
            os.kill(pid, signal.SIGSTOP)
        over.wait(STOP_S)
        for pid in generators:
            os.kill(pid, signal.SIGCONT)

    stage.milvus.plant(MilvusDefect())
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def vectors(change: Callable[[list[str], list[Any]], list[Any]]) -> Plant:
    """Change the vectors of each answer of the embedding service."""

    def changed(exchange: Exchange) -> bytes:
        if exchange.method != "POST":
            return exchange.answer
        texts, answer = json.loads(exchange.body)["input"], json.loads(exchange.answer)
        vectors = [entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: entry["index"])]
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(change(texts, vectors))]
        return json.dumps(answer | {"data": data}).encode()

    return lambda stage, _: stage.embedding.plant(changed)


def one_for_many(texts: list[str], vectors: list[Any]) -> list[Any]:
    """Return one and the same vector for every fifth text."""
    constant = [1.0] + [0.0] * (len(vectors[0]) - 1)
    chosen = [int(hashlib.sha256(text.encode()).hexdigest(), 16) % EVERY_FIFTH == 0 for text in texts]
    return [constant if taken else vector for taken, vector in zip(chosen, vectors, strict=True)]


def rewrites(change: Callable[[str], str]) -> Plant:
    """Let the model say something else: the whole answer, changed, as one event of its stream."""

    def changed(exchange: Exchange) -> bytes:
        if exchange.method != "POST":
            return exchange.answer
        events = [line.removeprefix("data:").strip() for line in exchange.answer.decode().splitlines() if line.startswith("data:")]
        choices = [json.loads(event)["choices"] for event in events if event != "[DONE]"]
        text = "".join(each[0].get("delta", {}).get("content") or "" for each in choices if each)
        return _event(change(text)) + b"data: [DONE]\n\n"

    return lambda stage, _: stage.llm.plant(changed)


def _event(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()


def never_ends(stage: Stage, _run: RunContext) -> None:
    """Let every twentieth answer go on for ever."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield _event("and ")
            await anyio.sleep(0.05)

    stage.llm.plant(lambda exchange: endless() if exchange.method == "POST" and exchange.number % NOW_AND_THEN == 0 else exchange.answer)


def breaks_off(stage: Stage, _run: RunContext) -> None:
    """Let every twentieth answer end in its middle."""

    def cut(exchange: Exchange) -> bytes:
        is_chosen = exchange.method == "POST" and exchange.number % NOW_AND_THEN == 0
        return exchange.answer[: len(exchange.answer) // 2].rpartition(b"\n\n")[0] + b"\n\n" if is_chosen else exchange.answer

    stage.llm.plant(cut)


def alters_originals(stage: Stage, _run: RunContext) -> None:
    """Change the last byte of each version that is read."""

    def altered(exchange: Exchange) -> bytes:
        return exchange.answer[:-1] + b"?" if exchange.method == "GET" and "versionId" in exchange.query else exchange.answer

    stage.documents.plant(altered)
