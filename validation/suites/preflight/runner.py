"""One preflight from beginning to end: aim, ask in order, clean up, report.

Order: what is asked later rests on what was answered before, so the first answer that makes the rest meaningless ends the run.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from botocore.exceptions import ClientError

from validation.checks.registry import Check
from validation.checks.storage import aim
from validation.checks.storage.aim import Aim
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.litter import Litter
from validation.checks.storage.options import Options
from validation.checks.storage.questions.root_path import PREFIX
from validation.checks.storage.record import BlockedError, PreflightRecord
from validation.checks.storage.store import Store, answered
from validation.clients import network
from validation.reports import json
from validation.run.guard import guarded
from validation.run.progress import Reporter
from validation.suites.preflight import report
from validation.suites.runner import new_run_id

_UNEXPECTED = "Milvus sends the same requests, and counts on their success"
_LOOK = "look into the store's log at this time; --no-performance asks the same questions again in a few seconds"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What a test may replace; no option of the command line reaches it."""

    now: Callable[[], datetime] = _now
    checks: Sequence[Check[StoreContext]] = field(default_factory=STORE.ordered)


def execute(options: Options, reporter: Reporter, path: Path, overrides: Overrides | None = None) -> PreflightRecord:
    """Run the preflight, write the report to `path`, and return what happened; raises only when it cannot be written."""
    record = PreflightRecord(run_id=new_run_id(), strict=options.strict)
    guarded(
        record,
        reporter,
        lambda: _run(options, reporter, record, overrides or Overrides()),
        lambda: json.write(record, path, report.as_data(record)),
    )
    return record


def _run(options: Options, reporter: Reporter, record: PreflightRecord, overrides: Overrides) -> None:
    record.inputs = report.inputs(options)
    chosen = aim.take(options)
    record.target = report.target(chosen)
    record.versions = {name: version(name) for name in ("boto3", "botocore", "hdrhistogram")}
    for credential in (chosen.credential, chosen.admin):
        record.secrets += [credential.access_key, credential.secret_key] if credential else []
    network.bypass_proxies([chosen.endpoint])
    with ExitStack() as closing:
        run = _context(chosen, record, reporter, overrides, closing)
        closing.callback(_clean, run)
        _ask(run, overrides.checks)


def _context(chosen: Aim, record: PreflightRecord, reporter: Reporter, overrides: Overrides, closing: ExitStack) -> StoreContext:
    ca_file = None
    if chosen.ca_pem:
        ca_file = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="preflight-"))) / "ca.crt"
        ca_file.write_text(chosen.ca_pem, encoding="ascii")
    below = f"{chosen.root_path}/" if chosen.scoped_to_prefix else ""
    return StoreContext(
        aim=chosen,
        record=record,
        reporter=reporter,
        store=Store(chosen, chosen.credential, ca_file),
        admin=Store(chosen, chosen.admin, ca_file) if chosen.admin else None,
        litter=Litter(f"{below}{PREFIX}{record.run_id}/"),
        now=overrides.now,
    )


def _ask(run: StoreContext, checks: Sequence[Check[StoreContext]]) -> None:
    for position, check in enumerate(checks):
        run.reporter.say(f"{check.name}: {check.question}")
        try:
            check(run)
        except ClientError as error:
            run.record.fail(check.name, f"{error.operation_name} is answered with {answered(error)}", _UNEXPECTED, _LOOK)
        except BlockedError as blocked:
            if blocked.finding not in run.record.findings:
                run.record.findings.append(blocked.finding)
            run.record.not_asked = [later.name for later in checks[position + 1 :]]
            return


def _clean(run: StoreContext) -> None:
    run.record.left_behind = [f"s3://{run.aim.bucket}/{left}" for left in run.litter.clean(run.store, run.admin)]
