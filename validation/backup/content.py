"""A collection as lines: what it is like, each row as one line of JSON in the order of its key, and parts cut where keys say.

Vectors are base64 of little-endian float32, so a line says exactly what Milvus holds. A part ends after a key whose hash says so, not
after a number of rows: a new row changes the part that it falls into, and every other one stays what it was, byte for byte.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

from validation.clients.milvus import failures_named, pages
from validation.clients.target import Part
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError, UsageError

Key = int | str
_PART_ROWS, _BATCH_ROWS = 2_000, 1_000  # of a part on average, of a batch at most
_PART_BYTES, _PAGE_BYTES, _BATCH_BYTES, _ROW_BYTES = 32 << 20, 4 << 20, 8 << 20, 2_048
_TIMEOUT_S = 60  # a whole number: given any other, pymilvus waits for an index for ever
_SUPPORTED = {
    *(DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.FLOAT, DataType.DOUBLE),
    *(DataType.VARCHAR, DataType.JSON, DataType.ARRAY, DataType.FLOAT_VECTOR),
}
_OF_STATE = {"field_name", "index_name", "index_type", "metric_type", "total_rows", "indexed_rows", "pending_index_rows", "state"}


class Field(Part):
    """One field of a schema; `type` and `element_type` are Milvus's numbers."""

    name: str
    type: int
    description: str = ""
    is_primary: bool = False
    options: dict[str, Any]


class VectorIndex(Part):
    """One index."""

    field: str
    name: str
    type: str
    metric: str = ""
    params: dict[str, Any]


class Shape(Part):
    """What a collection is like without its rows."""

    description: str
    fields: tuple[Field, ...]
    indexes: tuple[VectorIndex, ...]
    dynamic: bool
    auto_id: bool  # of the original; a restored one keeps the keys that there are, so Milvus gives it none
    consistency: str
    shards: int
    partition_keys: int  # number of partitions behind a partition key; 0 without one
    partitions: tuple[str, ...]
    aliases: tuple[str, ...]

    @property
    def key(self) -> Field:
        """The primary key."""
        return next(field for field in self.fields if field.is_primary)

    @property
    def vectors(self) -> list[Field]:
        """The fields that hold a vector."""
        return [field for field in self.fields if field.type == DataType.FLOAT_VECTOR]

    @property
    def readable(self) -> tuple[str, ...]:
        """The partitions to read one by one; one nameless part where a key decides which row lies where."""
        return ("",) if self.partition_keys else self.partitions

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes on the wire."""
        return _ROW_BYTES + sum(4 * int(field.options["dim"]) for field in self.vectors)


class Line(NamedTuple):
    """One row."""

    key: Key
    text: bytes


class Rows:
    """The rows of one collection, read and written through Milvus; InvalidRunError where it fails."""

    def __init__(self, client: MilvusClient, uri: str, name: str) -> None:
        self.name, self.client, self.uri = name, client, uri

    def is_there(self) -> bool:
        """Whether there is such a collection."""
        with failures_named(self.uri, f"looking for collection {self.name}"):
            return bool(self.client.has_collection(self.name, timeout=_TIMEOUT_S))

    def shape(self) -> Shape:
        """Return what it is like; UsageError for what cannot be backed up or is not loaded."""
        with failures_named(self.uri, f"describing collection {self.name}"):
            about = self.client.describe_collection(self.name, timeout=_TIMEOUT_S)
            state = str(self.client.get_load_state(self.name, timeout=_TIMEOUT_S).get("state", ""))
            indexes = [self.client.describe_index(self.name, index, timeout=_TIMEOUT_S) for index in self.client.list_indexes(self.name)]
            partitions = sorted(self.client.list_partitions(self.name, timeout=_TIMEOUT_S))
        fields = tuple(map(_field, about["fields"]))
        foreign = [f"{field.name} ({DataType(field.type).name})" for field in fields if DataType(field.type) not in _SUPPORTED]
        if foreign or about.get("functions"):
            what = ", ".join(foreign) or "functions, such as BM25"
            raise UsageError(f"collection {self.name} has {what}, which this backup does not keep yet; name the others with --collection")
        if not state.endswith("Loaded"):
            raise UsageError.of("backup.released", name=self.name, state=state)
        keyed = any(field.options.get("is_partition_key") for field in fields)
        return Shape(
            description=about.get("description", ""),
            fields=fields,
            indexes=tuple(map(_index, indexes)),
            dynamic=bool(about.get("enable_dynamic_field")),
            auto_id=bool(about.get("auto_id")),
            consistency=str(about.get("consistency_level_name") or "Bounded"),
            shards=int(about.get("num_shards", 1)),
            partition_keys=int(about.get("num_partitions", 0)) if keyed else 0,
            partitions=() if keyed else tuple(partitions),
            aliases=tuple(sorted(about.get("aliases", ()))),
        )

    def count(self) -> int:
        """Return how many rows Milvus counts, with Strong consistency."""
        with failures_named(self.uri, f"counting {self.name}"):
            options = {"output_fields": ["count(*)"], "consistency_level": "Strong", "timeout": _TIMEOUT_S}
            return int(self.client.query(self.name, filter="", **options)[0]["count(*)"])

    def lines(self, shape: Shape, partition: str) -> Iterator[Line]:
        """Yield every row in the order of its key; InvalidRunError where Milvus gives a key twice or out of order."""
        with failures_named(self.uri, f"reading {self.name}"):
            size, chosen, last = max(1, min(1_000, _PAGE_BYTES // shape.row_bytes)), [partition] if partition else None, None
            rows = pages(self.client, self.name, size, partition_names=chosen, output_fields=["*"])
            for line in (encode(row, shape) for page in rows for row in page):
                if last is not None and not last < line.key:  # type: ignore[operator]  # keys of one collection have one type
                    raise InvalidRunError.of("backup.order", key=line.key, name=self.name, last=last)
                last = line.key
                yield line

    def create(self, shape: Shape) -> None:
        """Create it with its partitions and indexes, and load it; what is there of it already, since a restore was killed, stays."""
        with failures_named(self.uri, f"creating collection {self.name}"):
            if not self.is_there():
                self._create(shape)
            there = self.client.list_partitions(self.name, timeout=_TIMEOUT_S)
            for partition in set(shape.partitions) - set(there):
                self.client.create_partition(self.name, partition, timeout=_TIMEOUT_S)
            made, indexes = self.client.list_indexes(self.name), self.client.prepare_index_params()
            for index in (index for index in shape.indexes if index.name not in made):
                named = {"index_name": index.name, "index_type": index.type, **({"metric_type": index.metric} if index.metric else {})}
                indexes.add_index(index.field, **named, params=index.params)
            if len(indexes):
                self.client.create_index(self.name, indexes, timeout=_TIMEOUT_S)
            self.client.load_collection(self.name, timeout=_TIMEOUT_S)

    def _create(self, shape: Shape) -> None:
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=shape.dynamic, description=shape.description)
        for field in shape.fields:
            element = {"element_type": DataType(field.options["element_type"])} if "element_type" in field.options else {}
            named = {"is_primary": field.is_primary, "description": field.description}
            schema.add_field(field.name, DataType(field.type), **named, **(field.options | element))
        more = {"num_partitions": shape.partition_keys} if shape.partition_keys else {}
        common = {"consistency_level": shape.consistency, "num_shards": shape.shards, "timeout": _TIMEOUT_S}
        self.client.create_collection(self.name, schema=schema, **common, **more)

    def is_begun(self, shape: Shape) -> bool:
        """Whether it is a collection that `create` was killed in: without a row, and not loaded or without an index."""
        with failures_named(self.uri, f"looking at collection {self.name}"):
            state = str(self.client.get_load_state(self.name, timeout=_TIMEOUT_S).get("state", ""))
            rows = int(self.client.get_collection_stats(self.name, timeout=_TIMEOUT_S).get("row_count", 0))
            fields = tuple(map(_field, self.client.describe_collection(self.name, timeout=_TIMEOUT_S)["fields"]))
            made = self.client.list_indexes(self.name)
        return not rows and fields == shape.fields and (not state.endswith("Loaded") or len(made) < len(shape.indexes))

    def write(self, shape: Shape, partition: str, lines: Sequence[Line], *, replacing: bool) -> None:
        """Insert rows in batches of bounded size, or upsert them where some may be there already."""
        send = self.client.upsert if replacing else self.client.insert
        size = max(1, min(_BATCH_ROWS, _BATCH_BYTES // shape.row_bytes))
        for first in range(0, len(lines), size):
            batch = [decode(line.text, shape) for line in lines[first : first + size]]
            with failures_named(self.uri, f"writing to {self.name}"):
                send(self.name, batch, timeout=_TIMEOUT_S, **({"partition_name": partition} if partition else {}))

    def settle(self, shape: Shape, patience_s: float) -> None:
        """Flush, and wait until no row waits for its index."""

        def pending() -> bool:
            states = [self.client.describe_index(self.name, index.name, timeout=_TIMEOUT_S) or {} for index in shape.indexes]
            return any(state.get("pending_index_rows") for state in states)

        with failures_named(self.uri, f"sealing {self.name}"):
            self.client.flush(self.name, timeout=_TIMEOUT_S * 5)
            try:
                retry(retry=retry_if_result(bool), stop=stop_after_delay(patience_s), wait=wait_fixed(0.5))(pending)()
            except RetryError:
                raise InvalidRunError(f"rows of {self.name} still wait for their index after {patience_s:g} s; see Milvus's log") from None

    def nearest(self, index: VectorIndex, queries: Matrix, limit: int, params: Mapping[str, Any]) -> list[list[tuple[Key, float]]]:
        """Return keys and scores of the nearest rows of each query, best first."""
        options = {"anns_field": index.field, "search_params": {"params": dict(params)}, "consistency_level": "Strong"}
        with failures_named(self.uri, f"searching {self.name}"):
            answers = self.client.search(self.name, data=list(queries), limit=limit, timeout=_TIMEOUT_S, **options)
        return [[(hit.id, float(hit["distance"])) for hit in answer] for answer in answers]


def _field(about: Mapping[str, Any]) -> Field:
    options = {name: about["params"][name] for name in ("max_length", "dim", "max_capacity") if name in about.get("params", {})}
    options |= {name: about[name] for name in ("is_partition_key", "nullable", "default_value", "element_type") if about.get(name)}
    if "element_type" in options:
        options["element_type"] = int(options["element_type"])
    kind, primary = int(about["type"]), bool(about.get("is_primary"))
    return Field(name=about["name"], type=kind, description=about.get("description", ""), is_primary=primary, options=options)


def _index(about: Mapping[str, Any]) -> VectorIndex:
    # Milvus gives the parameters of an index back as text
    params = {name: int(text) if str(text).lstrip("-").isdigit() else text for name, text in about.items() if name not in _OF_STATE}
    metric = about.get("metric_type", "")
    return VectorIndex(field=about["field_name"], name=about["index_name"], type=about["index_type"], metric=metric, params=params)


def encode(row: Mapping[str, Any], shape: Shape) -> Line:
    """Return a row as one line of JSON, the same for the same row."""
    plain = dict(row)
    for field in shape.vectors:
        plain[field.name] = base64.b64encode(np.asarray(row[field.name], dtype="<f4").tobytes()).decode()
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=list)
    return Line(row[shape.key.name], text.encode() + b"\n")


def decode(text: bytes, shape: Shape) -> dict[str, Any]:
    """Return the row of a line."""
    row: dict[str, Any] = json.loads(text)
    for field in shape.vectors:
        row[field.name] = np.frombuffer(base64.b64decode(row[field.name]), dtype="<f4")
    return row


def cut(lines: Iterable[Line], rows: int = _PART_ROWS, most: int = _PART_BYTES) -> Iterator[list[Line]]:
    """Cut rows into parts where the hash of a key says so, or where a part grows too large."""
    part, size = list[Line](), 0
    for line in lines:
        part.append(line)
        size += len(line.text)
        if zlib.crc32(str(line.key).encode()) % rows == 0 or size >= most:
            yield part
            part, size = [], 0
    if part:
        yield part


def digest_of(lines: Sequence[Line]) -> str:
    """Return the hash of rows in their order."""
    return hashlib.sha256(b"".join(line.text for line in lines)).hexdigest()


def access(client: MilvusClient) -> dict[str, Any]:
    """Return users, and roles with what they may do; without passwords, which Milvus gives to nobody."""
    try:
        names = client.list_roles(timeout=_TIMEOUT_S)
        roles = {name: client.describe_role(name, timeout=_TIMEOUT_S).get("privileges", []) for name in names}
        return {"users": sorted(client.list_users(timeout=_TIMEOUT_S)), "roles": json.loads(json.dumps(roles, default=str))}
    except (MilvusException, grpc.RpcError) as error:
        return {"not_read": f"this user may not read users and roles ({type(error).__name__})"}
