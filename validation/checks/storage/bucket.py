"""The bucket: who else uses it, whether the root path is empty or ours, and settings that work against Milvus.

Versioning, object lock and expiry are seen first by their effect on one object, which Milvus's own key can see; then in the settings, where
an administrator's key was given.
"""

import socket
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import answered, code, is_denied
from validation.clients import kube
from validation.clients.kube import service_of
from validation.judge.errors import GateError
from validation.run.record import Facts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

_ABSENT = {"NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
_ABSENT |= {"NotImplemented", "InvalidRequest"}


@STORE.check("bucket_settings", "Does the bucket keep, lock or expire what Milvus deletes or needs?", after="identity")
def bucket_settings(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError for a bucket that cannot be written, or would keep all that this run writes."""
    written = _write(run)
    locked = _judge_lock(run, written)
    _judge_lifecycle(run, written)
    if blocked := _judge_versioning(run, written) or locked:
        raise blocked


def _write(run: StoreContext) -> dict[str, Any]:
    """Write one object, and return what PUT and HEAD tell of it; BlockedError where the bucket cannot be written."""
    bucket, key = run.aim.bucket, run.written.key("settings")
    try:
        put = run.store.ask(lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=b"x"))
        head = run.store.ask(lambda s3: s3.head_object(Bucket=bucket, Key=key))
    except ClientError as error:
        run.written.forget(key)
        denied = is_denied(error) or code(error) in {"MethodNotAllowed", "NotImplemented"}
        seen = "the key may read and not write" if denied else "the store refuses to write, or to show what was written"
        raise run.record.block("permission_put", f"{seen} in the bucket {bucket}: {answered(error)}") from None
    if version := put.get("VersionId"):
        run.written.version(key, version)
    return {**head, **put}


def _settings(run: StoreContext, ask: "Callable[[S3Client], Any]") -> dict[str, Any] | None:
    """Return a setting, {} when it is not there, None when nobody may look."""
    for store in (run.store, run.admin):
        if store is None:
            continue
        try:
            return dict(store.ask(ask))
        except ClientError as error:
            if code(error) in _ABSENT:
                return {}
            if not is_denied(error):
                return None
    return None


def _judge_versioning(run: StoreContext, written: dict[str, Any]) -> BlockedError | None:
    bucket = run.aim.bucket
    setting = _settings(run, lambda s3: s3.get_bucket_versioning(Bucket=bucket)) or {}
    state = str(setting.get("Status") or ("Enabled" if written.get("VersionId") not in {None, "null"} else ""))
    if state == "Enabled":
        seen = f"the bucket {bucket} keeps every version: a write was answered with the version {written.get('VersionId', '?')}"
        return run.record.block("versioning.on", seen)
    if state == "Suspended":
        run.record.warn("versioning.suspended", "suspended: old versions stay")
    else:
        run.record.ok("versioning", "off: a write makes no version")
    return None


def _judge_lock(run: StoreContext, written: dict[str, Any]) -> BlockedError | None:
    bucket = run.aim.bucket
    setting = (_settings(run, lambda s3: s3.get_object_lock_configuration(Bucket=bucket)) or {}).get("ObjectLockConfiguration", {})
    retention = setting.get("Rule", {}).get("DefaultRetention", {})
    if until := written.get("ObjectLockRetainUntilDate"):
        seen = f"every new object is locked until {until}"
    elif retention:
        seen = f"every new object is locked ({retention})"
    elif setting.get("ObjectLockEnabled") == "Enabled":
        seen = f"object lock is on for the bucket {bucket}"
    else:
        run.record.ok("object_lock", "no object is locked")
        return None
    blocked = run.record.block("object_lock", seen)
    run.record.findings.append(blocked.finding)
    return blocked


def _judge_lifecycle(run: StoreContext, written: dict[str, Any]) -> None:
    bucket, record = run.aim.bucket, run.record
    setting = _settings(run, lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=bucket))
    rules = [rule for rule in (setting or {}).get("Rules", []) if _touches_milvus(rule, run.aim.root_path)]
    expiring = [f"rule {rule.get('ID', '?')} expires objects: {rule['Expiration']}" for rule in rules if "Expiration" in rule]
    if written.get("Expiration"):
        expiring.append(f"objects expire: {written['Expiration']}")
    if expiring:
        record.fail("lifecycle.expires", expiring[0])
    elif any("Transitions" in rule for rule in rules):
        record.warn("lifecycle.moves", "a rule moves objects to another class of storage")
    elif setting is None:
        why = "no object is marked to expire, but the rules themselves may not be seen with this key: --admin-profile NAME"
        record.skip("lifecycle", why)
    else:
        record.ok("lifecycle", "no rule expires Milvus's objects")


def _touches_milvus(rule: "LifecycleRuleOutputTypeDef", root_path: str) -> bool:
    chosen, mine = rule.get("Filter") or {}, f"{root_path}/"
    prefix = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    return rule.get("Status") == "Enabled" and (mine.startswith(prefix) or prefix.startswith(mine))


PREFIX = "preflight-"  # begins every prefix that a preflight writes below
_SHOWN = 3


@STORE.check("root_path", "Is the root path empty or ours?", after="bucket_settings")
def root_path(run: StoreContext, _facts: Facts) -> None:
    """Add what is there."""
    root = f"{run.aim.root_path}/"
    listed = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=root, MaxKeys=_SHOWN)).get("Contents", [])
    keys = [str(item.get("Key")) for item in listed if not str(item.get("Key")).startswith(run.written.prefix)]
    if not keys:
        run.record.ok("root_path", f"nothing below {root}")
    elif why := _ours(run):
        run.record.ok("root_path", f"objects below {root} are this stack's own: {why}")
    else:
        run.record.fail("root_path", f"another Milvus, or an earlier one, has objects below {root}, such as {', '.join(keys)}")
    _look_around(run, root)


def _ours(run: StoreContext) -> str:
    """Return why the objects are this stack's, "" when nothing says so."""
    uri, host = run.aim.milvus_uri, urlsplit(run.aim.milvus_uri).hostname or ""
    if run.aim.installed:
        return "--installed says so"
    try:
        if host and service_of(uri) is not None and not kube.in_cluster():
            with closing(kube.connect()) as kubernetes:
                kubernetes.address(uri)
            return f"its Milvus {uri} is installed"
        if host:
            socket.getaddrinfo(host, None)
            return f"its Milvus {host} is installed"
    except (GateError, OSError):
        pass
    return ""


def _look_around(run: StoreContext, root: str) -> None:
    listed = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Delimiter="/", MaxKeys=1000))
    names = [str(item.get("Prefix")) for item in listed.get("CommonPrefixes", [])]
    names += [str(item.get("Key")) for item in listed.get("Contents", [])]
    others = [name for name in names if not root.startswith(name) and not run.written.prefix.startswith(name)]
    killed = [name for name in others if name.startswith(PREFIX)]
    if foreign := [name for name in others if name not in killed]:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        run.record.warn("bucket_shared", f"the bucket also holds {', '.join(foreign[:_SHOWN])}{more}")
    if killed:
        run.record.warn("left_over", f"a preflight that was killed left {', '.join(killed[:_SHOWN])}", prefix=killed[0])
