"""Searches with bytes made beforehand find on the lab's Milvus what pymilvus finds."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab.places import REPOSITORY
from tests.e2e.lab import Lab
from tests.pymilvus_searcher import Searcher
from validation.checks import gate  # noqa: F401  # its measures are what an SLO file may name
from validation.clients.searcher import RawSearcher
from validation.judge.slo_file import read_profile

pytestmark = pytest.mark.e2e
VECTORS = np.random.default_rng(5).standard_normal((300, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def collection(lab: Lab) -> Iterator[tuple[str, str]]:
    """Make a small collection of these tests' own, and drop it; return Milvus's address and its name."""
    uri = f"http://{lab.kubectl('-n', 'rag', 'get', 'service', 'milvus')['spec']['clusterIP']}:19530"
    name = f"raw_{secrets.token_hex(4)}"
    milvus = MilvusClient(uri=uri, timeout=30)
    try:
        milvus.create_collection(name, dimension=16, metric_type="COSINE", consistency_level="Strong", timeout=60)
        milvus.insert(name, [{"id": number, "vector": vector} for number, vector in enumerate(VECTORS)], timeout=60)
        yield uri, name
    finally:
        milvus.drop_collection(name, timeout=60)
        milvus.close()


@pytest.mark.parametrize("expression", ["", "id < 100"])
def test_both_clients_find_the_same_rows_in_the_same_order(collection: tuple[str, str], expression: str) -> None:
    uri, name = collection
    search = read_profile(REPOSITORY / "validation" / "slo.lab.yaml").search.model_copy(update={"consistency": "Strong"})

    async def found(kind: Any) -> list[list[int]]:
        async with kind(uri=uri, database="default", collection=name, search=search, limit=10) as searcher:
            return [await searcher.send(searcher.prepare(vector, expression)) for vector in VECTORS[:20]]

    through_pymilvus, raw = asyncio.run(found(Searcher)), asyncio.run(found(RawSearcher))
    assert raw == through_pymilvus
    assert [ids[0] for ids in raw] == list(range(20)), "each vector finds itself first"
