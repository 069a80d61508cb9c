"""Keeps a collection in step with a folder: what is new is added, what changed replaces its chunks, what is gone is removed.

Three stages, each with a few threads and a bound on what it may have in hand, so that memory does not grow with the folder: files are read,
chunks are embedded and written in batches, and only when all that is acknowledged are old chunks deleted. A run that was killed in between
leaves too much rather than too little, and the next one puts it right.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import TypeVar

from validation.clients.documents import DocumentStore
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix
from validation.corpus.ingest.folder import UNKNOWN_LANGUAGE, Refusal, walk
from validation.corpus.ingest.prepare import Opened, Prepared, distinct, prepare, unstorable
from validation.corpus.ingest.store import FolderCollection, Known, row
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader
from validation.corpus.reading.read import kind_of
from validation.judge.errors import InvalidRunError, UsageError

Embed = Callable[[Sequence[Chunk]], Matrix]  # chunks to one vector each; called from several threads
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_READERS, _WRITERS = max(2, os.cpu_count() or 2), 2
_IN_HAND = 2  # times as many pieces as threads may be waiting for a stage
_MOST_BATCH_BYTES, _ROW_BYTES = 8 * 1024 * 1024, 6 * 1024
_MOST_ROWS = 500
_MOST_REFUSED = 3  # documents that a store may refuse one after the other; then it is the store, not the documents


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be brought into step with what."""

    root: Path
    collection: FolderCollection
    embed: Embed
    dimension: int
    originals: DocumentStore | None  # where each document itself is kept; None to keep none
    language: str = UNKNOWN_LANGUAGE
    limits: Limits = field(default_factory=Limits)

    @property
    def batch_rows(self) -> int:
        """How many rows one request holds."""
        return max(1, min(_MOST_ROWS, _MOST_BATCH_BYTES // (4 * self.dimension + _ROW_BYTES)))


@dataclass(kw_only=True)
class Tally:
    """What became of the folder's files."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    written: int = 0  # chunks that were embedded and written
    deleted: int = 0  # chunks that were deleted, of documents that are gone or changed
    rows: int = 0  # chunks that the collection holds now
    acknowledged_s: float = 0.0  # until Milvus had acknowledged the last row; what is deleted and counted after that is not in it
    refused: list[Refusal] = field(default_factory=list)  # files, or parts of them, that were not read, and why

    @property
    def unread(self) -> list[Refusal]:
        """Files that were not read, and say nothing that is found elsewhere."""
        return [refusal for refusal in self.refused if not refusal.is_note and not refusal.is_duplicate]

    @property
    def duplicates(self) -> list[Refusal]:
        """Files that say what another one says."""
        return [refusal for refusal in self.refused if refusal.is_duplicate]

    @property
    def notes(self) -> list[Refusal]:
        """What of files that were read is not in their chunks, or may be wrong there."""
        return [refusal for refusal in self.refused if refusal.is_note]


def run(job: Job, advance: Callable[[int], None] = lambda _: None, tally: Tally | None = None) -> Tally:
    """Bring the collection into step; `advance` is told how many files are done. InvalidRunError when rows are missing at the end.

    What was done is counted in `tally` as it is done, so that whoever interrupts a run knows how far it came.
    """
    begin, state = time.perf_counter(), _Run(job, job.collection.known(), advance, Tally() if tally is None else tally)
    with ExitStack() as closing:
        for _ in range(_READERS):  # one process for each reading thread; none is started before a file needs it
            state.readers.put(closing.enter_context(IsolatedReader(job.limits)))
        readers, writers = (closing.enter_context(ThreadPoolExecutor(threads)) for threads in (_READERS, _WRITERS))
        prepared = ahead(readers, state.prepare, state.changed(), _READERS * _IN_HAND)
        for written in ahead(writers, state.write, state.batches(prepared), _WRITERS * _IN_HAND):
            state.tally.written += written
    state.tally.acknowledged_s = time.perf_counter() - begin
    state.remove()
    state.compare()
    return state.tally


def original_key(collection: str, source: str) -> str:
    """Return where the original of a document is kept in the documents bucket."""
    return f"ingest/{collection}/{source}"


def ahead(pool: ThreadPoolExecutor, work: Callable[[_Given], _Made], given: Iterable[_Given], most: int) -> Iterator[_Made]:
    """Yield the results in order while the next ones are being made, never more than `most` of them in hand."""
    waiting = deque[Future[_Made]]()
    try:
        for each in given:
            waiting.append(pool.submit(work, each))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class _Run:
    """What is known while a run goes on: one entry for each document, none for a chunk."""

    def __init__(self, job: Job, known: dict[str, Known], advance: Callable[[int], None], tally: Tally) -> None:
        self.job, self.known, self.tally, self._advance = job, known, tally, advance
        self._rows, self._fingerprints, self._unread = dict[str, int](), dict[str, str](), set[str]()
        self._refused_in_a_row, self._stored = 0, False  # whether a store took a document in this run
        self.readers: SimpleQueue[IsolatedReader] = SimpleQueue()

    def changed(self) -> Iterator[Opened]:
        """Open every document, and yield those that the collection does not hold as they are now."""
        for number, opened in enumerate(distinct(walk(self.job.root, self.job.language), self.job.limits, self._refuse), 1):
            source, known = opened.file.source, self.known.get(opened.file.source)
            if known is not None and known.fingerprints == {opened.fingerprint} and known.chunks == known.siblings:
                self.tally.unchanged += 1
                self._rows[source] = known.chunks
                self.tally.refused += [Refusal(source=source, reason=note, is_note=True) for note in known.notes.splitlines()]
            else:
                yield opened
            self._advance(number)

    def _refuse(self, refusal: Refusal) -> None:
        self.tally.refused.append(refusal)
        if not refusal.is_duplicate and not refusal.is_note:
            self._unread.add(refusal.source)

    def prepare(self, opened: Opened) -> Prepared | Refusal:
        """Parse a document and keep its original; in a reading thread."""
        source, reader = opened.file.source, self.readers.get()
        try:
            prepared = prepare(opened, reader)
        except UnreadableError as error:
            return Refusal(source=source, reason=str(error))
        finally:
            self.readers.put(reader)
        key, media_type = original_key(self.job.collection.name, source), kind_of(opened.file.path.suffix).media_type
        if reason := unstorable(replace(prepared.chunks[0], object_key=key)):
            return Refusal(source=source, reason=reason)
        if self.job.originals is None:
            return prepared
        try:
            original = self.job.originals.store(key, opened.body, media_type)
        except InvalidRunError as error:
            return self._refused_by_store(source, error)
        self._stored, self._refused_in_a_row = True, 0
        kept = (replace(chunk, object_key=original.key, version_id=original.version_id) for chunk in prepared.chunks)
        return replace(prepared, chunks=tuple(kept))

    def _refused_by_store(self, source: str, error: InvalidRunError) -> Refusal:
        """Return why a document is not kept; raise where it is the store that keeps nothing."""
        self._refused_in_a_row += 1
        if not self._stored or self._refused_in_a_row > _MOST_REFUSED:
            raise error
        return Refusal(source=source, reason=f"was not kept: {error}")

    def batches(self, prepared: Iterable[Prepared | Refusal]) -> Iterator[tuple[list[Chunk], bool]]:
        """Gather chunks of several documents into requests of even size; and whether the collection holds some of them already."""
        waiting: dict[bool, list[Chunk]] = {False: [], True: []}
        most = self.job.batch_rows
        for each in prepared:
            if isinstance(each, Refusal):
                self._refuse(each)
                continue
            source, first = each.document.source, each.chunks[0]
            self._rows[source], self._fingerprints[source] = len(each.chunks), first.fingerprint
            self.tally.refused += [Refusal(source=source, reason=note, is_note=True) for note in first.notes.splitlines()]
            replacing = source in self.known
            (self.tally.changed if replacing else self.tally.added).append(source)
            waiting[replacing] += each.chunks
            while len(waiting[replacing]) >= most:
                yield (waiting[replacing][:most], replacing)
                del waiting[replacing][:most]
        yield from ((chunks, replacing) for replacing, chunks in waiting.items() if chunks)

    def write(self, batch: tuple[list[Chunk], bool]) -> int:
        """Embed a batch and write it, in a writing thread; refused, each document alone: one that is, stands as it did, or in part."""
        chunks, replacing = batch
        try:
            return self._write(chunks, replacing=replacing)
        except InvalidRunError:
            sources, written = dict.fromkeys(chunk.source for chunk in chunks), 0
            if len(sources) == 1 and not self._stored:
                raise
        for source in sources:
            try:
                written += self._write([chunk for chunk in chunks if chunk.source == source], replacing=replacing)
            except InvalidRunError as error:
                self._refuse(self._refused_by_store(source, error))
        return written

    def _write(self, chunks: Sequence[Chunk], *, replacing: bool) -> int:
        self.job.collection.write([row(chunk) for chunk in chunks], self.job.embed(chunks), replacing=replacing)
        self._stored, self._refused_in_a_row = True, 0
        return len(chunks)

    def remove(self) -> None:
        """Delete what is outdated, now that what replaces it is there; a document that could not be read this time keeps its chunks."""
        if self.known and not self._rows:
            raise UsageError.of("ingest.empty_folder", root=self.job.root, name=self.job.collection.name, number=len(self.known))
        for source in self._unread & set(self._fingerprints):  # refused by Milvus, perhaps after a part of it was written
            del self._fingerprints[source]
            self._rows[source] = self.job.collection.count(source)
        for source, known in self.known.items():
            around = (PurePosixPath(source), *PurePosixPath(source).parents)
            if source in self._fingerprints:
                self.tally.deleted += self.job.collection.remove(source, but=self._fingerprints[source])
            elif source not in self._rows and any(str(place) in self._unread for place in around):
                self._rows[source] = known.chunks
            elif source not in self._rows:
                self.tally.deleted += self.job.collection.remove(source)
                self.tally.removed.append(source)

    def compare(self) -> None:
        """Refuse a collection that does not hold what was written: a search in half of it finds half of the answers."""
        self.tally.rows, expected = self.job.collection.collection.count(), sum(self._rows.values())
        if self.tally.rows != expected:
            raise InvalidRunError.of("ingest.lost", name=self.job.collection.name, rows=self.tally.rows, expected=expected)
