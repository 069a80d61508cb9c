"""The preflight's report.json and table, in the forms of the gate's."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from validation.checks.storage.aim import Aim
from validation.checks.storage.objects import size_name
from validation.checks.storage.options import Options
from validation.checks.storage.record import Finding, PreflightRecord
from validation.reports.model import RunReport
from validation.reports.table import number
from validation.run.record import Facts

SCHEMA = "milvus-x10000/preflight-report"
_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red", "-": "dim"}
_SECRET_FREE = ("endpoint", "bucket", "root_path", "region", "style", "wal", "other_bucket", "scoped_to_prefix", "encryption", "milvus_uri")


def as_data(record: PreflightRecord) -> Facts:
    """Return the report as plain data."""
    return RunReport.from_record(record, SCHEMA).as_data() | record.facts()


def inputs(options: Options) -> Facts:
    """Return what was asked for; options hold names of keys, never a key."""
    return {name: _plain(value) for name, value in asdict(options).items()}


def target(aim: Aim) -> Facts:
    """Return where the preflight aimed, without any key."""
    return {name: getattr(aim, name) for name in _SECRET_FREE} | {"private_ca": bool(aim.ca_pem)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any option
    return str(value) if isinstance(value, Path) else value


def show(record: PreflightRecord, console: Console) -> None:
    """Print the findings, and whatever is left to say."""
    if record.findings:
        console.print(_table(record))
    if record.not_asked:
        console.print(f"not asked, since the failure above comes first: {', '.join(record.not_asked)}", soft_wrap=True, highlight=False)
    if record.wal:
        console.print(f"write-ahead log that fits: {record.wal['fits']} ({record.wal['setting']})", markup=False, highlight=False)
    if record.performance:
        console.print(_speeds(record))
    for one in record.estimates:
        line = f"{one['what']}: {number(one['value'])} {one['unit']} = {one['formula']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for left in record.left_behind:
        text = record.hide(f"still there: {left}")
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(record: PreflightRecord) -> Table:
    table = Table(title=f"Preflight {record.run_id} of {record.target.get('endpoint', '?')}", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("seen, consequence, cure")
    for one in record.findings:
        table.add_row(Text(one.word, style=_COLOURS[one.word]), one.name, Text(record.hide(_told(one))))
    return table


def _told(one: Finding) -> str:
    lines = [one.seen, f"Breaks: {one.consequence}" if one.consequence else "", f"Cure: {one.cure}" if one.cure else ""]
    return "\n".join(line for line in lines if line)


def _speeds(record: PreflightRecord) -> Table:
    table = Table(title="Latency and throughput; - is not measured, or of too few samples", title_justify="left")
    for heading in ("operation", "size", "at a time", "samples", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms", "MiB/s"):
        table.add_column(heading, justify="left" if heading == "operation" else "right", no_wrap=True)
    for row in record.performance:
        times = [number(row[name]) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "mib_per_s")]
        failed = str(sum(row["errors"].values()))
        table.add_row(row["operation"], size_name(row["size_bytes"]), str(row["workers"]), str(row["samples"]), failed, *times)
    return table
