"""One preflight from beginning to end: aim, ask in order, clean up, report.

Order: what is asked later rests on what was answered before, so the first answer that makes the rest meaningless ends the run.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from validation import network
from validation.guard import guarded
from validation.preflight import aim, report
from validation.preflight.aim import Aim
from validation.preflight.bench import Bench
from validation.preflight.finding import BlockedError
from validation.preflight.litter import Litter
from validation.preflight.options import Options
from validation.preflight.questions import (
    bucket_settings,
    busy,
    checksums,
    clock,
    conditional_write,
    consistency,
    encryption,
    endpoint,
    identity,
    isolation,
    permissions,
    root_path,
    tls,
)
from validation.preflight.record import PreflightRecord
from validation.preflight.store import Store
from validation.progress import Reporter
from validation.report import json
from validation.runner import new_run_id

_QUESTIONS: tuple[ModuleType, ...] = (
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
)


def _now() -> datetime:
    return datetime.now(UTC)


def execute(options: Options, reporter: Reporter, path: Path, now: Callable[[], datetime] = _now) -> PreflightRecord:
    """Run the preflight, write the report to `path`, and return what happened; raises only when it cannot be written."""
    record = PreflightRecord(run_id=new_run_id(), strict=options.strict)
    guarded(record, reporter, lambda: _run(options, reporter, record, now), lambda: json.write(record, path, report.as_data(record)))
    return record


def _run(options: Options, reporter: Reporter, record: PreflightRecord, now: Callable[[], datetime]) -> None:
    record.inputs = report.inputs(options)
    chosen = aim.take(options)
    record.target = report.target(chosen)
    record.versions = {name: version(name) for name in ("boto3", "botocore", "hdrhistogram")}
    for credential in (chosen.credential, chosen.admin):
        record.secrets += [credential.access_key, credential.secret_key] if credential else []
    network.bypass_proxies([chosen.endpoint])
    with ExitStack() as closing:
        bench = _bench(chosen, record, reporter, now, closing)
        closing.callback(_clean, bench)
        _ask(bench)


def _bench(chosen: Aim, record: PreflightRecord, reporter: Reporter, now: Callable[[], datetime], closing: ExitStack) -> Bench:
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
        now=now,
    )


def _ask(bench: Bench) -> None:
    questions = list(_QUESTIONS)
    try:
        while questions:
            question = questions[0]
            name = question.__name__.rpartition(".")[2]
            bench.reporter.say(f"{name}: {question.QUESTION}")
            with bench.record.check(name, question.QUESTION):
                question.run(bench)
            questions.pop(0)
    except BlockedError as blocked:
        if blocked.finding not in bench.record.findings:
            bench.record.findings.append(blocked.finding)
        bench.record.not_asked = [question.__name__.rpartition(".")[2] for question in questions[1:]]


def _clean(bench: Bench) -> None:
    bench.record.left_behind = [f"s3://{bench.aim.bucket}/{left}" for left in bench.litter.clean(bench.store, bench.admin)]
