"""The timed searches: asyncio over gRPC, any number under way at once, ids only, so that the client adds as little as it can.

Two clients behind one Protocol. `Searcher` is pymilvus as an application uses it. `RawSearcher` sends bytes that pymilvus's own builder
made before the clock started, with credential and database as pymilvus adds them to a call, over a connection of its own (`unary.py`),
and keeps the bytes of the answer: the ids are read after the clock stopped. The same requests and results for a fraction of the CPU. It
does not retry: what fails is counted.
"""

import asyncio
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from pymilvus import AsyncMilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.client import ts_utils  # type: ignore[import-untyped]
from pymilvus.client.prepare import Prepare  # type: ignore[import-untyped]
from pymilvus.grpc_gen import milvus_pb2  # type: ignore[import-untyped]

from validation.clients import milvus_tls
from validation.clients.milvus_login import Login
from validation.clients.milvus_tls import Tls
from validation.clients.unary import Done, UnaryCalls, framed
from validation.clients.vectors import Matrix
from validation.judge.profile import Search

_METHOD = "/milvus.proto.milvus.MilvusService/Search"
_CHANNEL = {"grpc.initial_reconnect_backoff_ms": 200, "grpc.max_reconnect_backoff_ms": 500}
"""A server that comes back is found within half a second: left alone, gRPC waits up to two minutes, which would count as an outage."""
_NOBODY = Login()
Request = TypeVar("Request")


class Searching(Protocol[Request]):
    """What the load generator needs: requests made beforehand, and sent."""

    def prepare(self, vector: Matrix, expression: str) -> Request:
        """Make the request; nothing is sent."""

    async def send(self, request: Request) -> list[int]:
        """Return the ids found, best first; raises on any failure, after the profile's time-out at the latest."""


class _Searches(Generic[Request]):
    """An async context manager that knows one collection and how a profile searches it."""

    def __init__(
        self,
        *,
        uri: str,
        database: str,
        collection: str,
        search: Search,
        limit: int,
        login: Login = _NOBODY,
        tls: Tls = milvus_tls.DEFAULT,
    ) -> None:
        self._uri, self._database, self._collection = uri, database, collection
        self._login, self._tls = login, tls
        self._limit = limit
        self._params = {"params": search.chosen_index.searching(limit)}
        self._consistency = search.consistency
        self._timeout_s = search.timeout_ms / 1e3


class Searcher(_Searches[tuple[Matrix, str]]):
    """Searches as an application does."""

    async def __aenter__(self) -> Self:
        options = {**self._login.options(), **self._tls.options()}
        self._client = AsyncMilvusClient(uri=self._uri, db_name=self._database, timeout=self._timeout_s, grpc_options=_CHANNEL, **options)
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)

    def prepare(self, vector: Matrix, expression: str) -> tuple[Matrix, str]:
        """Return both as they are: pymilvus builds its request when it sends."""
        return vector, expression

    async def send(self, request: tuple[Matrix, str]) -> list[int]:
        """Search through pymilvus."""
        vector, expression = request
        hits = await self._client.search(
            self._collection,
            data=[vector],
            filter=expression,
            limit=self._limit,
            search_params=self._params,
            consistency_level=self._consistency,
            timeout=self._timeout_s,
        )
        return [int(hit.id) for hit in hits[0]]


class RawSearcher(_Searches[bytes]):
    """Searches with bytes that are ready."""

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(milvus_tls.check, self._uri, self._tls)
        self._calls = UnaryCalls(
            url=milvus_tls.with_port(self._uri),
            method=_METHOD,
            metadata=(("dbname", self._database), *self._login.metadata()),
            timeout_s=self._timeout_s,
            ssl_context=milvus_tls.context(self._tls) if self._uri.startswith("https://") else None,
            server_name=self._tls.server_name,
        )
        await self._calls.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._calls.__aexit__(kind, error, trace)

    def prepare(self, vector: Matrix, expression: str) -> bytes:
        """Return the request as pymilvus would send it: the same builder, the same guarantee timestamp; framed for the wire."""
        settings: dict[str, Any] = {"consistency_level": self._consistency}
        default = ts_utils.construct_guarantee_ts(self._collection, settings, self._uri, self._database)
        request = Prepare.search_requests_with_expr(
            collection_name=self._collection,
            anns_field="",
            param=self._params,
            limit=self._limit,
            data=[vector],
            expr=expression,
            use_default_consistency=default,
            expr_params={},
            **settings,
        )
        return framed(request.SerializeToString())

    async def send(self, request: bytes) -> list[int]:
        """Send the bytes and read the answer; MilvusException when Milvus answers with an error, CallError when it does not answer."""
        return self.read(await self._calls.ask(request))

    def fire(self, request: bytes, done: Done) -> None:
        """Send the bytes and return; `done` gets the answer as it came, or the CallError, at the moment of its end."""
        self._calls.fire(request, done)

    @staticmethod
    def read(answer: bytes) -> list[int]:
        """Return the ids of an answer, best first; MilvusException when it says that the search failed."""
        results = milvus_pb2.SearchResults.FromString(answer)
        if results.status.code or results.status.error_code:
            raise MilvusException(code=results.status.code or results.status.error_code, message=results.status.reason)
        return list(results.results.ids.int_id.data)
