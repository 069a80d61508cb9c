"""Ingest on the lab's Milvus: a second one changes nothing, and of a changed folder exactly the difference; embedding is taken out."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pymilvus import DataType  # type: ignore[import-untyped]  # pymilvus ships no types

from tests.e2e.lab import Lab
from tests.validation.clients.test_columns import MATRIX, ROWS, dictionaries, plain
from validation.clients import milvus
from validation.clients.milvus import VectorStore
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.ingest import pipeline
from validation.corpus.ingest.pipeline import Job, Tally
from validation.corpus.ingest.store import FolderCollection
from validation.judge.errors import UsageError
from validation.judge.profile import Index

pytestmark = pytest.mark.e2e
DIMENSION = 8
LARGEST = 2**63 - 1
"""Milvus 2.3 counts a row with this id and never gives it back."""
INDEX = Index(type="HNSW", metric="COSINE", params={"M": 8, "efConstruction": 32}, search_params={"ef": 16})


def vectors(chunks: Sequence[Chunk]) -> Matrix:
    """One direction for each text: enough to see which rows are there."""
    digests = [list(hashlib.sha256(chunk.passage.encode()).digest()[:DIMENSION]) for chunk in chunks]
    return unit(np.array(digests, dtype=np.float32) - 127.5)


@pytest.fixture(scope="module")
def store(lab: Lab) -> Iterator[VectorStore]:
    address = lab.kubectl("-n", "rag", "get", "service", "milvus")["spec"]["clusterIP"]
    with closing(milvus.connect(f"http://{address}:19530", "default")) as found:
        yield found


@pytest.fixture(scope="module")
def made(store: VectorStore) -> Iterator[FolderCollection]:
    found = FolderCollection(store, f"ingest_test_{secrets.token_hex(4)}")
    assert found.open("hash", DIMENSION, INDEX)
    yield found
    found.collection.drop()


@pytest.fixture
def collection(made: FolderCollection) -> FolderCollection:
    """Empty the collection of these tests: making one takes Milvus seconds."""
    for source in made.known():
        made.remove(source)
    return made


def ingest(folder: Path, collection: FolderCollection) -> Tally:
    assert not collection.open("hash", DIMENSION, INDEX)
    return pipeline.run(Job(root=folder, collection=collection, embed=vectors, dimension=DIMENSION, originals=None))


def contents(collection: FolderCollection) -> dict[int, str]:
    ids = [int(row["id"]) for row in collection._rows(filter="id >= 0", output_fields=["id"])]
    return {number: found["text"] for number, found in collection.collection.read(ids).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a folder of several kinds, with one document that nobody can read."""
    root = tmp_path / "docs"
    (root / "de").mkdir(parents=True)
    (root / "a.md").write_text("# A\n\nOne.\n\n## B\n\nTwo.\n")
    (root / "de" / 'qu"ote 🚚.csv').write_text("part,price\nwheel,14\n")
    (root / "paper.html").write_text("<h1>P</h1><p>Page one.</p><h2>Q</h2><p>Page two.</p>")
    (root / "gone.txt").write_text("Soon gone.")
    (root / "broken.md").write_bytes(b"%PDF-1.7 broken")
    return root


def test_ingest_twice_changes_nothing_and_of_a_changed_folder_exactly_the_difference(folder: Path, collection: FolderCollection) -> None:
    first = ingest(folder, collection)
    assert (len(first.added), first.written, first.rows, [one.source for one in first.refused]) == (4, 6, 6, ["broken.md"])
    before = contents(collection)
    again = ingest(folder, collection)
    assert (again.added, again.changed, again.removed, again.unchanged, again.written, again.deleted) == ([], [], [], 4, 0, 0)
    assert contents(collection) == before

    (folder / "a.md").write_text("# A\n\nOne.\n\n## B\n\nThree.\n")
    (folder / "gone.txt").unlink()
    (folder / "new.txt").write_text("Just come.")
    (folder / "paper.html").write_bytes(b"%PDF-1.7 broken now")
    third = ingest(folder, collection)
    assert (third.added, third.changed, third.removed, third.unchanged) == (["new.txt"], ["a.md"], ["gone.txt"], 1)
    after = contents(collection)
    assert {before[gone] for gone in before.keys() - after.keys()} == {"Two.", "Soon gone."}
    assert {after[came] for came in after.keys() - before.keys()} == {"Three.", "Just come."}
    assert {"Page one.", "Page two."} <= set(after.values()), "what cannot be read this time is kept"
    assert third.rows == len(after) == 6


def test_rows_by_columns_arrive_as_pymilvus_brings_them(collection: FolderCollection) -> None:
    readable = [number for number, row in enumerate(ROWS) if row.id < LARGEST]
    rows, given, found = [ROWS[number] for number in readable], [one for one in dictionaries() if one["id"] < LARGEST], []
    for way in ("columns", "rows"):
        if way == "columns":
            collection.write(rows, MATRIX[readable], replacing=False)
        else:
            collection._write.insert(collection.name, given, timeout=60)
        found.append({number: plain(one) for number, one in collection.collection.read([row.id for row in rows]).items()})
        for source in collection.known():
            collection.remove(source)
    assert found[0] == found[1] == {row.id: plain(one) for row, one in zip(rows, given, strict=True)}


def test_a_run_that_was_killed_half_way_is_put_right_by_the_next(folder: Path, collection: FolderCollection) -> None:
    ingest(folder, collection)
    whole = contents(collection)
    lost = next(number for number, text in whole.items() if text == "Two.")
    collection._write.delete(collection.name, ids=[lost], timeout=60)
    again = ingest(folder, collection)
    assert (again.changed, contents(collection)) == (["a.md"], whole)


def test_an_empty_folder_removes_nothing(folder: Path, collection: FolderCollection) -> None:
    ingest(folder, collection)
    for path in (one for one in folder.rglob("*") if one.is_file()):
        path.unlink()
    with pytest.raises(UsageError, match="they are kept, since a folder that is not mounted looks the same"):
        ingest(folder, collection)
    assert len(contents(collection)) == 6


def test_a_collection_of_another_model_is_left_alone(collection: FolderCollection) -> None:
    with pytest.raises(UsageError, match=r"holds vectors of another model \(model hash; dimension 8\)"):
        collection.open("other", DIMENSION, INDEX)


def test_a_collection_of_somebody_else_is_left_alone(store: VectorStore, folder: Path) -> None:
    theirs = FolderCollection(store, f"ingest_test_{secrets.token_hex(4)}")
    schema = store.clients.admin.create_schema(auto_id=False, description="of somebody else")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    store.clients.admin.create_collection(theirs.name, schema=schema, timeout=60)
    try:
        with pytest.raises(UsageError, match="was not made by ingest"):
            ingest(folder, theirs)
    finally:
        theirs.collection.drop()
