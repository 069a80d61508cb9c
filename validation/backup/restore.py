"""`./rag restore`: a backup into a collection, and the proof that it is the same: every row compared in order, and recall measured.

All parts are read and checked before anything is written. A collection that is there already is completed if it holds nothing but rows of
this backup: that is how a restore goes on that was killed, without a file of its own that could be wrong; any other one is left alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.backup.bucket import BackupBucket, CollectionEntry
from validation.backup.command import Place, open_bucket, unfinished
from validation.backup.content import Key, Line, Rows, Shape, VectorIndex, cut, decode, digest_of
from validation.clients.connect import open_connector
from validation.clients.vectors import Matrix, unit
from validation.judge.errors import InvalidRunError, Outcome, UsageError
from validation.load.truth import TIE_EPSILON
from validation.reports import model, table
from validation.run.options import report_path
from validation.run.record import Record, Reporter

SCHEMA = "milvus-x10000/restore-report"
_QUERIES, _LIMIT = 50, 10
_LEAST_RECALL, _LOST_RECALL = 0.9, 0.02
_SEARCH: dict[str, Any] = {"ef": 64, "nprobe": 32, "search_list": 64}
_PATIENCE_S = 1_800.0


@dataclass(frozen=True, kw_only=True)
class Options(Place):
    """The options of `restore`."""

    into: Annotated[str, typer.Option(metavar="NAME", help="The collection to make.")] = ""
    every: Annotated[bool, typer.Option("--all", help="Every collection, under its own name.")] = False
    collection: Annotated[str, typer.Option(help="Which collection of the backup, where it holds several.")] = ""
    backup: Annotated[str, typer.Option(metavar="ID", help="Which backup. Default: the newest.")] = ""
    origin: Annotated[str, typer.Option("--from", metavar="NAMESPACE/DATABASE", help="Whose backup. Default: that of ENV.")] = ""


@dataclass(kw_only=True)
class Restored:
    """One collection."""

    collection: str
    into: str
    rows: int
    there_before: int = 0
    differing: list[str] = field(default_factory=list)
    recall: float | None = None
    source: str = "is not there any more"
    source_recall: float | None = None

    @property
    def problem(self) -> str:
        """Why it is not the same; "" where it is."""
        if self.differing:
            return f"{self.into} is not what was backed up: {self.differing[0]}; drop it, and restore again"
        floor = self.source_recall - _LOST_RECALL if self.source_recall is not None else _LEAST_RECALL
        if self.recall is not None and self.recall < floor:
            return f"recall@{_LIMIT} of {self.into} is {self.recall:.3f}, less than {floor:.3f}; is its index built?"
        return ""

    def __str__(self) -> str:
        recall = "recall not measured: no index of COSINE, IP or L2" if self.recall is None else f"recall@{_LIMIT} {self.recall:.3f}"
        source = f"; the original {self.source}" + (f", its recall {self.source_recall:.3f}" if self.source_recall is not None else "")
        rows = f"{self.rows:,} rows, {self.there_before:,} of them there before, every one equal to the backup"
        return f"{self.into}: {rows}, {recall}{source}"


@dataclass(kw_only=True)
class RestoreRecord(Record):
    """What was restored."""

    restored: list[Restored] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL where something is not the same."""
        problems = [each.problem for each in self.restored if each.problem]
        return (Outcome.FAIL, problems[0]) if problems else (Outcome.PASS, "; ".join([*map(str, self.restored), *self.notes]))


def act(options: Options) -> int:
    """Restore, print the RESULT line, and return the exit code."""
    record = RestoreRecord()
    return table.perform(record, partial(_run, options, record), report_path(options.out, "restore.json"), _as_data, quiet=options.quiet)


def _as_data(record: RestoreRecord) -> dict[str, Any]:
    return model.RunReport.from_record(record, SCHEMA).as_data() | {"restored": [asdict(each) for each in record.restored]}


def _run(options: Options, record: RestoreRecord, reporter: Reporter) -> None:
    if bool(options.into) == options.every:
        raise UsageError("restore into what? --into NAME for one collection, or --all for every one under its own name")
    with ExitStack() as closing:
        aim, bucket = open_bucket(options, record, closing, options.origin)
        manifest = bucket.manifest(options.backup)
        record.inputs |= {"backup": manifest.id}
        entries = manifest.collections if options.every else [manifest.collection(options.collection)]
        store = open_connector(aim, closing, record.secrets, aim.milvus_uri, mounted=options.mounted).milvus()
        search = _SEARCH | (aim.milvus_index.search_params if aim.milvus_index else {})
        for entry in entries:
            rows = Rows(store.clients.admin, store.uri, options.into or entry.name)
            with record.check("restore", f"Is {rows.name} the same, row by row?"):
                chosen = f"--backup {manifest.id} --collection {entry.name} --into {rows.name}"
                restored = Job(bucket, entry, rows, reporter, search, ("restore", options.stack, chosen)).run()
                record.restored.append(restored)
            # a collection with its own name gets its aliases back
            for alias in entry.shape.aliases if rows.name == entry.name and not restored.problem else ():
                try:
                    rows.client.create_alias(rows.name, alias)
                except MilvusException as error:
                    record.notes.append(f"alias {alias} was not made (code {error.code})")


@dataclass
class Job:
    """One collection on its way back."""

    bucket: BackupBucket
    entry: CollectionEntry
    rows: Rows
    reporter: Reporter
    search: dict[str, Any]
    command: tuple[str, ...]

    def run(self) -> Restored:
        """Check all parts, write what is missing, compare."""
        entry, shape = self.entry, self.entry.shape
        restored = Restored(collection=entry.name, into=self.rows.name, rows=entry.rows)
        is_there = self.rows.is_there() and not self.rows.is_begun(shape)
        kept = {"fields", "indexes", "dynamic", "partition_keys", "partitions"}  # by these rows fit in, and are found by the same index
        if is_there and self.rows.shape().model_dump(include=kept) != shape.model_dump(include=kept):
            raise UsageError.of("restore.other", name=self.rows.name)
        vectors = {field.name for field in shape.vectors}
        index = next((index for index in shape.indexes if index.field in vectors and index.metric in {"COSINE", "IP", "L2"}), None)
        truth = Truth(shape, index) if index else None
        held = self._held(truth, is_there=is_there)
        restored.there_before = sum(held.values())
        with unfinished(*self.command), self.reporter.track("restore", entry.rows) as advance:
            if not is_there:
                self.rows.create(shape)
            done = 0
            for partition, part in ((partition, part) for partition, parts in entry.parts.items() for part in parts):
                if (count := held[partition + part.name]) < part.rows:
                    self.rows.write(shape, partition, self.bucket.read_part(part, shape), replacing=count > 0)
                done += part.rows
                advance(done)
            self.rows.settle(shape, _PATIENCE_S)
        restored.differing = list(self._differing(self.rows))
        restored.recall = truth.recall(self.rows, self.search) if truth else None
        self._compare_source(restored, truth)
        return restored

    def _held(self, truth: "Truth | None", *, is_there: bool) -> dict[str, int]:
        """Read and check every part, and return how many rows of each are there; UsageError for a row that is not of the backup."""
        shape, counts, done = self.entry.shape, dict[str, int](), 0
        with self.reporter.track("check", self.entry.rows) as advance:
            for partition, parts in self.entry.parts.items():
                there = self.rows.lines(shape, partition) if is_there else iter(())
                row = next(there, None)
                for part in parts:
                    lines, count = self.bucket.read_part(part, shape), 0
                    for line in lines:
                        if row is not None and row == line:
                            row, count = next(there, None), count + 1
                        elif row is not None and row.key <= line.key:  # type: ignore[operator]  # keys of one collection have one type
                            break
                    if truth:
                        truth.add(lines)
                    self._refuse_foreign(row, part.last)
                    counts[partition + part.name] = count
                    done += part.rows
                    advance(done)
                self._refuse_foreign(row, None)
        return counts

    def _refuse_foreign(self, row: Line | None, last: Key | None) -> None:
        if row is not None and (last is None or row.key <= last):  # type: ignore[operator]  # as above
            raise UsageError.of("restore.foreign_row", name=self.rows.name, key=row.key)

    def _differing(self, rows: Rows) -> Iterator[str]:
        """Yield in which parts a collection is not the backup: the hashes of all rows, in order."""
        if (count := rows.count()) != self.entry.rows:
            yield f"{count:,} rows instead of {self.entry.rows:,}"
        for partition, parts in self.entry.parts.items():
            known = {part.digest for part in parts}
            for lines in cut(rows.lines(self.entry.shape, partition)):
                digest = digest_of(lines)
                if digest not in known:
                    yield f"rows from key {lines[0].key!r} to {lines[-1].key!r} differ"
                known.discard(digest)
            if known:
                yield f"{len(known)} parts are missing or differ"

    def _compare_source(self, restored: Restored, truth: "Truth | None") -> None:
        source = Rows(self.rows.client, self.rows.uri, self.entry.name)
        if source.name == self.rows.name or not source.is_there():
            return
        try:
            changed = next(self._differing(source), "")
            restored.source = f"was changed since ({changed})" if changed else "holds the same rows"
            restored.source_recall = truth.recall(source, self.search) if truth and not changed else None
        except InvalidRunError as error:
            restored.source = f"cannot be read ({error})"


class Truth:
    """Exact answers to some queries, found while all rows pass by once."""

    def __init__(self, shape: Shape, index: VectorIndex) -> None:
        self._shape, self._index = shape, index
        self._queries: Matrix | None = None
        self._keys, self._scores = list[list[Key]](), np.empty((0, 0), dtype=np.float32)

    def add(self, lines: list[Line]) -> None:
        """Look at rows; the first ones are the queries, too."""
        rows = np.stack([decode(line.text, self._shape)[self._index.field] for line in lines]).astype(np.float32)
        if self._queries is None:
            self._queries = rows[:_QUERIES]
            self._keys, self._scores = [[] for _ in self._queries], np.empty((len(self._queries), 0), dtype=np.float32)
        queries = self._queries
        if self._index.metric == "COSINE":
            queries, rows = unit(queries), unit(rows)
        near = -((queries[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2) if self._index.metric == "L2" else queries @ rows.T
        scores = np.hstack([self._scores, near])
        best, new = np.argsort(-scores, axis=1, kind="stable")[:, :_LIMIT], [line.key for line in lines]
        self._keys = [[(held + new)[at] for at in places] for held, places in zip(self._keys, best, strict=True)]
        self._scores = np.take_along_axis(scores, best, axis=1)

    def recall(self, rows: Rows, params: dict[str, Any]) -> float | None:
        """Return the share of the exact answers that searches find, ties accepted; None without a row."""
        if self._queries is None:
            return None
        sign = -1 if self._index.metric == "L2" else 1
        answers, shares = rows.nearest(self._index, self._queries, _LIMIT, params), list[float]()
        for answer, keys, scores in zip(answers, self._keys, self._scores, strict=True):
            hits = sum(key in keys or abs(sign * score - scores[-1]) <= TIE_EPSILON for key, score in answer)
            shares.append(min(hits, len(keys)) / len(keys))
        return float(np.mean(shares))
