"""`./rag backup`: collections into a bucket that is not Milvus's own; list, verify, and keep the newest."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from validation.backup.bucket import BackupBucket, CollectionEntry, Manifest, PartEntry, same_bucket
from validation.backup.content import Rows, access, cut
from validation.clients import kube, target
from validation.clients.connect import open_connector
from validation.clients.documents import credential_in
from validation.clients.milvus import PREFIX, VectorStore
from validation.judge.errors import InvalidRunError, Outcome, UsageError
from validation.reports import model, table
from validation.run.options import MountedFolder, Target, report_path
from validation.run.record import Record, Reporter

SCHEMA = "milvus-x10000/backup-report"
_UNFINISHED = Path("build") / "unfinished"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where backups are."""

    stack: Target
    endpoint: Annotated[str, typer.Option(envvar="RAG_BACKUP_ENDPOINT", help="S3 endpoint of the backups.")] = ""
    bucket: Annotated[str, typer.Option(envvar="RAG_BACKUP_BUCKET", help="Their bucket; it must be there.")] = ""
    region: Annotated[str, typer.Option(envvar="RAG_BACKUP_REGION", help="Region that requests are signed for.")] = "us-east-1"
    credential_dir: Annotated[
        Path | None, typer.Option(envvar="RAG_BACKUP_CREDENTIAL_DIR", help="Directory with the files access_key and secret_key.")
    ] = None
    ca_file: Annotated[Path | None, typer.Option(envvar="RAG_BACKUP_CA_FILE", help="PEM file of the store's private CA.")] = None
    mounted: MountedFolder = None
    out: Annotated[Path | None, typer.Option(help="Directory of the report. Default: build/reports/<UTC time>/")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False


@dataclass(frozen=True, kw_only=True)
class Options(Place):
    """The options of `backup`."""

    collection: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated. Default: all but those of the gate.")] = None
    label: Annotated[str, typer.Option(help="A few words by which --list shows it.")] = ""
    keep: Annotated[int, typer.Option(min=0, help="Delete all but so many, once this one is done; 0: none.")] = 0
    full: Annotated[bool, typer.Option("--full", help="Write every part anew: what --verify found damaged is whole again.")] = False
    listing: Annotated[bool, typer.Option("--list", help="List the backups, and do nothing.")] = False
    verify: Annotated[bool, typer.Option("--verify", help="Read every part of a backup, and do nothing else.")] = False
    backup: Annotated[str, typer.Option(metavar="ID", help="Which one to verify. Default: the newest.")] = ""
    as_json: Annotated[bool, typer.Option("--json", help="With --list: as JSON.")] = False


@dataclass(kw_only=True)
class BackupRecord(Record):
    """What was written, or what --verify found."""

    manifest: Manifest | None = None
    written: int = 0
    written_bytes: int = 0
    reused: int = 0
    protection: str = ""
    problems: list[str] = field(default_factory=list)
    retained: str = ""

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL for damaged parts, else what there is."""
        if self.problems:
            return Outcome.FAIL, f"{len(self.problems)} problems: {self.problems[0]}; whole again by: ./rag backup ENV --full"
        if self.manifest is None:
            return Outcome.ERROR, "there is no backup"
        rows, parts = sum(entry.rows for entry in self.manifest.collections), len(self.manifest.parts)
        held = f"backup {self.manifest.id}: {rows:,} rows of {len(self.manifest.collections)} collections in {parts} parts"
        moved = f"{self.written} written ({self.written_bytes:,} bytes), {self.reused} there already"
        moved = moved if self.written + self.reused else "all read"
        return Outcome.PASS, "; ".join(filter(None, [f"{held}, {moved}", self.protection, *self.manifest.notes, self.retained]))


def open_bucket(place: Place, record: Record, closing: ExitStack, root: str = "") -> tuple[target.Target, BackupBucket]:
    """Read where the stack is, and open the bucket of its backups; UsageError where none is named, or the stack's own."""
    aim = target.read(place.stack)
    record.target, record.inputs = aim.model_dump(mode="json"), {"environment": place.stack}
    if not place.endpoint or not place.bucket or place.credential_dir is None:
        raise UsageError("where backups go is not said: --endpoint, --bucket and --credential-dir, or RAG_BACKUP_... of the same names")
    for own in (aim.milvus_bucket, aim.documents_bucket):
        if same_bucket(place.endpoint, place.bucket, aim.object_store_endpoint, own):
            raise UsageError(f"--bucket {place.bucket} is the stack's own: a backup would go with what it is to replace; name another")
    kube.bypass_proxies([place.endpoint])
    credential = credential_in(place.credential_dir)
    record.secrets.extend([credential.access_key, credential.secret_key])
    where = {name: getattr(place, name) for name in ("endpoint", "region", "bucket", "ca_file")}
    bucket = BackupBucket(**where, credential=credential, root=root or f"{aim.namespace}/{aim.milvus_database}")
    closing.callback(bucket.close)
    bucket.check()
    return aim, bucket


@contextmanager
def unfinished(*command: str) -> Iterator[None]:
    """Leave a note for `./rag doctor` of a command that goes on when it is typed again; it is taken away where the block ends well."""
    typed = " ".join(["./rag", *command])
    note = _UNFINISHED / hashlib.sha256(typed.encode()).hexdigest()[:12]
    with suppress(OSError):  # a pod may have no folder to write into, and nobody examines it there
        model.write_whole(note, f"{os.getpid()} {typed}")
    yield
    note.unlink(missing_ok=True)


def act(options: Options) -> int:
    """Do what was asked, print the RESULT line, and return the exit code."""
    if not options.listing:
        record, run = BackupRecord(), _verify if options.verify else _back_up
        report = report_path(options.out, "backup.json")
        return table.perform(record, partial(run, options, record), report, _as_data, show=_show, quiet=options.quiet)
    with ExitStack() as closing:
        rows = [summary(manifest) for manifest in open_bucket(options, Record(), closing)[1].manifests()]
    if options.as_json:
        print(json.dumps(rows, indent=2))
    for row in rows if not options.as_json else ():
        names = ", ".join(row["collections"])
        print(f"{row['id']}  {row['age_hours']:>7.1f} h  {row['bytes']:>15,} bytes  {row['rows']:>12,} rows  {names}  {row['label']}")
    return 0


def summary(manifest: Manifest) -> dict[str, Any]:
    """Return what lists show of a backup."""
    return {
        "id": manifest.id,
        "label": manifest.label,
        "ended_at": manifest.ended_at.isoformat(timespec="seconds"),
        "age_hours": round((datetime.now(UTC) - manifest.ended_at).total_seconds() / 3_600, 2),
        "bytes": sum(part.bytes for part in manifest.parts.values()),
        "rows": sum(entry.rows for entry in manifest.collections),
        "collections": [entry.name for entry in manifest.collections],
        "milvus": manifest.milvus,
    }


def _verify(options: Options, record: BackupRecord, reporter: Reporter) -> None:
    with ExitStack() as closing:
        _, bucket = open_bucket(options, record, closing)
        record.manifest = bucket.manifest(options.backup)
        parts = [(part, entry) for entry in record.manifest.collections for held in entry.parts.values() for part in held]
        with record.check("verify", "Is every part what the manifest says?"), reporter.track("verify", len(parts)) as advance:
            for number, (part, entry) in enumerate(parts, 1):
                try:
                    bucket.read_part(part, entry.shape)
                except InvalidRunError as error:
                    record.problems.append(str(error))
                advance(number)


def _back_up(options: Options, record: BackupRecord, reporter: Reporter) -> None:
    with ExitStack() as closing:
        aim, bucket = open_bucket(options, record, closing)
        store = open_connector(aim, closing, record.secrets, aim.milvus_uri, mounted=options.mounted).milvus()
        record.protection = bucket.protection()
        there = bucket.listing("parts/")
        held = [part for manifest in bucket.manifests() for part in manifest.parts.values()] if not options.full else []
        known = {part.name: part for part in held if part.name in there and there[part.name].bytes == part.bytes}
        notes, entries = list[str](), list[CollectionEntry]()
        names = _names(store, options.collection or [])
        closing.enter_context(unfinished("backup", options.stack, *(f"--collection {name}" for name in options.collection or ())))
        for name in names:
            rows = Rows(store.clients.search, store.uri, name)
            with record.check("backup", f"Is {name} in the bucket, row by row?"):
                entries.append(_collection(rows, bucket, known, record=record, reporter=reporter, notes=notes))
        about: dict[str, Any] = {"started_at": record.started_at, "ended_at": datetime.now(UTC), "milvus": store.server_version()}
        about |= {"namespace": aim.namespace, "database": aim.milvus_database, "access": access(store.clients.admin)}
        manifest = Manifest(id=record.run_id, label=options.label, collections=tuple(entries), notes=tuple(notes), **about)
        bucket.write_manifest(manifest)
        record.manifest = manifest
        if options.keep:
            gone, locked = bucket.retain(options.keep)
            kept = f", {locked} objects are locked by the store until later" if locked else ""
            record.retained = f"{len(gone)} older backups deleted{kept}"


def _names(store: VectorStore, chosen: list[str]) -> list[str]:
    every = store.names()
    if missing := [name for name in chosen if name not in every]:
        raise UsageError(f"there is no collection {missing[0]}; there are: {', '.join(every) or 'none'}")
    if names := chosen or [name for name in every if not name.startswith(PREFIX)]:
        return names
    raise UsageError("there is no collection to back up; fill one with: ./rag ingest")


def _collection(
    rows: Rows, bucket: BackupBucket, known: dict[str, PartEntry], *, record: BackupRecord, reporter: Reporter, notes: list[str]
) -> CollectionEntry:
    shape, before, done = rows.shape(), rows.count(), 0
    parts: dict[str, list[PartEntry]] = {partition: [] for partition in shape.readable}
    with reporter.track(rows.name, before) as advance:
        for partition in shape.readable:
            for lines in cut(rows.lines(shape, partition)):
                entry, is_new = bucket.write_part(lines, known)
                known[entry.name] = entry
                parts[partition].append(entry)
                record.written, record.reused = record.written + is_new, record.reused + (not is_new)
                record.written_bytes += entry.bytes if is_new else 0
                done += entry.rows
                advance(done)
    after = rows.count()
    if before == after != done:
        raise InvalidRunError(f"Milvus counts {before:,} rows of {rows.name} and gives {done:,}: rows are there twice, or cannot be read")
    if before != after:
        notes.append(f"{rows.name} was written to meanwhile ({before:,} rows before, {after:,} after)")
    if shape.auto_id:
        notes.append(f"{rows.name} has keys that Milvus made; restored, it keeps them, and new rows need keys of their own")
    return CollectionEntry(name=rows.name, rows=done, shape=shape, parts={name: tuple(held) for name, held in parts.items()})


def _as_data(record: BackupRecord) -> dict[str, Any]:
    about = {"backup": summary(record.manifest) if record.manifest else None, "problems": record.problems, "protection": record.protection}
    numbers = {"written": record.written, "written_bytes": record.written_bytes, "reused": record.reused}
    return model.RunReport.from_record(record, SCHEMA).as_data() | about | {"parts": numbers}


def _show(record: BackupRecord, _console: Console) -> None:
    for problem in record.problems:
        print(record.hide(problem))
