"""The command that gives Milvus a new key at the store without an outage there.

Settings say which generations are wanted, the state which users are there. At rest both name one and the same; anything else is a rotation
under way, which is finished before another one may begin. The store is asked with the key itself, on Milvus's bucket: only the store
knows which keys it takes. Each pod carries the mark of the credential that it was started with, and is ready only with a key that works.
"""

import json
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer
from botocore.exceptions import BotoCoreError, ClientError

from components.generations import Generations
from components.milvus_values import CREDENTIAL_ANNOTATION
from components.stores import Connection, error_code, s3_client
from components.waiting import until
from stacks.commands import EnvironmentName, Yes, reach
from stacks.environments import Environment
from stacks.operations import pod_watch, pulumi_cli, steps
from stacks.operations.steps import WRONG, Progress
from stacks.problems import UnansweredError, failure, text_of
from stacks.settings import Settings
from stacks.settings.object_store import MadeStoreSettings
from stacks.yaml_files import write_whole

_USAGE = 2
SCHEMA, SCHEMA_VERSION = "milvus-x10000/rotation", 3
Key = Mapping[str, str]  # `access_key`, `secret_key`, the bucket, and the random mark `generation` that pods carry
_REFUSALS = {"InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch", "403"}
_SELECTOR = "app.kubernetes.io/name=milvus"
_WITHIN_S = 60
Step = Literal["raise", "switch", "revoke", "remove"]
"""Ask for the next generation; make it, switch the Secret and roll the pods; ask for the old one to go; let it go."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is left to do, and between which generations."""

    old: int
    new: int
    steps: tuple[Step, ...]


def plan(generations: Generations, present: AbstractSet[int]) -> Plan:
    """Continue what was begun, or begin."""
    current = generations.current
    if len(generations.valid()) > 1:
        return Plan(old=current - 1, new=current, steps=("switch", "revoke", "remove"))
    if left := sorted(present - {current}):
        return Plan(old=left[-1], new=current, steps=("switch", "remove") if current not in present else ("remove",))
    return Plan(old=current, new=current + 1, steps=("raise", "switch", "revoke", "remove"))


@dataclass(kw_only=True)
class Report:
    """One run of the command; a field that was not reached is None. No key is in it."""

    environment: str
    old: int | None = None  # generation of the key that goes
    new: int | None = None
    steps: list[str] = field(default_factory=list)  # what was left to do when the command began
    seconds: dict[str, float] = field(default_factory=dict)
    pods_without_new_key: list[str] | None = None  # pods of Milvus not ready with it when it was to be in use; [] proves that it is
    old_key: str | None = None  # the store's answer to the old key afterwards
    new_key: str | None = None
    result: str = "stopped"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        begun_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun_s, 1)


def rotate(
    environment: EnvironmentName,
    *,
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/TIME/rotation.json")] = None,
    yes: Yes = False,
) -> None:
    """Rotate Milvus's key."""
    selected, progress = reach(environment, "up"), Progress("rotate")
    if not isinstance(selected.settings.object_store, MadeStoreSettings):
        progress.stop(_USAGE, text_of("rotate_by_hand"))
    steps.mend(selected, progress, yes=yes)
    report = Report(environment=environment)
    path = out or steps.report_folder() / "rotation.json"
    try:
        _rotate(selected, progress, report)
    finally:
        whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(report)}
        write_whole(path, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        progress.tell(f"report: {path}")


def _rotate(selected: Environment, progress: Progress, report: Report) -> None:
    keys = _keys(selected)
    remaining = plan(selected.settings.object_store.generations, set(keys))
    report.old, report.new, report.steps = remaining.old, remaining.new, list(remaining.steps)
    progress.tell(f"from generation {remaining.old} to {remaining.new}: {', '.join(remaining.steps)}")
    if "raise" in remaining.steps:
        pulumi_cli.configure(selected.name, "object_store.credential_generation", remaining.new)
    if "switch" in remaining.steps:
        _up(selected, progress, report, "switch")
        keys |= _keys(selected)
    with report.step("in use"):
        _require_in_use(selected, keys[remaining.new], progress, report)
    if "revoke" in remaining.steps:
        pulumi_cli.configure(selected.name, "object_store.revoked_generation", remaining.new - 1)
    _up(selected, progress, report, "remove")
    _require_ended(selected, keys, remaining, progress, report)
    report.result = "done"


def _keys(selected: Environment) -> dict[int, dict[str, str]]:
    """Key, generation mark and bucket of each credential in the state, in clear, for this process alone."""
    keys, names = dict[int, dict[str, str]](), ("access_key", "secret_key", "generation", "bucket")
    for number, outputs in pulumi_cli.credentials(pulumi_cli.resources(selected.name, secrets=True)).items():
        whole = {"bucket": selected.settings.milvus_bucket, **outputs}  # COSI names its buckets itself
        keys[number] = {name: pulumi_cli.plain(whole.get(name)) for name in names}
    return keys


def _require_in_use(selected: Environment, new: Key, progress: Progress, report: Report) -> None:
    """Refuse to go on, with both keys valid, unless the store takes the new key and every pod of Milvus is ready with it."""
    again = f"both keys stay valid; cure that, then: ./rag rotate {selected.name}"
    if answer := refusal(selected.settings, new):
        progress.stop(WRONG, f"the store does not take the new key ({answer}); {again}")
    report.pods_without_new_key = await_use(selected.settings.namespace, new)
    if report.pods_without_new_key:
        progress.stop(WRONG, f"pods without the new key: {', '.join(report.pods_without_new_key)}; {again}")
    progress.tell("the new key opens the bucket, every pod of Milvus is ready with it, and none is left with the old one")


def _require_ended(selected: Environment, keys: dict[int, dict[str, str]], remaining: Plan, progress: Progress, report: Report) -> None:
    """Try both keys at the store: what is in the state is a promise, what the store answers is the fact."""
    report.new_key = refusal(selected.settings, keys[remaining.new]) or "taken"
    if report.new_key != "taken":
        progress.stop(WRONG, f"the store does not take the new key any more ({report.new_key})")
    if remaining.old in keys:
        report.old_key = refusal(selected.settings, keys[remaining.old]) or "taken"
    if report.old_key == "taken":
        progress.stop(WRONG, text_of("rotate_still_taken", old=remaining.old))
    old = f"answers {report.old_key} to that of generation {remaining.old}"
    progress.tell(f"done: the store takes the key of generation {remaining.new}, and {old}")


def _up(selected: Environment, progress: Progress, report: Report, step: str) -> None:
    progress.tell(f"pulumi up, to {step}")
    with report.step(step):
        progress.up(selected, f"no key was revoked that is in use; again: ./rag rotate {selected.name}")


def refusal(settings: Settings, key: Key) -> str:
    """How the store refuses `access_key` and `secret_key` on `bucket`, "" when it takes them; UnansweredError where that does not tell."""
    store = settings.object_store
    try:
        connection = Connection(endpoint=store.endpoint, region=store.region, ca_pem=store.ca_pem)
        with s3_client(connection, key["access_key"], key["secret_key"]) as s3:
            s3.list_objects_v2(Bucket=key.get("bucket") or settings.milvus_bucket, MaxKeys=1)
    except ClientError as error:
        code = error_code(error)
        if code in _REFUSALS:
            return code
        raise failure("store_answer", UnansweredError, endpoint=store.endpoint, answer=code) from None
    except BotoCoreError as error:
        raise failure("store_silent", UnansweredError, endpoint=store.endpoint, error=type(error).__name__) from None
    return ""


def await_use(namespace: str, key: Key) -> list[str]:
    """Wait until every pod of Milvus is ready with the key; the pods that are not, `none` where there is no pod at all."""
    behind: list[str] = []

    def look() -> bool | None:
        pods = pod_watch.pods(namespace, label_selector=_SELECTOR)  # one that is ending included
        behind[:] = [] if pods else ["none"]
        for pod in pods:
            conditions = [(each["type"], each["status"]) for each in pod["status"].get("conditions", [])]
            mark = pod["metadata"].get("annotations", {}).get(CREDENTIAL_ANNOTATION)
            if mark != key["generation"] or ("Ready", "True") not in conditions:
                behind.append(pod["metadata"]["name"])
        return not behind or None

    with suppress(TimeoutError):
        until(look, timeout_s=_WITHIN_S)
    return behind
