"""`python -m validation ingest`: a folder into a collection, and where questions lie beside it, a gate on the user's own data."""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from validation.checks.context import RunContext
from validation.checks.reachable import reachable
from validation.corpus.documents import Corpus
from validation.corpus.ingest import pipeline
from validation.corpus.ingest.folder import UNKNOWN_LANGUAGE, File, walk
from validation.corpus.ingest.pipeline import Job, Tally
from validation.corpus.ingest.store import FolderCollection
from validation.corpus.reading.limits import Limits
from validation.judge import slo_file
from validation.judge.errors import UsageError
from validation.judge.outcome import Outcome, exit_code
from validation.reports import json, table
from validation.reports.model import RunReport
from validation.run.guard import guarded
from validation.run.progress import Reporter, flush_streams
from validation.run.record import Record
from validation.suites import runner
from validation.suites.runner import Order

HELP = """Keep a collection in step with a folder: new documents are added, changed ones replace their chunks, missing ones are removed.

Reads .md .txt .html .pdf .docx .pptx .csv .json .vtt .eml, source code, and pictures with a caption beside them (NAME.caption.md). What
cannot be read is listed with the reason, and stops nothing. A second run changes nothing. Labels and languages: docs/ingest.md.

Where DIR holds questions.jsonl, the collection is then judged against the SLO file, reading only: a gate on your own data.

Only collections that `ingest` made are touched. Exit codes: 0 in step (or the gate's PASS), 1 the gate's FAIL, 2 usage or configuration,
3 something could not be proven, 4 the target does not answer. Files that were not read do not change it, unless --strict.

Example:

    python -m validation ingest ~/documents --stack prod --collection handbook --language de
"""
SCHEMA = "milvus-x10000/ingest-report"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for on the command line, apart from the target."""

    folder: Path
    collection: str
    language: str
    limits: Limits
    originals: bool


def ingest(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the documents.")],
    *,
    collection: Annotated[str, typer.Option(help="Name of the collection to make, or to bring into step.")],
    stack: Annotated[str | None, typer.Option(help="Pulumi stack to aim at.")] = None,
    target: Annotated[Path | None, typer.Option(help="File with the same outputs as JSON, instead of --stack.")] = None,
    slo: Annotated[Path | None, typer.Option(help="The promises. Default: validation/slo.<stack>.yaml")] = None,
    language: Annotated[str, typer.Option(help="Of documents whose first folder is no code like `de`.")] = UNKNOWN_LANGUAGE,
    largest_mib: Annotated[float, typer.Option(min=0.001, help="Larger files are named, not read.")] = Limits.largest_mib,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one file may take to be read.")] = Limits.seconds,
    originals: Annotated[bool, typer.Option(help="Keep each document in the documents bucket, so that answers can cite it.")] = True,
    judge: Annotated[bool, typer.Option(help="Judge the collection afterwards, where DIR holds questions.jsonl.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="A file that was not read, or a warning, exits 1.")] = False,
    out: Annotated[Path | None, typer.Option(help="Directory for ingest.json and report.json. Default: build/reports/<UTC time>/")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """See HELP."""
    home = out or Path("build") / "reports" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    limits = Limits(largest_mib=largest_mib, seconds=seconds)
    wanted = Wanted(folder=folder, collection=collection, language=language, limits=limits, originals=originals)
    order = Order(stack=stack, target_file=target, slo=slo, corpus=folder, seed=7, strict=strict, keep=True, collection=collection)
    reporter = Reporter(quiet=quiet)
    code = execute(order, wanted, reporter, home / "ingest.json")
    if code == 0 and judge and (folder / "questions.jsonl").exists():
        code = table.tell(lambda: runner.execute(order, reporter, home / "report.json"), home / "report.json")
    raise typer.Exit(code)


def execute(order: Order, wanted: Wanted, reporter: Reporter, report: Path) -> int:
    """Ingest, write what came of it, print the list and the RESULT line, and return the exit code."""
    record, tally = Record(run_id=runner.new_run_id(), strict=order.strict), Tally()
    finished = list[Tally]()
    guarded(
        record,
        reporter,
        lambda: finished.append(_run(order, wanted, reporter, record)),
        lambda: json.write(record, report, _as_data(record, next(iter(finished), tally))),
    )
    flush_streams()
    if not finished:
        code = exit_code(record.outcome, strict=False)
        print(f"RESULT: {record.outcome} {record.hide(record.reason)} (exit {code}) report: {report}")
        return code
    return _tell(finished[0], wanted, report, strict=order.strict)


def _run(order: Order, wanted: Wanted, reporter: Reporter, record: Record) -> Tally:
    if not _NAME.fullmatch(wanted.collection):
        raise UsageError(f"--collection {wanted.collection!r}: Milvus wants letters, digits and underscores, not beginning with a digit")
    total = sum(isinstance(one, File) for one in walk(wanted.folder, wanted.language))
    with ExitStack() as closing:
        run = runner.make_context(
            order,
            slo_file.read_profile(order.slo_file),
            reporter=reporter,
            record=record,
            closing=closing,
            corpus=Corpus(documents=(), chunks=(), questions=(), sha256=""),
        )
        reachable(run)
        with record.check("ingest", "Does the collection hold exactly what the folder holds?"), reporter.track("ingest", total) as advance:
            return _ingest(run, wanted, advance)


def _ingest(run: RunContext, wanted: Wanted, advance: Any) -> Tally:  # noqa: ANN401 - progress
    target = run.target
    collection = FolderCollection(run.services.milvus, wanted.collection)
    collection.open(target.passage_model, target.embedding_dimension, run.profile.search.chosen_index)
    job = Job(
        root=wanted.folder,
        collection=collection,
        embed=run.services.embedding.embed_passages,
        dimension=target.embedding_dimension,
        originals=run.services.documents if wanted.originals else None,
        language=wanted.language,
        limits=wanted.limits,
    )
    tally = pipeline.run(job, advance)
    if tally.written or tally.deleted:
        collection.collection.flush()
    return tally


def _as_data(record: Record, tally: Tally) -> dict[str, Any]:
    ended = {"outcome": record.outcome, "exit_code": record.exit_code, "reason": record.reason}
    done = {"outcome": Outcome.PASS, "exit_code": 0, "reason": "in step"}
    return RunReport.from_record(record, SCHEMA).as_data() | {
        "result": ended if record.stopped else done,
        "added": tally.added,
        "changed": tally.changed,
        "removed": tally.removed,
        "unchanged": tally.unchanged,
        "chunks": {"written": tally.written, "deleted": tally.deleted, "now": tally.rows},
        "not_read": [{"file": one.source, "why": one.reason} for one in tally.refused],
    }


def _tell(tally: Tally, wanted: Wanted, report: Path, *, strict: bool) -> int:
    for one in tally.refused[:_SHOWN]:
        print(f"not read: {one}")
    if len(tally.refused) > _SHOWN:
        print(f"not read: {len(tally.refused) - _SHOWN} more, see {report}")
    code = 1 if strict and tally.refused else 0
    documents = f"{len(tally.added)} added, {len(tally.changed)} changed, {len(tally.removed)} removed, {tally.unchanged} unchanged"
    told = f"{documents}, {len(tally.refused)} not read; {wanted.collection} holds {tally.rows:,} chunks"
    print(f"RESULT: {Outcome.PASS if code == 0 else Outcome.FAIL} {told} (exit {code}) report: {report}")
    return code
