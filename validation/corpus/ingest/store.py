"""One collection that `ingest` keeps in step with a folder; it refuses every collection that does not carry its mark.

The mark is the collection's description, which is written once, when Milvus creates it: it also names model and dimension, since vectors
of two models in one collection answer nothing.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from validation.clients.milvus import Row, VectorStore, failures_named, pages
from validation.clients.passages import Chunk, quoted
from validation.clients.vectors import Matrix
from validation.judge.errors import UsageError
from validation.judge.profile import Index

MARK = "milvus-x10000 ingest 2"
_TIMEOUT_S = 60.0
_MOST_IDS = 10_000


@dataclass(kw_only=True)
class Known:
    """What the collection holds of one document."""

    fingerprints: set[str]
    chunks: int
    siblings: int
    notes: str = ""  # what of it is not in the chunks, a line each


def description(model: str, dimension: int) -> str:
    """Return the mark of a collection of this model."""
    return f"{MARK}; model {model}; dimension {dimension}"


def row(chunk: Chunk) -> Row:
    """Return the row of a chunk; its id is the same in every run."""
    number = chunk.stable_id
    return Row(id=number, bucket=zlib.crc32(str(number).encode()) % 100, chunk=chunk)


class FolderCollection:
    """The collection of one folder."""

    def __init__(self, store: VectorStore, name: str) -> None:
        self.name, self.collection = name, store.collection(name)
        self._store, self._uri = store, store.uri
        self._read, self._write = store.clients.search, store.clients.ingest

    def open(self, model: str, dimension: int, index: Index | None) -> bool:
        """Make the collection, if there is an `index`, or make sure that it is of `ingest` and this model; return whether it was made."""
        mark = description(model, dimension)
        with failures_named(self._uri, f"looking for collection {self.name}"):
            is_there = self._read.has_collection(self.name, timeout=_TIMEOUT_S)
            held = str(self._read.describe_collection(self.name, timeout=_TIMEOUT_S).get("description", "")) if is_there else mark
        if not held.startswith(MARK) and held.startswith("milvus-x10000 ingest "):
            raise UsageError.of("ingest.older", name=self.name)
        if not held.startswith(MARK):
            raise UsageError.of("ingest.foreign", name=self.name, held=held[:60])
        if held != mark:
            raise UsageError.of("ingest.other_model", name=self.name, held=held.removeprefix(MARK + "; "), model=model, dimension=dimension)
        if not is_there and index is None:
            raise UsageError(f"there is no collection {self.name}; name one that ingest made with --collection")
        if not is_there and index is not None:
            self.collection.create(dimension, index, mark)
        return not is_there

    def known(self) -> dict[str, Known]:
        """Return what is there of each document, by its source."""
        documents = dict[str, Known]()
        with failures_named(self._uri, f"reading what {self.name} holds"):
            for row in self._rows(output_fields=["source", "fingerprint", "siblings", "notes"]):
                known = documents.setdefault(row["source"], Known(fingerprints=set(), chunks=0, siblings=int(row["siblings"])))
                known.fingerprints.add(row["fingerprint"])
                known.chunks += 1
                known.notes = known.notes or row["notes"]
        return documents

    def count(self, source: str) -> int:
        """Return how many chunks of a document there are."""
        with failures_named(self._uri, f"counting what {self.name} holds of {source}"):
            return sum(1 for _ in self._rows(filter=f"source == {quoted(source)}", output_fields=["id"]))

    def write(self, rows: Sequence[Row], vectors: Matrix, *, replacing: bool) -> None:
        """Store a batch; `replacing` where some of the ids may be there already, which costs Milvus more."""
        with failures_named(self._uri, f"writing to {self.name}"):
            self.collection.write(rows, vectors, replacing=replacing)

    def remove(self, source: str, *, but: str = "") -> int:
        """Delete the chunks of a document, apart from those with the fingerprint `but`; return how many there were."""
        expression = f"source == {quoted(source)}" + (f" and fingerprint != {quoted(but)}" if but else "")
        with failures_named(self._uri, f"deleting from {self.name}"):
            ids = [int(row["id"]) for row in self._rows(filter=expression, output_fields=["id"])]
            for first in range(0, len(ids), _MOST_IDS):
                self._write.delete(self.name, ids=ids[first : first + _MOST_IDS], timeout=_TIMEOUT_S)
        return len(ids)

    def _rows(self, **options: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - as pymilvus takes them
        for page in pages(self._read, self.name, 2_000, **options):
            yield from page
