"""The preflight: is this object store, with this key, one that Milvus can live on? Asked before Milvus is installed.

Each check adds findings to the record, and the record decides the verdict. What is asked later rests on what was answered before, so the
first answer that makes the rest meaningless ends the run.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from validation.checks.registry import Check
from validation.checks.storage import aim
from validation.checks.storage.bucket import PREFIX
from validation.checks.storage.context import STORE, StoreContext, Written
from validation.checks.storage.load import size_name
from validation.checks.storage.record import BlockedError, PreflightRecord
from validation.checks.storage.store import Shared, Store, WrongError, answered
from validation.clients import kube
from validation.reports import model, table
from validation.reports.table import empty_table, number
from validation.run.options import report_path
from validation.run.record import Reporter, run_and_report

SCHEMA = "milvus-x10000/preflight-report"
_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red", "-": "dim"}
_GROUPS = {"limits": ("budget_mib", "budget_s", "timeout_s", "patience_s"), "size": ("vectors", "dimension")}
_SECRET_FREE = ("endpoint", "bucket", "root_path", "region", "style", "wal", "other_bucket", "scoped_to_prefix", "encryption", "milvus_uri")


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What a test may replace; no option of the command line reaches it."""

    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    checks: Sequence[Check[StoreContext]] = field(default_factory=STORE.ordered)


def act(options: aim.Options) -> int:
    """Run the preflight once, print the findings and the RESULT line, and return the exit code."""
    report = report_path(options.out, room="preflight")
    return table.tell(lambda: execute(options, Reporter(quiet=options.quiet), report), report, show, as_json=options.as_json)


def execute(options: aim.Options, reporter: Reporter, path: Path, overrides: Overrides | None = None) -> PreflightRecord:
    """Run the preflight, write the report to `path`, and return what happened; raises only when it cannot be written."""
    record, chosen = PreflightRecord(strict=options.strict), overrides or Overrides()

    def write() -> None:
        model.write(record, path, model.RunReport.from_record(record, SCHEMA).as_data() | record.facts())

    run_and_report(record, reporter, lambda: _run(options, reporter, record, chosen), write)
    return record


def _run(options: aim.Options, reporter: Reporter, record: PreflightRecord, overrides: Overrides) -> None:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    del given["out"], given["quiet"], given["as_json"]
    record.inputs = given | {group: {name: given.pop(name) for name in names} for group, names in _GROUPS.items()}
    chosen = aim.take(options)
    record.target = {name: getattr(chosen, name) for name in _SECRET_FREE} | {"private_ca": bool(chosen.ca_pem)}
    record.versions = {name: version(name) for name in ("boto3", "botocore", "hdrhistogram")}
    for credential in (chosen.credential, chosen.admin):
        record.secrets += [credential.access_key, credential.secret_key] if credential else []
    kube.bypass_proxies([chosen.endpoint])
    shared, below = Shared(time.monotonic() + chosen.budget_s), f"{chosen.root_path}/" if chosen.scoped_to_prefix else ""
    with tempfile.TemporaryDirectory(prefix="preflight-") as directory:
        ca_file = Path(directory, "ca.crt") if chosen.ca_pem else None
        if ca_file:
            ca_file.write_text(chosen.ca_pem, encoding="ascii")
        store = Store(chosen, chosen.credential, ca_file, shared)
        admin = Store(chosen, chosen.admin, ca_file, shared) if chosen.admin else None
        common: dict[str, Any] = {"aim": chosen, "record": record, "reporter": reporter, "now": overrides.now}
        run = StoreContext(**common, store=store, admin=admin, written=Written(f"{below}{PREFIX}{record.run_id}/"))
        try:
            _ask(run, overrides.checks)
        finally:
            record.left_behind = [f"s3://{chosen.bucket}/{left}" for left in run.written.clean(run.store, run.admin)]


def _ask(run: StoreContext, checks: Sequence[Check[StoreContext]]) -> None:
    record = run.record
    for position, check in enumerate(checks):
        run.reporter.say(f"{check.name}: {check.question}")
        try:
            check(run)
        except WrongError as error:
            record.fail("unexpected", str(error), name=check.name, tried=error.tried)
        except ClientError as error:
            record.fail("unexpected", f"{error.operation_name} is answered with {answered(error)}", name=check.name)
        except BlockedError as blocked:
            record.findings += [blocked.finding] if blocked.finding not in record.findings else []
            record.not_asked = [later.name for later in checks[position + 1 :]]
            return


def show(record: PreflightRecord, console: Console) -> None:
    """Print the findings, and whatever is left to say."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    if record.findings:
        console.print(_table(record, console))
    if record.not_asked:
        say(f"not asked, since the failure above comes first: {', '.join(record.not_asked)}")
    if record.wal:
        say(f"write-ahead log that fits: {record.wal['fits']} ({record.wal['setting']})")
    if record.performance:
        console.print(_speeds(record, console))
    for estimate in record.estimates:
        say(f"{estimate['what']}: {number(estimate['value'])} {estimate['unit']} = {estimate['formula']}")
    for left in record.left_behind:
        say(record.hide(f"still there: {left}"))


def _table(record: PreflightRecord, console: Console) -> Table:
    title, seen = f"Preflight {record.run_id} of {record.target.get('endpoint', '?')}", "seen, consequence, cure"
    table = empty_table(console, ("", "what", seen), wraps=seen, title=title)
    for finding in record.findings:
        lines = [finding.seen]
        lines += [f"Breaks: {finding.consequence}"] if finding.consequence else []
        lines += [f"Behind such a store, Milvus: {finding.tried}"] if finding.word == "FAIL" else []
        lines += [f"Cure: {finding.cure}"] if finding.cure else []
        table.add_row(Text(finding.word, style=_COLOURS[finding.word]), finding.name, Text(record.hide("\n".join(lines))))
    return table


def _speeds(record: PreflightRecord, console: Console) -> Table:
    title = "Latency and throughput; - is not measured, or of too few samples"
    numbers = ("size", "at a time", "samples", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms", "MiB/s")
    table = empty_table(console, ("operation", *numbers), right=numbers, title=title)
    for row in record.performance:
        times = [number(row[name]) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "mib_per_s")]
        failed = str(sum(row["errors"].values()))
        table.add_row(row["operation"], size_name(row["size_bytes"]), str(row["workers"]), str(row["samples"]), failed, *times)
    return table
