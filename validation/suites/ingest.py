"""`./rag ingest`: a folder into a collection, and where questions lie beside it, a gate on the user's own data."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from rich.console import Console

from validation.checks.context import RunContext, reachable
from validation.corpus.documents import Corpus
from validation.corpus.ingest import pipeline
from validation.corpus.ingest.folder import UNKNOWN_LANGUAGE, File, walk
from validation.corpus.ingest.store import FolderCollection
from validation.corpus.reading import Limits
from validation.judge.errors import Outcome, UsageError
from validation.reports import model, table
from validation.reports.history import answered
from validation.run.options import Json, report_path
from validation.run.record import Record, Reporter, run_and_report
from validation.suites import runner

SCHEMA = "milvus-x10000/ingest-report"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Options(runner.Order):
    """The options of `ingest`."""

    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Folder of the documents; none with --list or --remove.")] = None
    collection: Annotated[str, typer.Option(help="Name of the collection to make, or to bring into step.")] = field()
    language: Annotated[str, typer.Option(help="Of documents whose first folder is no code like `de`.")] = UNKNOWN_LANGUAGE
    largest_mib: Annotated[float, typer.Option(min=0.001, help="Larger files are named, not read.")] = Limits.largest_mib
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one file may take to be read.")] = Limits.seconds
    originals: Annotated[bool, typer.Option(help="Keep each document in the documents bucket, so that answers can cite it.")] = True
    judge: Annotated[bool, typer.Option(help="Judge the collection afterwards, where DIR holds questions.jsonl.")] = True
    strict: Annotated[bool, typer.Option("--strict", help="A file that was not read, or a warning, exits 1.")] = False
    out: Annotated[Path | None, typer.Option(help="Directory for ingest.json and report.json. Default: build/reports/<UTC time>/")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False
    as_json: Json = False
    listing: Annotated[bool, typer.Option("--list", help="List the documents of the collection with their notes, and do nothing.")] = False
    remove: Annotated[list[str], typer.Option(metavar="SOURCE", help="Remove this document, as --list names it: chunks and originals.")] = (
        field(default_factory=list)
    )

    @property
    def documents(self) -> Path:
        """The folder; UsageError without one."""
        if self.folder is None:
            raise UsageError("DIR is missing: name the folder of the documents, or --list or --remove SOURCE")
        return self.folder


@dataclass(kw_only=True)
class IngestRecord(Record):
    """A record whose verdict is about the folder: in step, or not read in full."""

    after_interrupt: ClassVar[str] = "documents that were written stay, and the next run goes on from there: run ingest again"
    collection: str
    tally: pipeline.Tally = field(default_factory=pipeline.Tally)

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL in a strict run for which a file was not read, else PASS, and what was done."""
        done = self.tally
        documents = f"{len(done.added)} added, {len(done.changed)} changed, {len(done.removed)} removed, {done.unchanged} unchanged"
        outcome = Outcome.FAIL if self.strict and (done.unread or done.notes) else Outcome.PASS
        noted = len({note.source for note in done.notes})
        read = f"{len(done.unread)} not read, {len(done.notes)} notes on {noted} that were, {len(done.duplicates)} duplicates"
        return outcome, f"{documents}; {read}; {self.collection} holds {done.rows:,} chunks"


def act(options: Options) -> int:
    """Ingest, then judge the collection where questions lie beside the documents, and return the exit code."""
    if options.listing or options.remove:
        with answered():
            return _manage(options)
    home, reporter = report_path(options.out, ""), Reporter(quiet=options.quiet)
    is_judged = options.judge and (options.documents / "questions.jsonl").exists()
    path, as_json = home / "ingest.json", options.as_json and not is_judged
    code = table.tell(lambda: execute(options, reporter, path), path, show, last=not is_judged, as_json=as_json)
    if code == 0 and is_judged:
        order, judged = replace(options, corpus=options.documents, keep=True), home / "report.json"
        code = table.tell(lambda: runner.execute(order, reporter, judged), judged, as_json=options.as_json)
    return code


@contextmanager
def _connected(options: Options, reporter: Reporter, record: Record) -> Iterator[tuple[RunContext, FolderCollection]]:
    with runner.opened(options, reporter, record, reachable, corpus=Corpus()) as run:
        yield run, FolderCollection(run.services.milvus, options.collection)


def _manage(options: Options) -> int:
    """List the documents of a collection, or remove some, with every version of their originals."""
    with _connected(options, Reporter(quiet=True), IngestRecord(strict=False, collection=options.collection)) as (run, collection):
        collection.open(run.target.passage_model, run.target.embedding_dimension, None)
        known = collection.known()
        if missing := [source for source in options.remove if source not in known]:
            raise UsageError(f"{options.collection} holds no document {missing[0]}; see what it holds: --list")
        for source in options.remove:
            originals = run.services.documents.remove(pipeline.original_key(options.collection, source)) if options.originals else 0
            text = f"removed {source}: {collection.remove(source):,} chunks, {originals:,} versions of its original"
            print(text, file=sys.stderr if options.as_json else sys.stdout)
    if options.listing and options.as_json:
        rows = [{"source": source, "chunks": each.chunks, "notes": each.notes.splitlines()} for source, each in sorted(known.items())]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for source, document in sorted(known.items()) if options.listing else ():
        notes = (f"                note: {note}" for note in document.notes.splitlines())
        print(f"{document.chunks:>7,} chunks  {source}", *notes, sep="\n")
    return 0


def execute(options: Options, reporter: Reporter, report: Path) -> IngestRecord:
    """Ingest, write `report`, and return what happened; raises only when the report cannot be written."""
    record = IngestRecord(strict=options.strict, collection=options.collection)
    run_and_report(record, reporter, lambda: _run(options, reporter, record), lambda: _write(record, report))
    return record


def _run(options: Options, reporter: Reporter, record: IngestRecord) -> None:
    if not _NAME.fullmatch(options.collection):
        raise UsageError(f"--collection {options.collection!r}: Milvus wants letters, digits and underscores, not beginning with a digit")
    total = sum(isinstance(entry, File) for entry in walk(options.documents, options.language))
    with (
        _connected(options, reporter, record) as (run, collection),
        record.check("ingest", "Does the collection hold exactly what the folder holds?"),
        reporter.track("ingest", total) as advance,
    ):
        dimension, limits = run.target.embedding_dimension, Limits(largest_mib=options.largest_mib, seconds=options.seconds)
        collection.open(run.target.passage_model, dimension, run.profile.search.chosen_index)
        into: dict[str, Any] = {"collection": collection, "embed": run.services.embedding.embed_passages, "dimension": dimension}
        originals = run.services.documents if options.originals else None
        job = pipeline.Job(root=options.documents, originals=originals, language=options.language, limits=limits, **into)
        pipeline.run(job, advance, record.tally)
        if record.tally.written or record.tally.deleted:
            collection.collection.flush()


def _write(record: IngestRecord, report: Path) -> None:
    tally = record.tally
    kinds = {"not_read": (tally.unread, "why"), "notes": (tally.notes, "what"), "duplicates": (tally.duplicates, "why")}
    data: dict[str, Any] = {name: getattr(tally, name) for name in ("added", "changed", "removed", "unchanged")}
    if record.stopped:  # some of those that were read may not have been written
        data |= {"added": None, "changed": None}
    data["chunks"] = {"written": tally.written, "deleted": tally.deleted, "now": None if record.stopped else tally.rows}
    data |= {kind: [{"file": file.source, word: file.reason} for file in files] for kind, (files, word) in kinds.items()}
    model.write(record, report, model.RunReport.from_record(record, SCHEMA).as_data() | data)


def show(record: IngestRecord, _console: Console) -> None:
    """Print the files that were not read; the report holds all of them."""
    tally = record.tally
    for kind, refusals in (("not read", tally.unread), ("note", tally.notes), ("duplicate", tally.duplicates)):
        for refusal in refusals[:_SHOWN]:
            print(f"{kind}: {refusal}")
        if len(refusals) > _SHOWN:
            print(f"{kind}: {len(refusals) - _SHOWN} more, see ingest.json")
