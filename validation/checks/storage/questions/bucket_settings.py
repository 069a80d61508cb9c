"""Looks for settings of the bucket that work against Milvus: versioning, object lock, expiry.

First by their effect on one object, which Milvus's own key can see; then in the settings, where an administrator's key was given.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import answered, code, is_denied
from validation.run.record import Facts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

_ABSENT = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "NoSuchObjectLockConfiguration",
        "NotImplemented",
        "InvalidRequest",
    }
)


@STORE.check("bucket_settings", "Does the bucket keep, lock or expire what Milvus deletes or needs?", after="identity")
def bucket_settings(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError for a bucket that cannot be written, or would keep all that this run writes."""
    written = _write(run)
    locked = _judge_lock(run, written)
    _judge_lifecycle(run, written)
    versioned = _judge_versioning(run, written)
    if versioned:
        raise versioned
    if locked:
        raise locked


def _write(run: StoreContext) -> dict[str, Any]:
    """Write one object, and return what HEAD tells of it."""
    key = run.litter.key("settings")
    try:
        put = run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=b"x"))
        head = run.store.ask(lambda s3: s3.head_object(Bucket=run.aim.bucket, Key=key))
    except ClientError as error:
        run.litter.forget(key)
        raise _cannot_write(run, error) from None
    if version := put.get("VersionId"):
        run.litter.version(key, version)
    return {**head, **put}


def _cannot_write(run: StoreContext, error: ClientError) -> BlockedError:
    denied = is_denied(error) or code(error) in {"MethodNotAllowed", "NotImplemented"}
    seen = "the key may read and not write" if denied else "the store refuses to write, or to show what was written"
    bucket = run.aim.bucket
    return run.record.block(
        "permission_put",
        f"{seen} in the bucket {bucket}: {answered(error)}",
        "Milvus could keep neither its log nor a segment",
        f"allow s3:PutObject, s3:GetObject and s3:DeleteObject on arn:aws:s3:::{bucket}/*, and see that the store is not read-only",
    )


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
    found = _settings(run, lambda s3: s3.get_bucket_versioning(Bucket=bucket)) or {}
    state = str(found.get("Status") or ("Enabled" if written.get("VersionId") not in {None, "null"} else ""))
    if state == "Enabled":
        return run.record.block(
            "versioning",
            f"the bucket {bucket} keeps every version: a write was answered with the version {written.get('VersionId', '?')}",
            "what Milvus deletes stays and costs space for ever, and a write-ahead log on the store may never recover (milvus issue 49139)",
            f"give Milvus a bucket without versioning; a new one, or: aws s3api put-bucket-versioning --bucket {bucket} "
            "--versioning-configuration Status=Suspended",
        )
    if state == "Suspended":
        run.record.warn(
            "versioning", "suspended: old versions stay", "they cost space", "give Milvus a new bucket that never was versioned"
        )
    else:
        run.record.ok("versioning", "off: a write makes no version")
    return None


def _judge_lock(run: StoreContext, written: dict[str, Any]) -> BlockedError | None:
    bucket = run.aim.bucket
    found = (_settings(run, lambda s3: s3.get_object_lock_configuration(Bucket=bucket)) or {}).get("ObjectLockConfiguration", {})
    retention = found.get("Rule", {}).get("DefaultRetention", {})
    until = written.get("ObjectLockRetainUntilDate")
    if until or retention:
        seen = f"every new object is locked until {until}" if until else f"every new object is locked ({retention})"
        return _locked(run, seen)
    if found.get("ObjectLockEnabled") == "Enabled":
        return _locked(run, f"object lock is on for the bucket {bucket}")
    run.record.ok("object_lock", "no object is locked")
    return None


def _locked(run: StoreContext, seen: str) -> BlockedError:
    blocked = run.record.block(
        "object_lock",
        seen,
        "Milvus must delete what it has compacted; the store would refuse, and the bucket grow for ever",
        "give Milvus a bucket that was made without object lock; it cannot be switched off later",
    )
    run.record.findings.append(blocked.finding)
    return blocked


def _judge_lifecycle(run: StoreContext, written: dict[str, Any]) -> None:
    bucket, record = run.aim.bucket, run.record
    found = _settings(run, lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=bucket))
    rules = [rule for rule in (found or {}).get("Rules", []) if _touches_milvus(rule, run.aim.root_path)]
    expiring = [rule for rule in rules if "Expiration" in rule]
    if expiring or written.get("Expiration"):
        seen = (
            f"rule {expiring[0].get('ID', '?')} expires objects: {expiring[0]['Expiration']}"
            if expiring
            else f"objects expire: {written['Expiration']}"
        )
        cure = f"exclude {run.aim.root_path}/ from the rule, or remove it: aws s3api delete-bucket-lifecycle --bucket {bucket}"
        record.fail("lifecycle", seen, "the store would delete segments and log that Milvus still needs: data is lost", cure)
    elif any("Transitions" in rule for rule in rules):
        record.warn(
            "lifecycle", "a rule moves objects to another class of storage", "loading a collection becomes slow or fails", "exclude Milvus"
        )
    elif found is None:
        record.skip(
            "lifecycle", "no object is marked to expire, but the rules themselves may not be seen with this key: --admin-profile NAME"
        )
    else:
        record.ok("lifecycle", "no rule expires Milvus's objects")


def _touches_milvus(rule: "LifecycleRuleOutputTypeDef", root_path: str) -> bool:
    if rule.get("Status") != "Enabled":
        return False
    filtered = rule.get("Filter") or {}
    prefix = rule.get("Prefix") or filtered.get("Prefix") or filtered.get("And", {}).get("Prefix") or ""
    mine = f"{root_path}/"
    return mine.startswith(prefix) or prefix.startswith(mine)
