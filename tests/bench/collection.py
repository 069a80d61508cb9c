"""The benchmark's own collection on the lab's Milvus, made for one run and removed after it."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

PREFIX = "bench_"
ROWS, DIMENSION = 2_000, 384
_BATCH = 500
_PATIENCE_S = 120.0


@contextmanager
def made(uri: str) -> Iterator[str]:
    """Yield the name of a collection that is indexed and loaded; drop it at the end, and at the beginning those of killed runs."""
    client = MilvusClient(uri=uri, timeout=30)
    name = f"{PREFIX}{secrets.token_hex(4)}"
    try:
        for left in client.list_collections():
            if left.startswith(PREFIX):  # one run at a time holds the lab: this one's is left over
                client.drop_collection(left, timeout=60)
        _make(client, name)
        yield name
    finally:
        client.drop_collection(name, timeout=60)
        client.close()


def _make(client: MilvusClient, name: str) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 100})
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Bounded", timeout=60)
    rows = np.random.default_rng(1).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    for first in range(0, ROWS, _BATCH):
        batch = range(first, min(first + _BATCH, ROWS))
        client.insert(name, [{"id": number, "vector": rows[number]} for number in batch], timeout=60)
    client.flush(name, timeout=120)
    _wait_until_indexed(client, name)
    client.release_collection(name, timeout=60)  # so that nothing is left in a growing segment, which would be scanned
    client.load_collection(name, timeout=120)


def _wait_until_indexed(client: MilvusClient, name: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        seen = client.describe_index(name, "vector", timeout=60) or {}
        if seen.get("pending_index_rows") == 0 and seen.get("indexed_rows") == ROWS:
            return
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"Milvus did not index {ROWS} rows within {_PATIENCE_S:g} s: {seen}; see the Milvus pod's log")
        time.sleep(0.25)
