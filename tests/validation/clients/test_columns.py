"""Rows written by columns are those that pymilvus writes from dictionaries: the same message, the same rows, the same failures."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import grpc
import numpy as np
import pytest
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.client.prepare import Prepare  # type: ignore[import-untyped]
from pymilvus.grpc_gen import milvus_pb2  # type: ignore[import-untyped]

from tests.validation.lite import Lite, milvus
from validation.clients.login import Login, Logins
from validation.clients.milvus import Collection, Row, VectorStore, connect, each_there, fill
from validation.clients.passages import Chunk
from validation.corpus.ingest.store import row
from validation.judge.profile import Index

DIMENSION = 8
INDEX = Index(type="HNSW", metric="L2", params={"M": 8, "efConstruction": 32}, search_params={"ef": 16})
PLAIN = Chunk(document_id="a.md", title="A", section="", language="en", source="a.md", sha256="0" * 64, text="One.", fingerprint="f" * 64)
CHUNKS = [
    PLAIN,
    replace(PLAIN, source="zh/手册.md", language="zh", title="叉车手册", section="充电", text="电池在二十分钟内充满。" * 90),
    replace(
        PLAIN,
        source="ja/議事録.vtt",
        language="ja",
        time_code="00:01:02",
        text="バッテリーは二十分で充電されます。𠮷野家で。",
        page=2**31 - 1,
    ),
    replace(PLAIN, source='de/qu"ote 🚚.csv', access="hr", generated=True, position=7, siblings=9, object_key="k", version_id="v"),
    replace(PLAIN, text="zero \0 byte, \\ and\nlines\ttoo"),
]
ROWS = [
    *map(row, CHUNKS),
    Row(id=2**63 - 1, bucket=99, chunk=PLAIN),
    Row(id=2**63 - 2, bucket=0, chunk=CHUNKS[1]),
    Row(id=2**53 + 1, bucket=1, chunk=CHUNKS[2]),
]
EDGES = np.array([1e-45, -0.0, 3.4028235e38, -1.1754944e-38, 0.1, 1 / 3, 16_777_217, -1], dtype=np.float32)
MATRIX = np.vstack([EDGES, np.random.default_rng(3).standard_normal((len(ROWS) - 1, DIMENSION)).astype(np.float32)])


@pytest.fixture(scope="module")
def seen() -> list[Mapping[str, str]]:
    """What each writing call said beside its request."""
    return []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, seen: list[Mapping[str, str]]) -> Iterator[tuple[Lite, VectorStore]]:
    insert = Lite.Insert

    def noting(lite: Lite, request: Any, context: grpc.ServicerContext) -> Any:
        seen.append({key: str(value) for key, value in context.invocation_metadata()})
        return insert(lite, request, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lite, "Insert", noting)
        with milvus(tmp_path_factory.mktemp("lite")) as (lite, uri), closing(connect(uri, "default")) as store:
            yield lite, store


@pytest.fixture(scope="module")
def pair(served: tuple[Lite, VectorStore]) -> tuple[Collection, Collection]:
    """Make two collections, which takes half a second each."""
    by_columns, by_rows = (served[1].collection(f"by_{way}") for way in ("columns", "rows"))
    by_columns.create(DIMENSION, INDEX)
    by_rows.create(DIMENSION, INDEX)
    return by_columns, by_rows


@pytest.fixture
def client(served: tuple[Lite, VectorStore]) -> MilvusClient:
    served[0].heal()
    return served[1].clients.ingest


@pytest.fixture
def made(pair: tuple[Collection, Collection], client: MilvusClient) -> Collection:
    """Empty them, and return that of the columns."""
    for one in pair:
        client.delete(one.name, filter="id >= 0", timeout=60)
    return pair[0]


def dictionaries() -> list[dict[str, Any]]:
    return [{**one.fields(), "vector": vector} for one, vector in zip(ROWS, MATRIX, strict=True)]


@pytest.mark.parametrize("kind", ["Insert", "Upsert"])
def test_the_message_is_that_of_pymilvus(client: MilvusClient, made: Collection, kind: str) -> None:
    fields = client.describe_collection(made.name)["fields"]
    build = Prepare.row_insert_param if kind == "Insert" else Prepare.row_upsert_param
    wanted = build(made.name, dictionaries(), "", fields)
    request = getattr(milvus_pb2, f"{kind}Request")(collection_name=made.name, num_rows=len(ROWS))
    fill(request.fields_data, ROWS, MATRIX)
    assert request == wanted
    assert request.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@pytest.mark.parametrize("replacing", [False, True])
def test_what_arrives_is_what_pymilvus_brings(
    client: MilvusClient, made: Collection, pair: tuple[Collection, Collection], *, replacing: bool
) -> None:
    by_rows = pair[1]
    (client.upsert if replacing else client.insert)(by_rows.name, dictionaries(), timeout=60)
    made.write(ROWS, MATRIX, replacing=replacing)
    ids = [one.id for one in ROWS]
    found, wanted = made.read(ids), by_rows.read(ids)
    assert list(found) == list(wanted)
    assert {number: plain(one) for number, one in found.items()} == {number: plain(one) for number, one in wanted.items()}
    for one, vector in zip(ROWS, MATRIX, strict=True):
        assert plain(found[one.id]) == plain({**one.fields(), "vector": vector})
    assert made.count() == len(ROWS)


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the vector as its bytes, which tells -0.0 from 0.0 also."""
    return {**fields, "vector": np.asarray(fields["vector"], dtype=np.float32).tobytes()}


def test_a_row_that_is_replaced_is_there_once(made: Collection) -> None:
    made.write(ROWS, MATRIX, replacing=False)
    later = [replace(one, chunk=replace(one.chunk, text="新しい。")) for one in ROWS]
    made.write(later, MATRIX[::-1], replacing=True)
    assert {one["text"] for one in made.read([one.id for one in ROWS]).values()} == {"新しい。"}
    assert made.count() == len(ROWS)


def test_it_is_written_to_the_database_and_as_the_user_of_the_client(
    served: tuple[Lite, VectorStore], made: Collection, seen: list[Mapping[str, str]]
) -> None:
    logins = Logins(ingest=lambda: Login(user="writer", password="of its own"))
    with closing(connect(served[1].uri, "default", logins)) as store:
        store.clients.ingest.insert(made.name, dictionaries()[:1], timeout=60)
        store.collection(made.name).write(ROWS[:1], MATRIX[:1], replacing=False)
    by_rows, by_columns = ({key: value for key, value in one.items() if "request" not in key} for one in seen[-2:])
    assert by_rows == by_columns
    assert (by_columns["dbname"], by_columns["authorization"]) == ("default", by_rows["authorization"])


class _Once:
    """True when it is first asked, and false from then on."""

    def __init__(self) -> None:
        self.asked = 0

    def __bool__(self) -> bool:
        self.asked += 1
        return self.asked == 1


def test_a_call_that_meets_nobody_is_made_again(served: tuple[Lite, VectorStore], made: Collection) -> None:
    lite, _ = served
    gone = _Once()
    lite.is_gone = cast("bool", gone)
    made.write(ROWS, MATRIX, replacing=False)
    lite.heal()
    assert gone.asked > 1
    assert made.count() == len(ROWS)


@pytest.mark.parametrize("name", ["nowhere", None])
@pytest.mark.parametrize("replacing", [False, True])
def test_what_milvus_refuses_is_said_as_pymilvus_says_it(
    served: tuple[Lite, VectorStore], client: MilvusClient, made: Collection, name: str | None, *, replacing: bool
) -> None:
    """A collection that is not there; vectors of another dimension."""
    with pytest.raises(MilvusException) as by_rows:
        (client.upsert if replacing else client.insert)(name or made.name, [{**one, "vector": [0.5]} for one in dictionaries()], timeout=60)
    with pytest.raises(MilvusException) as by_columns:
        served[1].collection(name or made.name).write(ROWS, MATRIX[:, :1], replacing=replacing)
    assert (by_columns.value.code, by_columns.value.message) == (by_rows.value.code, by_rows.value.message)
    assert made.count() == 0


def test_a_collection_that_is_dropped_while_all_are_looked_at_is_left_out_and_any_other_failure_is_raised(client: MilvusClient) -> None:
    for name in ("dropped_before", "seen"):
        client.create_collection(name, dimension=2)

    def look(name: str) -> str:
        client.drop_collection("dropped_before")
        return str(client.describe_collection(name)["collection_name"])

    def fail(_: str) -> None:
        raise MilvusException(message="another failure")

    try:
        found = dict(each_there(client, look))
        assert "dropped_before" not in found
        assert found["seen"] == "seen"
        with pytest.raises(MilvusException, match="another failure"):
            list(each_there(client, fail))
    finally:
        client.drop_collection("seen")
