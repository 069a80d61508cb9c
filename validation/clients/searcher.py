"""The timed searches: asyncio over gRPC, any number under way at once, ids only, so that the client adds as little as it can."""

from types import TracebackType
from typing import Self

from pymilvus import AsyncMilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.profile import Search
from validation.truth import Matrix


class Searcher:
    """An async context manager that searches one collection as a profile says."""

    def __init__(self, *, uri: str, database: str, collection: str, search: Search, limit: int) -> None:
        self._client = AsyncMilvusClient(uri=uri, db_name=database, timeout=search.timeout_ms / 1e3)
        self._collection = collection
        self._limit = limit
        self._params = {"params": {"ef": search.ef}}
        self._consistency = search.consistency
        self._timeout_s = search.timeout_ms / 1e3

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def search(self, vector: Matrix, expression: str) -> list[int]:
        """Return the ids found, best first; raises whatever pymilvus raises, after the profile's time-out at the latest."""
        hits = await self._client.search(
            self._collection,
            data=[vector],
            filter=expression,
            limit=self._limit,
            search_params=self._params,
            consistency_level=self._consistency,
            timeout=self._timeout_s,
        )
        return [int(hit["id"]) for hit in hits[0]]
