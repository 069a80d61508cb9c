"""The timed searches: asyncio over gRPC, any number under way at once, ids only, so that the client adds as little as it can.

Two clients behind one Protocol. `Searcher` is pymilvus as an application uses it. `RawSearcher` sends bytes that pymilvus's own builder
made before the clock started, with what pymilvus adds to a call (credential, database), over a connection of its own (`unary.py`), and
keeps the bytes of the answer: whoever holds the clock reads the ids afterwards. The same requests and results for a fraction of the CPU. It
does not retry: what fails is counted.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from grpc.aio import ClientCallDetails
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


class _Connected(Generic[Request]):
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
        timeout_s = search.timeout_ms / 1e3
        known = {**login.options(), **tls.options()}
        self._uri, self._tls = uri, tls
        self._client = AsyncMilvusClient(uri=uri, db_name=database, timeout=timeout_s, grpc_options=_CHANNEL, **known)
        self._database = database
        self._collection = collection
        self._limit = limit
        self._params = {"params": search.chosen_index.searching(limit)}
        self._consistency = search.consistency
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)


class Searcher(_Connected[tuple[Matrix, str]]):
    """Searches as an application does."""

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


class RawSearcher(_Connected[bytes]):
    """Searches with bytes that are ready."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        handler = await self._client._get_connection()  # noqa: SLF001 - pymilvus has no public way to what it adds to a call
        self._address: str = handler.server_address
        added = await _added(handler._final_channel._unary_unary_interceptors, (("dbname", self._database),))  # noqa: SLF001
        self._calls = UnaryCalls(uri=self._uri, method=_METHOD, metadata=added, timeout_s=self._timeout_s, tls=self._tls)
        try:
            await self._calls.__aenter__()
        except BaseException:
            await super().__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._calls.__aexit__(kind, error, trace)
        await super().__aexit__(kind, error, trace)

    def prepare(self, vector: Matrix, expression: str) -> bytes:
        """Return the request as pymilvus would send it: the same builder, the same guarantee timestamp; framed for the wire."""
        settings: dict[str, Any] = {"consistency_level": self._consistency}
        default = ts_utils.construct_guarantee_ts(self._collection, settings, self._address, self._database)
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


async def _added(interceptors: Sequence[Any], metadata: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call after pymilvus's interceptors, asked once: credential and identifier stay the same for a connection."""
    details: Any = ClientCallDetails(_METHOD, None, metadata, None, None)  # type: ignore[arg-type]  # a plain tuple, as pymilvus hands it in

    async def keep(changed: Any, _request: bytes) -> Any:  # noqa: ANN401 - ClientCallDetails, unchanged
        return changed

    for interceptor in interceptors:
        details = await interceptor.intercept_unary_unary(keep, details, b"")
    return tuple(details.metadata)
