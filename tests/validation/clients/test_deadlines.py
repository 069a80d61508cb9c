"""A service that sends a byte now and then for ever is left when its time is over: httpx, botocore and gRPC count from the last byte."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pymilvus import MilvusException  # type: ignore[import-untyped]
from pymilvus.client import grpc_handler  # type: ignore[import-untyped]
from pymilvus.client.types import IndexState  # type: ignore[import-untyped]

from tests.validation.clients.test_clients import SOURCES
from validation.backup import content
from validation.clients import documents, milvus, milvus_connection, retrieval_models
from validation.clients.asking import AskService
from validation.clients.documents import Credential, DocumentStore
from validation.clients.http import Access
from validation.clients.llm import LanguageModel
from validation.clients.retrieval_models import EmbeddingService, Reranker
from validation.clients.searcher import RawSearcher
from validation.judge.errors import UnreachableError
from validation.judge.profile import Profile

HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"
NO_HTTP = b""
PATIENCE_S = 8


@contextmanager
def trickling(begin: bytes) -> Iterator[str]:
    """Answer every connection with `begin`, then with a byte again and again."""
    over, threads = threading.Event(), list[threading.Thread]()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(begin)
                while not over.wait(0.02):
                    connection.sendall(b" ")
            except OSError:
                return

    def serve(server: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=serve, args=(server,))
        accepting.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)
    for thread in (accepting, *threads):
        thread.join()


def embed(url: str) -> None:
    EmbeddingService(url, "tiny", 4).time_one("x")


def rerank(url: str) -> None:
    Reranker(url, "tiny").rank("x", ["y"])


def list_models(url: str) -> None:
    EmbeddingService(url, "tiny", 4).check()


def ask(url: str) -> None:
    LanguageModel(url, "tiny", 0.5).ask("x", SOURCES)


def stream(url: str) -> None:
    async def listen() -> None:
        async for _ in LanguageModel(url, "tiny", 0.5).stream("x", SOURCES):
            pass

    asyncio.run(listen())


def read_original(url: str) -> None:
    credential = Credential(access_key="AKID", secret_key="verysecret")
    DocumentStore(endpoint=url, region="us-east-1", bucket="documents", credential=credential, ca_file=None).read_version("a", "1")


def search_by_the_service(url: str) -> None:
    AskService(url, 0.5, Access()).search("x", "c", 1)


@pytest.mark.parametrize("begin", [HEADERS, BODY])
@pytest.mark.parametrize("call", [embed, rerank, list_models, ask, stream, read_original, search_by_the_service])
def test_bytes_that_trickle_for_ever_end_with_the_time_of_the_call(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[str], None], begin: bytes
) -> None:
    monkeypatch.setattr(retrieval_models, "_TIMEOUT_S", 0.5)
    monkeypatch.setattr(documents, "_TOTAL_S", 0.5)
    with trickling(begin) as url:
        begun_s = time.monotonic()
        with pytest.raises(UnreachableError, match=url.removeprefix("http://") + r"|did not end its answer within 0\.5 s"):
            call(url)
        assert time.monotonic() - begun_s < PATIENCE_S


def test_a_milvus_that_trickles_is_left_too(monkeypatch: pytest.MonkeyPatch, profile: Profile) -> None:
    for module in (milvus, milvus_connection):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.5)
    search = profile.search.model_copy(update={"timeout_ms": 500})

    async def one_search(url: str) -> None:
        options: dict[str, Any] = {"uri": url, "database": "default", "collection": "x", "search": search, "limit": 10}
        async with RawSearcher(**options) as searcher:
            await searcher.send(searcher.prepare(np.ones(4, dtype=np.float32), ""))

    with trickling(NO_HTTP) as url:
        begun_s = time.monotonic()
        with pytest.raises(UnreachableError):
            milvus.connect(url, "default")
        with pytest.raises(Exception, match=r"."):
            asyncio.run(one_search(url))
        assert time.monotonic() - begun_s < 2 * PATIENCE_S


@pytest.mark.parametrize("timeout_s", [milvus._TIMEOUT_S, content._TIMEOUT_S])
def test_an_index_that_milvus_never_makes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, timeout_s: float) -> None:
    clock = iter(range(1000))  # which ends a wait that nothing else ends
    monkeypatch.setattr(grpc_handler, "time", SimpleNamespace(time=lambda: next(clock), sleep=lambda _: None))
    handler = grpc_handler.GrpcHandler.__new__(grpc_handler.GrpcHandler)
    monkeypatch.setattr(handler, "alloc_timestamp", lambda **_: 0)
    monkeypatch.setattr(handler, "get_index_state", lambda *_, **__: (IndexState.InProgress, ""))
    with pytest.raises(MilvusException, match="timeout"):
        handler.wait_for_creating_index("gate", "vector", timeout=timeout_s)
