"""Which steps are left of a rotation, what its report says, and whether a key is taken by the store and used by Milvus.

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
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from components.generations import Generations
from components.milvus_values import CREDENTIAL_ANNOTATION
from components.stores import Connection, error_code, s3_client
from components.waiting import until
from stacks.operations import pod_watch
from stacks.problems import UnansweredError
from stacks.settings import Settings
from stacks.yaml_files import write_whole

SCHEMA, SCHEMA_VERSION = "milvus-x10000/rotation", 3
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
    pods_without_new_key: list[str] | None = None
    """Pods of Milvus that were not ready with the new key when it was to be in use; [] is the evidence that it is."""
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

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        whole = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(self)}
        write_whole(path, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


Key = Mapping[str, str]  # `access_key`, `secret_key`, the bucket, and the random mark `generation` that pods carry
_REFUSALS = {"InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch", "403"}
_SELECTOR = "app.kubernetes.io/name=milvus"
_WITHIN_S = 60


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
        text = f"the store at {store.endpoint} answered {code}, which says nothing of the key; try again"
        raise UnansweredError(text, code="store.unanswered") from None
    except BotoCoreError as error:
        text = f"the store at {store.endpoint} does not answer ({type(error).__name__}); try again"
        raise UnansweredError(text, code="store.unanswered") from None
    return ""


def await_use(namespace: str, key: Key) -> list[str]:
    """Wait until every pod of Milvus is ready with the key; the pods that are not, `none` where there is no pod at all."""
    behind: list[str] = []

    def look() -> bool | None:
        pods = pod_watch.pods(namespace, label_selector=_SELECTOR)  # one that is ending included
        behind[:] = [pod["metadata"]["name"] for pod in pods if not _is_ready_with(key, pod)] or ([] if pods else ["none"])
        return not behind or None

    with suppress(TimeoutError):
        until(look, timeout_s=_WITHIN_S)
    return behind


def _is_ready_with(key: Key, pod: Mapping[str, Any]) -> bool:
    annotated = pod["metadata"].get("annotations", {}).get(CREDENTIAL_ANNOTATION) == key["generation"]
    return annotated and any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))
