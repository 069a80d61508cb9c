"""Load from processes of their own, against a server that speaks Milvus's gRPC and remembers every request as bytes."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2  # type: ignore[import-untyped]

from tests.pymilvus_searcher import Searcher
from validation.checks.retrieval import by_connection
from validation.clients.login import Login
from validation.clients.searcher import LoadTarget, RawSearcher
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile, Search
from validation.judge.validity import faults
from validation.load import workers
from validation.load.histogram import Histogram


class Milvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]  # generated without types
    """Answers searches with three ids; all else is answered UNIMPLEMENTED."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.peers: list[str] = []
        self.code = 0

    def Connect(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802 - the name that gRPC calls
        return milvus_pb2.ConnectResponse(server_info=common_pb2.ServerInfo(build_tags="2.3.5"))

    def Search(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.peers.append(context.peer())
        self.requests.append(request.SerializeToString(deterministic=True))
        self.metadata.append({str(key): value for key, value in context.invocation_metadata()})
        ids = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[3, 1, 2]))
        data = schema_pb2.SearchResultData(num_queries=1, top_k=3, scores=[3, 2, 1], ids=ids, topks=[3], primary_field_name="id")
        return milvus_pb2.SearchResults(status=common_pb2.Status(code=self.code, reason="no"), results=data)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Milvus, str]]:
    milvus = Milvus()
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(milvus, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield milvus, f"http://127.0.0.1:{port}"
        server.stop(grace=1).wait()


@pytest.fixture
def milvus(served: tuple[Milvus, str]) -> Milvus:
    served[0].code = 0
    served[0].requests.clear()
    served[0].metadata.clear()
    served[0].peers.clear()
    return served[0]


@pytest.fixture
def search(profile: Profile) -> Search:
    return profile.search.model_copy(update={"warmup_requests": 4, "timeout_ms": 20_000})


def vectors(count: int) -> Matrix:
    return np.random.default_rng(1).standard_normal((count, 8)).astype(np.float32)


@pytest.mark.parametrize("consistency", ["Strong", "Bounded", "Session", "Eventually"])
@pytest.mark.parametrize("expression", ["", 'language == "en"'])
def test_what_is_sent_raw_is_what_pymilvus_sends_and_the_ids_are_the_same(
    milvus: Milvus, served: tuple[Milvus, str], search: Search, consistency: str, expression: str
) -> None:
    chosen = search.model_copy(update={"consistency": consistency})

    async def both() -> list[list[int]]:
        found = []
        kinds: tuple[Any, ...] = (Searcher, RawSearcher)
        for kind in kinds:
            async with kind(uri=served[1], database="db", collection="gate_x", search=chosen, limit=10) as searcher:
                found.append(await searcher.send(searcher.prepare(vectors(1)[0], expression)))
        return found

    assert asyncio.run(both()) == [[3, 1, 2], [3, 1, 2]]
    assert milvus.requests[0] == milvus.requests[1]
    through_pymilvus, raw = ({name: value for name, value in seen.items() if "request" not in name} for seen in milvus.metadata)
    assert raw.pop("user-agent") == "milvus-x10000-gate"
    connection_only = {"user-agent", "identifier"}  # the identifier numbers a connection of pymilvus in Milvus's list of clients
    assert raw == {name: value for name, value in through_pymilvus.items() if name not in connection_only}
    assert raw["dbname"] == "db"


def test_the_credential_goes_with_the_raw_bytes_as_with_pymilvus(milvus: Milvus, served: tuple[Milvus, str], search: Search) -> None:
    login = Login(user="root", password="sécret: with a colon")

    async def both() -> None:
        kinds: tuple[Any, ...] = (Searcher, RawSearcher)
        for kind in kinds:
            async with kind(uri=served[1], database="db", collection="gate_x", search=search, limit=10, login=login) as searcher:
                await searcher.send(searcher.prepare(vectors(1)[0], ""))

    asyncio.run(both())
    assert milvus.metadata[0]["authorization"] == milvus.metadata[1]["authorization"] != ""


def test_an_answer_that_is_an_error_is_one(milvus: Milvus, served: tuple[Milvus, str], search: Search) -> None:
    milvus.code = 100

    async def failing() -> None:
        async with RawSearcher(uri=served[1], database="default", collection="gate_x", search=search, limit=10, login=Login()) as searcher:
            await searcher.send(searcher.prepare(vectors(1)[0], ""))

    with pytest.raises(MilvusException, match="no"):
        asyncio.run(failing())


def test_every_search_is_dealt_once_and_each_process_has_the_same_mix() -> None:
    shares = workers.partition(vectors(10), [str(number) for number in range(10)], [float(number) for number in range(10)], 3)
    assert sorted(number for share in shares for number in share.numbers) == list(range(10))
    assert all([str(number) for number in share.numbers] == list(share.expressions) for share in shares)
    assert all(list(share.numbers) == list(share.due_s) for share in shares)
    assert len(workers.partition(vectors(2), ["", ""], [0.0, 1.0], 8)) == 2


def test_two_processes_start_together_and_bring_every_request_back_in_order(
    milvus: Milvus, served: tuple[Milvus, str], search: Search
) -> None:
    aim = LoadTarget(uri=served[1], database="default", collection="gate_x", search=search, limit=10)
    due = [number / 100 for number in range(60)]
    begin = time.monotonic()
    samples = workers.run_load(aim, workers.partition(vectors(60), [""] * 60, due, 2))
    assert [sample.number for sample in samples] == list(range(60))
    assert [sample.planned_s - samples[0].planned_s for sample in samples] == pytest.approx(due)
    assert begin < samples[0].planned_s < time.monotonic(), "one clock for all processes"
    assert {sample.error for sample in samples} == {""}
    assert {tuple(sample.ids) for sample in samples} == {(3, 1, 2)}
    assert {tuple(sample.scores) for sample in samples} == {(3, 2, 1)}
    assert len(milvus.requests) == 60 + 2 * search.warmup_requests
    assert len({*milvus.requests}) == len(milvus.requests), "a cache in front of Milvus is not warmed by what is timed"


def test_each_process_opens_as_many_connections_as_there_are_proxies_and_uses_them_evenly(
    milvus: Milvus, served: tuple[Milvus, str], search: Search
) -> None:
    without_warm_up = search.model_copy(update={"warmup_requests": 0})
    aim = LoadTarget(uri=served[1], database="default", collection="gate_x", search=without_warm_up, limit=10, connections=3)
    samples = workers.run_load(aim, workers.partition(vectors(60), [""] * 60, [number / 100 for number in range(60)], 2))
    assert {sample.error for sample in samples} == {""}
    assert sorted(Counter(milvus.peers).values()) == [10] * 6
    assert by_connection(samples, 2) == {f"{process}.{connection}": 10 for process in range(2) for connection in range(3)}


def test_a_generator_that_cannot_work_ends_the_run_and_says_why(served: tuple[Milvus, str], search: Search) -> None:
    aim = LoadTarget(uri=served[1], database="default", collection="gate_x", search=search, limit=10)
    nonsense: Any = [5, 5]
    with pytest.raises(InvalidRunError, match="a load generator could not work: TypeError"):
        workers.run_load(aim, workers.partition(vectors(2), nonsense, [0.0, 0.01], 1))


def test_a_generator_that_dies_ends_the_run_and_no_process_is_left(
    served: tuple[Milvus, str], search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    aim = LoadTarget(uri=served[1], database="default", collection="gate_x", search=search, limit=10)

    def kill_one(_pipe: object, _patience_s: float) -> None:
        multiprocessing.active_children()[0].kill()

    monkeypatch.setattr(workers, "_await_ready", kill_one)
    with pytest.raises(InvalidRunError, match="ended in the middle of the run"):
        workers.run_load(aim, workers.partition(vectors(2), ["", ""], [0.0, 0.01], 1))
    assert multiprocessing.active_children() == []


def test_a_generator_that_gets_no_cpu_makes_the_run_invalid(
    served: tuple[Milvus, str], search: Search, profile: Profile, good: Measurements
) -> None:
    aim = LoadTarget(uri=served[1], database="default", collection="gate_x", search=search, limit=10)
    timers: list[threading.Timer] = []

    def starve(_start_s: float) -> None:
        pid = multiprocessing.active_children()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        timers.append(threading.Timer(1, os.kill, (pid, signal.SIGCONT)))
        timers[0].start()

    samples = workers.run_load(aim, workers.partition(vectors(120), [""] * 120, [number / 100 for number in range(120)], 1), started=starve)
    timers[0].join()
    delay = Measurement(value=Histogram(sample.delay_s for sample in samples).percentile_ms(99), samples=len(samples))
    seen = list(faults(profile, good | {"search_delay_p99_ms": delay}, {}))
    assert [fault for fault in seen if "the gate's own sending delay p99 was" in fault and "give it more CPU" in fault]


def test_a_generator_whose_gate_has_ended_ends_as_well_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_reads(*_: object) -> None:
        theirs.send(("ready", None))

    monkeypatch.setattr(workers, "_send", nobody_reads)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    with pytest.raises(BrokenPipeError):
        nobody_reads()
    workers._generate(None, None, theirs)  # type: ignore[arg-type]  # neither is looked at
