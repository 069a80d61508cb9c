"""The timed searches through pymilvus, as an application sends them: what the gate's own client is held against."""

from typing import Any, Self, cast

from pymilvus import AsyncMilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.clients.searcher import RawSearcher
from validation.clients.vectors import Matrix

_CHANNEL = {"grpc.initial_reconnect_backoff_ms": 200, "grpc.max_reconnect_backoff_ms": 500}
"""A server that comes back is found within half a second: left alone, gRPC waits up to two minutes, which would count as an outage."""


class Searcher(RawSearcher):
    """Searches as an application does."""

    async def __aenter__(self) -> Self:
        options = {**self.login.options(), **self.tls.options()}
        self._client = AsyncMilvusClient(
            uri=self.uri, db_name=self.database, timeout=self.search.timeout_ms / 1e3, grpc_options=_CHANNEL, **options
        )
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    def prepare(self, vector: Matrix, expression: str) -> bytes:
        """Return both as they are: pymilvus builds its request when it sends."""
        return cast("bytes", (vector, expression))

    async def send(self, request: bytes) -> list[int]:
        """Search through pymilvus."""
        vector, expression = cast("tuple[Matrix, str]", request)
        options: dict[str, Any] = {
            "search_params": {"params": self.search.chosen_index.searching(self.limit)},
            "consistency_level": self.search.consistency,
            "timeout": self.search.timeout_ms / 1e3,
        }
        hits = await self._client.search(self.collection, data=[vector], filter=expression, limit=self.limit, **options)
        return [int(hit.id) for hit in hits[0]]
