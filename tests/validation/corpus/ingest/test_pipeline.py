"""Ingest against a Milvus in this process: notes are kept and told again, and what a store refuses is that file's note."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.validation import lite
from tests.validation.corpus.ingest import files
from tests.validation.corpus.reading.made import zipped
from validation.clients import milvus
from validation.clients.documents import DocumentStore, Original
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.ingest import pipeline, store
from validation.corpus.ingest.pipeline import Job, Tally
from validation.corpus.ingest.store import FolderCollection
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.profile import Index
from validation.run.record import Reporter, run_and_report
from validation.suites.ingest import IngestRecord, _write

DIMENSION = 8
INDEX = Index(type="HNSW", metric="COSINE", params={"M": 8, "efConstruction": 32}, search_params={"ef": 16})


class Originals(DocumentStore):
    """A documents bucket that refuses some keys."""

    def __init__(self, *refused: str) -> None:
        self.bucket, self._refused = "docs", refused

    def store(self, key: str, body: bytes, media_type: str) -> Original:
        assert (body, media_type) > (b"", "")
        if key.rpartition("/")[2] in self._refused:
            raise InvalidRunError(f"cannot write {key} to bucket docs: the store answered InvalidArgument")
        return Original(key=key, version_id="", written=True)


def vectors(chunks: Sequence[Chunk]) -> Matrix:
    if any("poison" in chunk.text for chunk in chunks):
        raise InvalidRunError("the embedding service answered 400")
    digests = [list(hashlib.sha256(chunk.passage.encode()).digest()[:DIMENSION]) for chunk in chunks]
    return unit(np.array(digests, dtype=np.float32) - 127.5)


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[FolderCollection]:
    with lite.milvus(tmp_path / "milvus") as (_, uri), closing(milvus.connect(uri, "default")) as connected:
        made = FolderCollection(connected, "docs")
        assert made.open("hash", DIMENSION, INDEX)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    root.mkdir()
    (root / "a.pdf").write_bytes(files.pdf("Words of page one.", ""))
    (root / "b.md").write_text("# B\n\nOne.\n")
    (root / "c.md").write_text("# B\n\nOne.\n")
    (root / "d.mp3").write_bytes(b"ID3")
    return root


def ingest(folder: Path, collection: FolderCollection, originals: DocumentStore | None = None) -> Tally:
    return pipeline.run(Job(root=folder, collection=collection, embed=vectors, dimension=DIMENSION, originals=originals))


def told(tally: Tally) -> tuple[list[str], list[str], list[str]]:
    kinds = (tally.unread, tally.notes, tally.duplicates)
    return tuple(sorted(str(each) for each in kind) for kind in kinds)  # type: ignore[return-value]  # three of them


def test_files_notes_and_duplicates_are_told_apart_and_the_same_at_every_run(folder: Path, collection: FolderCollection) -> None:
    first = ingest(folder, collection)
    unread, notes, duplicates = told(first)
    assert (len(first.added), [each.partition(" has")[0] for each in unread]) == (2, ["d.mp3"])
    assert unread[0].endswith("put its transcript beside it, as .vtt or .srt")
    assert notes == ["a.pdf no text on page 2: empty or scanned; for what is scanned run OCR over it"]
    assert duplicates == ["c.md has the same content as b.md, under which it is found"]
    again = ingest(folder, collection)
    assert (again.unchanged, told(again)) == (2, told(first))


def test_a_document_that_a_store_refuses_is_named_and_the_others_are_there(folder: Path, collection: FolderCollection) -> None:
    (folder / "e.md").write_text("# E\n\npoison\n")
    (folder / "f.md").write_text("# F\n\nGood.\n")
    tally = ingest(folder, collection, Originals("f.md"))
    assert sorted(collection.known()) == ["a.pdf", "b.md"]
    assert [(each.source, each.reason[:12]) for each in tally.unread if each.source in {"e.md", "f.md"}] == [
        ("f.md", "was not kept"),
        ("e.md", "was not kept"),
    ]
    (folder / "e.md").write_text("# E\n\nCured.\n")
    assert ingest(folder, collection, Originals()).added == ["e.md", "f.md"]


def test_a_store_that_refuses_everything_ends_the_run(folder: Path, collection: FolderCollection) -> None:
    with pytest.raises(InvalidRunError, match="the store answered InvalidArgument"):
        ingest(folder, collection, Originals("a.pdf", "b.md"))


def test_a_path_longer_than_a_collection_takes_is_that_files_note(folder: Path, collection: FolderCollection) -> None:
    deep = folder.joinpath(*["部門" * 30] * 4)
    deep.mkdir(parents=True)
    (deep / "規定.md").write_text("# C\n\nTwo.\n")
    (deep / ("長" * 60 + ".md")).write_text("# D\n\nThree.\n")
    tally = ingest(folder, collection)
    assert any(source.endswith("規定.md") for source in tally.added)
    assert [each.reason.partition(",")[0] for each in tally.unread if "長" in each.source] == ["has a path of 907 bytes"]


def test_a_collection_of_an_earlier_version_is_left_alone_with_what_to_do(
    collection: FolderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MARK", "milvus-x10000 ingest 3")
    with pytest.raises(UsageError, match="name a new one with --collection"):
        collection.open("hash", DIMENSION, INDEX)


def test_a_collection_that_is_not_there_is_not_made_to_be_looked_at(collection: FolderCollection) -> None:
    with pytest.raises(UsageError, match="there is no collection other"):
        FolderCollection(collection._store, "other").open("hash", DIMENSION, None)


def test_more_notes_than_a_collection_keeps_are_told_the_same_at_every_run(folder: Path, collection: FolderCollection) -> None:
    (folder / "z.zip").write_bytes(zipped({f"{'long' * 40}{at}.mp3": "ID3" for at in range(40)} | {"a.md": "Words of the archive."}))
    first = ingest(folder, collection)
    assert any("more notes, see: ./rag read FILE" in note.reason for note in first.notes)
    assert told(ingest(folder, collection)) == told(first)


def test_a_run_that_is_interrupted_says_how_far_it_came_and_the_next_one_goes_on(
    folder: Path, collection: FolderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_MOST_ROWS", 1)
    for number in range(20):
        (folder / f"n{number:02}.md").write_text(f"# N\n\nNumber {number}.\n")
    calls: list[int] = []

    def embed(chunks: Sequence[Chunk]) -> Matrix:
        calls.append(len(chunks))
        if len(calls) > 12:
            raise KeyboardInterrupt
        return vectors(chunks)

    record = IngestRecord(collection="docs")
    job = Job(root=folder, collection=collection, embed=embed, dimension=DIMENSION, originals=None)

    def run() -> None:
        pipeline.run(job, tally=record.tally)

    run_and_report(record, Reporter(quiet=True), run, lambda: _write(record, folder.parent / "ingest.json"))
    assert (record.exit_code, record.reason) == (
        2,
        "interrupted; documents that were written stay, and the next run goes on from there: run ingest again",
    )
    report = json.loads((folder.parent / "ingest.json").read_text())
    assert (report["added"], report["changed"]) == (None, None), "some of those that were read were not written"
    assert report["chunks"]["written"] == record.tally.written
    again = ingest(folder, collection)
    assert 1 <= record.tally.written <= again.unchanged < 22
    assert again.unchanged + len(again.added) + len(again.changed) == 22
