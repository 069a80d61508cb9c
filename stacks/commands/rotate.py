"""Give Milvus a new key at the store without an outage there: a second user with its own key first, the old one goes last.

Steps: ask for the next generation; `pulumi up` makes a user beside the old one, switches the Secret and rolls the pods; the new key is
tried at the store, every pod of Milvus must be ready with it, and with --access-log the store itself must have seen Milvus use it and
nobody use the old one; only then the old user is removed, and its key must be refused.
A run that was killed is completed by the next one, from wherever it stood; a second rotation never begins before the first has ended.
It works with any store whose users have one key, since the second key has a user of its own. The documents' key changes with it.

Exit codes: 0 done, 1 the store or Milvus does not do what it should (the message says which keys are valid), 2 wrong usage or settings,
4 `pulumi up` failed, or the store or the cluster does not answer. What was seen is in build/reports/TIME/rotation.json in every case.

For example:

    python -m stacks rotate prod

    python -m stacks rotate prod --access-log /var/log/store/access.log
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from stacks import key_use, pulumi_cli, rotation
from stacks.access_log import AccessLog
from stacks.commands import EnvironmentName, chosen
from stacks.environments import Environment
from stacks.key_use import Key
from stacks.rotation import Plan
from stacks.rotation_report import Report
from stacks.settings.stores import MadeStoreSettings
from stacks.store_trial import refusal

_WRONG, _USAGE, _NOT_DONE = 1, 2, 4


def run(
    environment: EnvironmentName,
    *,
    access_log: Annotated[
        Path | None,
        typer.Option(
            envvar="OBJECT_STORE_ACCESS_LOG", help="Access log of the store, where it writes one; without it the pods are the evidence."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/TIME/rotation.json")] = None,
) -> None:
    """Rotate Milvus's key."""
    found = chosen(environment)
    if not isinstance(found.settings.object_store, MadeStoreSettings):
        by_hand = "put the new one into the Secret that the settings name, raise object_store.credential_generation, then `pulumi up`"
        _stop(_USAGE, f"the keys are yours: {by_hand}")
    log = AccessLog(access_log) if access_log is not None else None
    report = Report(environment=environment)
    path = out or Path("build") / "reports" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / "rotation.json"
    try:
        _rotate(found, log, report)
    finally:
        report.write(path)
        _tell(f"report: {path}")


def _rotate(found: Environment, log: AccessLog | None, report: Report) -> None:
    mark = log.mark() if log is not None else 0
    keys = _keys(found)
    left = rotation.plan(found.settings.object_store.generations, set(keys))
    report.old, report.new, report.steps = left.old, left.new, list(left.steps)
    _tell(f"from generation {left.old} to {left.new}: {', '.join(left.steps)}")
    if "raise" in left.steps:
        pulumi_cli.configure(found.name, "object_store.credential_generation", left.new)
    if "switch" in left.steps:
        _up(found, report, "switch")
        keys |= _keys(found)
    with report.step("in use"):
        _require_in_use(found, keys[left.new], keys.get(left.old), log, report)
    if "revoke" in left.steps:
        pulumi_cli.configure(found.name, "object_store.revoked_generation", left.new - 1)
    _up(found, report, "remove")
    _require_ended(found, keys, left, report)
    if log is not None:
        _require_none_refused(keys[left.new]["bucket"] or found.settings.milvus_bucket, log, mark, report)
    report.result = "done"


def _keys(found: Environment) -> dict[int, dict[str, str]]:
    """Key, generation mark and bucket of each credential in the state, in clear, for this process alone."""
    credentials = pulumi_cli.credentials(pulumi_cli.resources(found.name, secrets=True))
    names = ("access_key", "secret_key", "generation")
    return {
        number: {
            **{name: pulumi_cli.plain(outputs.get(name)) for name in names},
            "bucket": pulumi_cli.plain(outputs.get("bucket", found.settings.milvus_bucket)),  # COSI names its buckets itself
        }
        for number, outputs in credentials.items()
    }


def _require_in_use(found: Environment, new: Key, old: Key | None, log: AccessLog | None, report: Report) -> None:
    """Refuse to go on, with both keys valid, unless the store takes the new key and there is evidence that Milvus uses it."""
    again = f"both keys stay valid; cure that, then: make rotate ENV={found.name}"
    if answer := refusal(found.settings, new):
        _stop(_WRONG, f"the store does not take the new key ({answer}); {again}")
    seen = key_use.evidence(found.settings.namespace, new, old, log.path if log is not None else None)
    report.evidence_kind, report.evidence = seen.kind, seen.text or seen.problem
    if seen.problem:
        _stop(_WRONG, f"{seen.problem}; {again}")
    _tell(f"the new key opens the bucket; {seen.text}")


def _require_ended(found: Environment, keys: dict[int, dict[str, str]], left: Plan, report: Report) -> None:
    """Try both keys at the store: what is in the state is a promise, what the store answers is the fact."""
    report.new_key = refusal(found.settings, keys[left.new]) or "taken"
    if report.new_key != "taken":
        _stop(_WRONG, f"the store does not take the new key any more ({report.new_key})")
    if left.old in keys:
        report.old_key = refusal(found.settings, keys[left.old]) or "taken"
    if report.old_key == "taken":
        _stop(
            _WRONG,
            f"the store still takes the old key of generation {left.old}, though its user is removed: remove it in the store by hand",
        )
    _tell(f"done: the store takes the key of generation {left.new}, and answers {report.old_key} to that of generation {left.old}")


def _require_none_refused(bucket: str, log: AccessLog, mark: int, report: Report) -> None:
    refused = key_use.refused(log, mark, bucket)
    report.refused_to_milvus = len(refused)
    _tell(f"requests that the store refused to Milvus meanwhile: {len(refused)}")
    if refused:
        first = refused[0]
        what = f"the first was {first.operation} from {first.address}, answered {first.status} {first.error}"
        _stop(_WRONG, f"the key is changed, but the store refused {len(refused)} requests to the bucket meanwhile; {what}")


def _up(found: Environment, report: Report, step: str) -> None:
    _tell(f"pulumi up, to {step}")
    with report.step(step):
        code = pulumi_cli.up(found.name)
    if code:
        stale = f"if it says that the stack is locked by a run that is gone: pulumi cancel --stack {found.name}"
        _stop(_NOT_DONE, f"`pulumi up` did not succeed; no key was revoked that is in use; {stale}; again: make rotate ENV={found.name}")


def _tell(text: str) -> None:
    print(f"rotate {time.strftime('%H:%M:%S')}  {text}", flush=True)


def _stop(code: int, why: str) -> None:
    _tell(f"stopped: {why} (exit {code})")
    raise typer.Exit(code)
