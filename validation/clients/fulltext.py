"""A collection that is searched by words, by vectors, and by both: BM25 inside Milvus (2.5 or newer), fused by reciprocal rank.

Milvus turns text into sparse vectors by itself, with the word statistics of the whole collection; the gate sends it nothing but text.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pymilvus import AnnSearchRequest, DataType, Function, FunctionType, RRFRanker  # type: ignore[import-untyped]  # it ships no types

from validation.clients.milvus import Collection, Row, failures_named
from validation.clients.vectors import Matrix
from validation.judge.profile import Index, Search

FIRST_VERSION = (2, 5)
_TIMEOUT_S = 60.0


class FullText:
    """One collection with a dense and a sparse field."""

    def __init__(self, uri: str, collection: Collection, search: Search) -> None:
        self._uri, self._search = uri, search
        self._name = collection.name
        self._read, self._write = collection.clients.search, collection.clients.ingest

    def create(self, dimension: int, index: Index) -> None:
        """Create it, empty and loaded."""
        schema = self._write.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=65_535, enable_analyzer=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        words = Function(name="words", function_type=FunctionType.BM25, input_field_names=["text"], output_field_names=["words"])
        schema.add_function(words)
        params = self._write.prepare_index_params()
        params.add_index("vector", index_type=index.type, metric_type=index.metric, params=index.params)
        params.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        with failures_named(self._uri, f"creating collection {self._name} with full-text search"):
            self._write.create_collection(self._name, schema=schema, index_params=params, consistency_level="Strong", timeout=_TIMEOUT_S)

    def insert(self, rows: Sequence[Row], matrix: Matrix) -> None:
        """Insert rows: what is embedded is what is searched by words."""
        data = [{"id": row.id, "text": row.chunk.passage, "vector": matrix[row.id]} for row in rows]
        with failures_named(self._uri, f"inserting into {self._name}"):
            self._write.insert(self._name, data, timeout=_TIMEOUT_S)

    def dense(self, _text: str, vector: Matrix, limit: int) -> list[int]:
        """Search by the vector alone."""
        params = {"params": self._search.chosen_index.searching(limit)}
        return self._ids("search", data=[vector], anns_field="vector", limit=limit, search_params=params)

    def sparse(self, text: str, _vector: Matrix, limit: int) -> list[int]:
        """Search by the words alone."""
        return self._ids("search", data=[text], anns_field="words", limit=limit)

    def hybrid(self, text: str, vector: Matrix, limit: int) -> list[int]:
        """Search by both, and fuse the two lists by reciprocal rank."""
        params = {"metric_type": self._search.chosen_index.metric, "params": self._search.chosen_index.searching(limit)}
        requests = [
            AnnSearchRequest(data=[vector], anns_field="vector", param=params, limit=limit),
            AnnSearchRequest(data=[text], anns_field="words", param={"metric_type": "BM25"}, limit=limit),
        ]
        # 60 is the constant of Cormack, Clarke and Büttcher (SIGIR 2009), and Milvus's own default
        return self._ids("hybrid_search", reqs=requests, ranker=RRFRanker(60), limit=limit)

    def _ids(self, method: Literal["search", "hybrid_search"], **options: Any) -> list[int]:  # noqa: ANN401 - as pymilvus takes them
        with failures_named(self._uri, f"searching {self._name}"):
            hits = getattr(self._read, method)(self._name, consistency_level="Strong", timeout=_TIMEOUT_S, **options)
            return [int(hit["id"]) for hit in hits[0]]
