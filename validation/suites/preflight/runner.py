"""One preflight from beginning to end: aim, ask in order, clean up, report.

Order: what is asked later rests on what was answered before, so the first answer that makes the rest meaningless ends the run.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from botocore.exceptions import ClientError

from validation.checks.storage import aim
from validation.checks.storage.aim import Aim
from validation.checks.storage.bench import Bench
from validation.checks.storage.finding import BlockedError
from validation.checks.storage.litter import Litter
from validation.checks.storage.options import Options
from validation.checks.storage.questions import (
    bucket_settings,
    busy,
    checksums,
    clock,
    conditional_write,
    consistency,
    encryption,
    endpoint,
    estimate,
    identity,
    isolation,
    performance,
    permissions,
    root_path,
    tls,
)
from validation.checks.storage.record import PreflightRecord
from validation.checks.storage.store import Store, answered
from validation.clients import network
from validation.reports import json
from validation.run.guard import guarded
from validation.run.progress import Reporter
from validation.suites.preflight import report
from validation.suites.runner import new_run_id

QUESTIONS: tuple[ModuleType, ...] = (
    endpoint,
    tls,
    clock,
    identity,
    bucket_settings,
    root_path,
    permissions,
    isolation,
    conditional_write,
    consistency,
    checksums,
    encryption,
    busy,
    performance,
    estimate,
)


_UNEXPECTED = "Milvus sends the same requests, and counts on their success"
_LOOK = "look into the store's log at this time; --no-performance asks the same questions again in a few seconds"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Seams:
    """What a test may replace; no option of the command line reaches it."""

    now: Callable[[], datetime] = _now
    questions: Sequence[ModuleType] = QUESTIONS


def execute(options: Options, reporter: Reporter, path: Path, seams: Seams | None = None) -> PreflightRecord:
    """Run the preflight, write the report to `path`, and return what happened; raises only when it cannot be written."""
    record = PreflightRecord(run_id=new_run_id(), strict=options.strict)
    guarded(
        record,
        reporter,
        lambda: _run(options, reporter, record, seams or Seams()),
        lambda: json.write(record, path, report.as_data(record)),
    )
    return record


def _run(options: Options, reporter: Reporter, record: PreflightRecord, seams: Seams) -> None:
    record.inputs = report.inputs(options)
    chosen = aim.take(options)
    record.target = report.target(chosen)
    record.versions = {name: version(name) for name in ("boto3", "botocore", "hdrhistogram")}
    for credential in (chosen.credential, chosen.admin):
        record.secrets += [credential.access_key, credential.secret_key] if credential else []
    network.bypass_proxies([chosen.endpoint])
    with ExitStack() as closing:
        bench = _bench(chosen, record, reporter, seams, closing)
        closing.callback(_clean, bench)
        _ask(bench, seams.questions)


def _bench(chosen: Aim, record: PreflightRecord, reporter: Reporter, seams: Seams, closing: ExitStack) -> Bench:
    ca_file = None
    if chosen.ca_pem:
        ca_file = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="preflight-"))) / "ca.crt"
        ca_file.write_text(chosen.ca_pem, encoding="ascii")
    below = f"{chosen.root_path}/" if chosen.scoped_to_prefix else ""
    return Bench(
        aim=chosen,
        record=record,
        reporter=reporter,
        store=Store(chosen, chosen.credential, ca_file),
        admin=Store(chosen, chosen.admin, ca_file) if chosen.admin else None,
        litter=Litter(f"{below}{root_path.PREFIX}{record.run_id}/"),
        now=seams.now,
    )


def _ask(bench: Bench, questions: Sequence[ModuleType]) -> None:
    for at, question in enumerate(questions):
        name = _name(question)
        bench.reporter.say(f"{name}: {question.QUESTION}")
        try:
            with bench.record.check(name, question.QUESTION):
                question.run(bench)
        except ClientError as error:
            bench.record.fail(name, f"{error.operation_name} is answered with {answered(error)}", _UNEXPECTED, _LOOK)
        except BlockedError as blocked:
            if blocked.finding not in bench.record.findings:
                bench.record.findings.append(blocked.finding)
            bench.record.not_asked = [_name(later) for later in questions[at + 1 :]]
            return


def _name(question: ModuleType) -> str:
    return question.__name__.rpartition(".")[2]


def _clean(bench: Bench) -> None:
    bench.record.left_behind = [f"s3://{bench.aim.bucket}/{left}" for left in bench.litter.clean(bench.store, bench.admin)]
