"""The timed searches: asyncio over gRPC, any number under way at once, ids only, so that the client adds as little as it can.

The bytes that are sent were made by pymilvus's own builder before the clock started; ids are read from the answer after it stopped. They
go over connections of `grpc_unary`: the same requests and results as through pymilvus (a test compares them) for a fraction of the CPU. It
does not retry: what fails is counted. A Service leaves a connection with one proxy, so there are as many, used in turn, as proxies.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Self

from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.client import ts_utils  # type: ignore[import-untyped]
from pymilvus.client.prepare import Prepare  # type: ignore[import-untyped]
from pymilvus.grpc_gen import milvus_pb2  # type: ignore[import-untyped]

from grpc_unary import Done, UnaryCalls, framed
from validation.clients.login import Login
from validation.clients.milvus_connection import DEFAULT_TLS, Tls, check_address, with_port
from validation.clients.vectors import Matrix
from validation.judge.profile import Search


@dataclass(kw_only=True)
class LoadTarget:
    """Where searches go, and how; it reaches a process through a pipe, never as an argument."""

    uri: str
    database: str
    collection: str
    search: Search
    limit: int
    login: Login = field(default_factory=Login)
    tls: Tls = DEFAULT_TLS
    connections: int = 1  # of each generator: as many as Milvus has proxies

    def searcher(self) -> "RawSearcher":
        """Return a client for it; nothing is sent before it is entered."""
        return RawSearcher(**vars(self))


@dataclass(kw_only=True)
class RawSearcher(LoadTarget):
    """An async context manager that knows one collection and how a profile searches it."""

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(check_address, self.uri, self.tls)
        metadata = (("user-agent", "milvus-x10000-gate"), ("dbname", self.database), *self.login.metadata())
        options: dict[str, Any] = {"url": with_port(self.uri), "method": "/milvus.proto.milvus.MilvusService/Search", "metadata": metadata}
        async with AsyncExitStack() as opening:
            calls = list[UnaryCalls]()
            for _ in range(self.connections):
                context = self.tls.ssl_context() if self.uri.startswith("https://") else None
                secure: dict[str, Any] = {"ssl_context": context, "server_name": self.tls.server_name}
                calls.append(await opening.enter_async_context(UnaryCalls(timeout_s=self.search.timeout_ms / 1e3, **options, **secure)))
            self._turns = cycle(enumerate(calls))
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    def prepare(self, vector: Matrix, expression: str) -> bytes:
        """Return the request as pymilvus would send it: the same builder, the same guarantee timestamp; framed for the wire."""
        settings: dict[str, Any] = {"consistency_level": self.search.consistency}
        default = ts_utils.construct_guarantee_ts(self.collection, settings, self.uri, self.database)
        asked: dict[str, Any] = {"collection_name": self.collection, "anns_field": "", "data": [vector], "expr": expression}
        how = {"param": {"params": self.search.chosen_index.searching(self.limit)}, "limit": self.limit, "expr_params": {}}
        return framed(Prepare.search_requests_with_expr(use_default_consistency=default, **asked, **how, **settings).SerializeToString())

    async def send(self, request: bytes) -> list[int]:
        """Send the bytes and read the answer; MilvusException when Milvus answers with an error, CallError when it does not answer."""
        return self.read(await next(self._turns)[1].ask(request))[0]

    def fire(self, request: bytes, done: Done) -> int:
        """Send the bytes and return the number of the connection; `done` gets the answer or the CallError at the moment of its end."""
        connection, calls = next(self._turns)
        calls.fire(request, done)
        return connection

    @staticmethod
    def read(answer: bytes) -> tuple[list[int], list[float]]:
        """Return the ids of an answer, best first, and their scores; MilvusException when it says that the search failed."""
        results = milvus_pb2.SearchResults.FromString(answer)
        if results.status.code or results.status.error_code:
            raise MilvusException(code=results.status.code or results.status.error_code, message=results.status.reason)
        return list(results.results.ids.int_id.data), list(results.results.scores)
