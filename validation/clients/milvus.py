"""The vector store: one collection of this run's own, from its creation until it is dropped.

It owns everything that is sent to Milvus apart from the timed searches (`searcher.py`), and refuses to touch a collection that it did
not make. pymilvus retries by itself until a call's time-out; every call here has one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import BytesValue
from pymilvus import DataType, MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.client.types import SegmentState  # type: ignore[import-untyped]
from pymilvus.grpc_gen import milvus_pb2  # type: ignore[import-untyped]

from validation.clients.http import CONNECT_TIMEOUT_S
from validation.clients.login import Logins
from validation.clients.milvus_connection import DEFAULT_TLS, Clients, Tls, check_address, open_clients
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError, UnreachableError, UsageError
from validation.judge.profile import Index, Search

PREFIX = "gate_"
_TIMEOUT_S = 60  # a whole number: given any other, pymilvus waits for an index for ever
_NO_LOGINS = Logins()

_SCHEMA = {"fields": ()}
"""Keeps pymilvus from asking Milvus for it before each write; it reads none of it where the request is there already."""
# scalar fields of text, with their most bytes
STRINGS = {"document_id": 1_024, "title": 1_024, "section": 1_024, "language": 16, "source": 1_024, "sha256": 64, "object_key": 1_024}
STRINGS |= {"version_id": 1_024, "time_code": 16, "access": 32, "fingerprint": 64, "text": 8_192, "notes": 4_096}
NUMBERS = ("bucket", "page", "position", "siblings")
SCALARS = ("id", "generated", *NUMBERS, *STRINGS)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the collection: the chunk, its number, and a bucket of 0..99 for filters of any selectivity."""

    id: int
    bucket: int
    chunk: Chunk

    def fields(self) -> dict[str, Any]:
        """Return the scalar fields as they are stored."""
        return {name: getattr(self if name in {"id", "bucket"} else self.chunk, name) for name in SCALARS}


def fill(fields: Any, rows: Sequence[Row], vectors: Matrix) -> None:  # noqa: ANN401 - a repeated FieldData, which has no types
    """Add a column for each field of the collection; `vectors` has one row for each of `rows`, in their order."""
    chunks = [row.chunk for row in rows]
    fields.add(field_name="id", type=DataType.INT64).scalars.long_data.data.extend(row.id for row in rows)
    fields.add(field_name="generated", type=DataType.BOOL).scalars.bool_data.data.extend(chunk.generated for chunk in chunks)
    for name in NUMBERS:
        numbers = map(attrgetter(name), rows if name == "bucket" else chunks)
        fields.add(field_name=name, type=DataType.INT32).scalars.int_data.data.extend(numbers)
    for name in STRINGS:
        fields.add(field_name=name, type=DataType.VARCHAR).scalars.string_data.data.extend(map(attrgetter(name), chunks))
    column = fields.add(field_name="vector", type=DataType.FLOAT_VECTOR).vectors
    column.dim = vectors.shape[1]
    # a FloatArray's only field is packed, so it is sent as one field of bytes is, without a loop over floats
    column.float_vector.MergeFromString(BytesValue(value=vectors.astype("<f4").tobytes()).SerializeToString())


@contextmanager
def failures_named(uri: str, doing: str) -> Iterator[None]:
    """Turn whatever pymilvus raises inside into InvalidRunError, saying what was being done."""
    try:
        yield
    except MilvusException as error:
        raise InvalidRunError(f"Milvus at {uri} failed while {doing}: code {error.code}, {error.message}") from error
    except grpc.RpcError as error:
        detail = error.details() if isinstance(error, grpc.Call) else error
        raise InvalidRunError(f"Milvus at {uri} failed while {doing}: {detail}") from error


def pages(client: MilvusClient, name: str, size: int, **options: Any) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401 - as pymilvus takes them
    """Yield all rows of a collection, so many at once, with Strong consistency."""
    asked = client.query_iterator(name, batch_size=size, consistency_level="Strong", timeout=_TIMEOUT_S, **options)
    try:
        yield from iter(asked.next, [])
    finally:
        asked.close()


def each_there(client: MilvusClient, look: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name of each collection and what `look` sees of it; one that is dropped meanwhile is no failure."""
    for name in sorted(client.list_collections(timeout=_TIMEOUT_S)):
        try:
            yield name, look(name)
        except MilvusException:
            if client.has_collection(name, timeout=_TIMEOUT_S):
                raise


def connect(uri: str, database: str, logins: Logins = _NO_LOGINS, tls: Tls = DEFAULT_TLS) -> "VectorStore":
    """Return a connected store; UnreachableError within CONNECT_TIMEOUT_S, naming the address."""
    users = "does it know the users of the Secrets milvus-search, -ingest and -admin? pulumi up --refresh"
    users = "does it ask who is there, and the target names no Secret? pulumi up" if logins == _NO_LOGINS else users
    cure = f"is it up? kubectl get pods --all-namespaces; does this machine have a route to it? {users}"
    try:
        check_address(uri, tls)
        return VectorStore(uri, open_clients(uri, database, logins, tls), logins, tls)
    except OSError as error:
        raise UnreachableError(f"Milvus at {uri} does not answer ({error}); {cure}") from error
    except MilvusException as error:
        raise UnreachableError(f"something answers at {uri}, but not as Milvus does ({error.message}); {cure}") from error


class VectorStore:
    """A connection to one Milvus database."""

    def __init__(self, uri: str, clients: Clients, logins: Logins, tls: Tls) -> None:
        self.uri, self.clients, self.logins, self.tls = uri, clients, logins, tls

    def close(self) -> None:
        """Close the connection."""
        self.clients.close()

    def server_version(self) -> str:
        """Return the version that the server says it has."""
        with failures_named(self.uri, "asking for its version"):
            return str(self.clients.search.get_server_version(timeout=CONNECT_TIMEOUT_S))

    def now_s(self) -> float:
        """Return the time of Milvus's own clock in seconds, from a new time stamp; 0 where it gives none."""
        with failures_named(self.uri, "asking for a time stamp"):
            stamp = self.clients.writer.alloc_timestamp(timeout=CONNECT_TIMEOUT_S, context=self.clients.context)
        return (int(stamp) >> 18) / 1e3  # below are 18 bits of a counter

    def collections_of_gates(self) -> list[str]:
        """Return the names of all collections that look like a gate run's."""
        return [name for name in self.names() if name.startswith(PREFIX)]

    def names(self) -> list[str]:
        """Return the names of all collections."""
        with failures_named(self.uri, "listing collections"):
            return sorted(self.clients.search.list_collections(timeout=_TIMEOUT_S))

    def overview(self) -> list[dict[str, Any]]:
        """Return each collection with its rows, whether it is loaded, and how many segments query nodes hold of it."""
        ask = self.clients.search

        def look(name: str) -> dict[str, Any]:
            rows, state = ask.get_collection_stats(name, timeout=_TIMEOUT_S)["row_count"], ask.get_load_state(name)["state"].name
            held = self.clients.admin.list_loaded_segments(name, timeout=_TIMEOUT_S) if state == "Loaded" else []
            return {"name": name, "rows": int(rows), "state": state, "segments": len(held)}

        with failures_named(self.uri, "listing collections"):
            return [seen for _, seen in each_there(ask, look)]

    def drop(self, name: str) -> None:
        """Remove a collection; UsageError where there is none of that name."""
        if name not in (there := self.names()):
            raise UsageError(f"there is no collection {name!r}; there are: {', '.join(there) or 'none'}")
        self.collection(name).drop()

    def refuse_taken(self, name: str) -> None:
        """Refuse a name that is taken: that collection is somebody else's, and is left alone."""
        with failures_named(self.uri, "looking for collections"):
            taken = self.clients.search.has_collection(name, timeout=_TIMEOUT_S)
        if taken:
            raise InvalidRunError(f"collection {name} is there already and not this run's: it is left alone; run again")

    def collection(self, name: str) -> "Collection":
        """Return the handle of a collection, whether or not it is there yet."""
        return Collection(self.uri, self.clients, name)


class Collection:
    """One collection; each method raises InvalidRunError where Milvus fails."""

    def __init__(self, uri: str, clients: Clients, name: str) -> None:
        self.name, self.clients, self._uri = name, clients, uri
        self._read, self._write, self._admin = clients.search, clients.ingest, clients.admin

    def create(self, dimension: int, index: Index, description: str = "") -> None:
        """Create the collection with its index, and load it, empty."""
        schema = self._write.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("generated", DataType.BOOL)
        for field in NUMBERS:
            schema.add_field(field, DataType.INT32)
        for field, length in STRINGS.items():
            schema.add_field(field, DataType.VARCHAR, max_length=length)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        params = self._write.prepare_index_params()
        params.add_index("vector", index_type=index.type, metric_type=index.metric, params=index.params)
        options: dict[str, Any] = {"schema": schema, "index_params": params, "consistency_level": "Strong"}
        self._ask("creating collection", self._write.create_collection, **options)

    def drop(self) -> None:
        """Remove the collection and all that Milvus keeps for it; one that is not there is no error."""
        self._ask("dropping collection", self._admin.drop_collection)

    def insert(self, rows: Sequence[Row], matrix: Matrix) -> None:
        """Insert one batch; it is acknowledged when this returns. `matrix` holds the vectors of all rows: row.id is the place in it."""
        with failures_named(self._uri, f"inserting into {self.name}"):
            count = self.write(rows, matrix[[row.id for row in rows]], replacing=False)
        if count != len(rows):
            raise InvalidRunError(f"Milvus acknowledged {count} of {len(rows)} rows of a batch")

    def write(self, rows: Sequence[Row], vectors: Matrix, *, replacing: bool) -> int:
        """Insert a batch, or upsert it, and return how many rows Milvus acknowledged; MilvusException, or grpc's own error, where it fails.

        `vectors` has one row for each of `rows`. For a fiftieth of the CPU of pymilvus's rows of dictionaries, of which it looks at every
        value: the same message is filled a column at a time. Retries, time-out and errors of the call are pymilvus's own.
        """
        request = (milvus_pb2.UpsertRequest if replacing else milvus_pb2.InsertRequest)(collection_name=self.name, num_rows=len(rows))
        fill(request.fields_data, rows, vectors)
        common = {"timeout": _TIMEOUT_S, "context": self.clients.context, "schema": _SCHEMA}
        if replacing:
            return int(self.clients.writer.upsert(self.name, [], upsert_param=request, **common).upsert_count)
        return int(self.clients.writer.batch_insert(self.name, [], insert_param=request, **common).insert_count)

    def delete(self, ids: Sequence[int]) -> None:
        """Delete the rows with these ids."""
        self._ask("deleting rows of", self._write.delete, ids=list(ids))

    def wait_until_found(self, row: Row, vector: Matrix, patience_s: float) -> None:
        """Return as soon as a search with Strong consistency finds the row."""
        self._wait(lambda: self.holds(row, vector), f"a search finds row {row.id}", patience_s)

    def holds(self, row: Row, vector: Matrix) -> bool:
        """Whether a search for this very id finds it, with Strong consistency: so few rows are searched one by one, without an index."""
        options: dict[str, Any] = {"data": [vector], "filter": f"id == {row.id}", "limit": 1, "consistency_level": "Strong"}
        hits = self._ask(f"searching row {row.id} of", self._read.search, **options)
        return bool(hits and hits[0])

    def index(self) -> tuple[str, str]:
        """Return type and metric of the index over vectors."""
        names = self._ask("asking for the index of", self._read.list_indexes, field_name="vector")  # of others, it has any name
        about = (self._ask("asking for the index of", self._read.describe_index, names[0]) if names else None) or {}
        return str(about.get("index_type", "")), str(about.get("metric_type", ""))

    def wait_until_seen(self, row: Row, vector: Matrix, search: Search, patience_s: float) -> None:
        """Return as soon as a search as the profile's users send it finds the row, near duplicates or not."""
        self._wait(lambda: row.id in self.nearest(vector, 10, search), f"users find row {row.id}", patience_s, 0.02)

    def flush(self) -> None:
        """Seal what was inserted. Once per run: Milvus allows one flush in ten seconds for each collection."""
        self._ask("flushing", self._write.flush, timeout=_TIMEOUT_S * 5)

    def wait_until_indexed(self, total: int, patience_s: float) -> None:
        """Return when no row waits for its index and as many are indexed as were sent; the state alone says less."""

        def is_indexed() -> bool:
            index = self._read.describe_index(self.name, "vector", timeout=_TIMEOUT_S) or {}
            return index.get("pending_index_rows") == 0 and index.get("indexed_rows") == index.get("total_rows") == total

        self._wait(is_indexed, f"all {total} rows are indexed", patience_s)

    def reload(self, patience_s: float) -> None:
        """Release and load again, so that what is searched is what the object store holds, and no row is left in a growing segment."""
        self._ask("loading", self._admin.release_collection)
        self._ask("loading", self._admin.load_collection, timeout=patience_s)

    def count(self) -> int:
        """Return how many rows can be read, with Strong consistency."""
        answer = self._ask("counting", self._read.query, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(answer[0]["count(*)"])

    def read(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the rows with these ids, all fields and the vector."""
        options: dict[str, Any] = {"filter": f"id in {list(ids)}", "output_fields": [*SCALARS, "vector"], "consistency_level": "Strong"}
        return {int(row["id"]): dict(row) for row in self._ask("reading rows of", self._read.query, **options)}

    def nearest(self, vector: Matrix, limit: int, search: Search) -> list[int]:
        """Return the ids of the nearest rows, best first, without a filter."""
        params = {"params": search.chosen_index.searching(limit)}
        options: dict[str, Any] = {"data": [vector], "limit": limit, "search_params": params, "consistency_level": search.consistency}
        return [int(hit["id"]) for hit in self._ask("searching", self._read.search, **options)[0]]

    def sealed_rows(self) -> int:
        """Return how many rows query nodes hold in sealed segments; Milvus 2.3 does not list growing ones at all."""
        segments = self._ask("asking for the segments of", self._admin.list_loaded_segments)
        return sum(segment.num_rows for segment in segments if segment.state == SegmentState.Sealed)

    def wait_until_sealed(self, total: int, patience_s: float) -> None:
        """Return when query nodes hold all rows in sealed segments."""
        self._wait(lambda: self.sealed_rows() == total, f"query nodes hold all {total} rows in sealed segments", patience_s)

    def compact(self) -> int:
        """Ask Milvus to merge segments; return the number of the job."""
        return int(self._ask("compacting", self._admin.compact))

    def compaction_state(self, job: int) -> str:
        """Return `Executing` or `Completed`, as Milvus says it."""
        with failures_named(self._uri, f"asking for the compaction of {self.name}"):
            return str(self._admin.get_compaction_state(job, timeout=_TIMEOUT_S))

    def _ask(self, doing: str, call: Callable[..., Any], *more: object, timeout: float = _TIMEOUT_S, **options: Any) -> Any:  # noqa: ANN401 - pymilvus has no types
        with failures_named(self._uri, f"{doing} {self.name}"):
            return call(self.name, *more, timeout=timeout, **options)

    def _wait(self, is_reached: Callable[[], bool], what: str, patience_s: float, poll_s: float = 0.25) -> None:
        deadline = time.monotonic() + patience_s
        with failures_named(self._uri, f"waiting until {what}"):
            while not is_reached():
                if time.monotonic() > deadline:
                    raise InvalidRunError(f"Milvus at {self._uri}: waited {patience_s:g} s until {what}, in vain; see the Milvus pod's log")
                time.sleep(poll_s)
