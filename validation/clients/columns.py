"""Rows as the columns that Milvus takes, for a fiftieth of the CPU that pymilvus needs to make them from dictionaries.

`MilvusClient.insert` and `upsert` look at every value of every row by itself, which costs more than all else that ingest does. Here the
same message is filled a column at a time, and the matrix goes in as the bytes that it is. The call itself, with its retries, time-out,
credential, database and errors, is pymilvus's own.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from google.protobuf.wrappers_pb2 import BytesValue
from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.grpc_gen import milvus_pb2  # type: ignore[import-untyped]

from validation.clients.milvus import NUMBERS, STRINGS, Row
from validation.clients.vectors import Matrix

_SCHEMA = {"fields": ()}
"""Keeps pymilvus from asking Milvus for it before each call; it reads none of it where the request is there already."""


def write(client: MilvusClient, collection: str, rows: Sequence[Row], vectors: Matrix, *, replacing: bool, timeout_s: float) -> None:
    """Insert a batch, or upsert it; it is acknowledged when this returns. MilvusException, or grpc's own error, when it is not."""
    handler, context = client._get_connection(), client._generate_call_context()  # noqa: SLF001 - pymilvus has no public way to them
    kind, send, ready = (
        (milvus_pb2.UpsertRequest, handler.upsert, "upsert_param")
        if replacing
        else (milvus_pb2.InsertRequest, handler.batch_insert, "insert_param")
    )
    request = kind(collection_name=collection, num_rows=len(rows))
    fill(request.fields_data, rows, vectors)
    send(collection, [], timeout=timeout_s, context=context, schema=_SCHEMA, **{ready: request})


def fill(fields: Any, rows: Sequence[Row], vectors: Matrix) -> None:  # noqa: ANN401 - a repeated FieldData, which has no types
    """Add a column for each field of the collection."""
    chunks = [row.chunk for row in rows]
    fields.add(field_name="id", type=DataType.INT64).scalars.long_data.data.extend(row.id for row in rows)
    fields.add(field_name="generated", type=DataType.BOOL).scalars.bool_data.data.extend(chunk.generated for chunk in chunks)
    for name in NUMBERS:
        numbers = map(attrgetter(name), rows if name == "bucket" else chunks)
        fields.add(field_name=name, type=DataType.INT32).scalars.int_data.data.extend(numbers)
    for name in STRINGS:
        fields.add(field_name=name, type=DataType.VARCHAR).scalars.string_data.data.extend(map(attrgetter(name), chunks))
    found = fields.add(field_name="vector", type=DataType.FLOAT_VECTOR).vectors
    found.dim = vectors.shape[1]
    found.float_vector.MergeFromString(_packed(vectors))


def _packed(vectors: Matrix) -> bytes:
    """Return a FloatArray as it is sent: its only field is packed, so it looks as one field of bytes does, without a loop over floats."""
    return bytes(BytesValue(value=vectors.astype("<f4").tobytes()).SerializeToString())
