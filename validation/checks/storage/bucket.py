"""The bucket and Milvus's key: why a store refuses it, what it must not be able to do, who else uses the bucket, and its settings.

A listing is asked rather than a HEAD: only an answer with a body carries the code that tells a wrong key from a wrong secret. What must be
denied is only read, and never what anybody else has written. Versioning, object lock and expiry are seen first by their effect on one
object, which Milvus's own key can see; then in the settings, where an administrator's key was given.
"""

import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from validation.checks.storage.aim import Style
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import Store, WrongError, answered, code, is_denied
from validation.clients import kube
from validation.judge.errors import GateError, text_of
from validation.run.record import Facts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

_CODES = {
    "InvalidAccessKeyId": ("credential", "the store does not know the access key"),
    "SignatureDoesNotMatch": ("credential", "the secret key does not belong to the access key, or something on the way changes requests"),
    "RequestTimeTooSkewed": ("clock.key", "this machine's clock and the store's are too far apart"),
    "NoSuchBucket": ("bucket.missing", "there is no bucket {bucket}"),
}
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_FINAL = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}) | _REGION_CODES
"""What another style of addresses would not change."""
_ABSENT = {"NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
_ABSENT |= {"NotImplemented", "InvalidRequest"}
PREFIX = "preflight-"  # begins every prefix that a preflight writes below
_NEVER_WRITTEN = "preflight-never-written"
_SHOWN = 3


@STORE.check(after="clock")
def identity(run: StoreContext, _facts: Facts) -> None:
    """Does the store know the key, the bucket, the style of addresses and the region?"""
    signed_for, error = run.aim.region, _refusal(run, run.store)
    if strange := sorted(run.store.signed_for - {signed_for}):
        raise _wrong_region(run, strange[0])
    if error is not None:
        raise _explain(run, error)
    run.record.ok("credential", "the store knows the key, and its signature holds")
    run.record.ok("bucket", f"{run.aim.bucket} is there, and may be listed")
    run.record.ok("style", f"{run.aim.style}-style addresses work")
    try:  # Milvus asks for the location where no region is set; a store that names another one would confuse it
        region = str(run.store.ask(lambda s3: s3.get_bucket_location(Bucket=run.aim.bucket)).get("LocationConstraint") or "us-east-1")
    except ClientError as unnamed:
        run.record.ok("region", f"{signed_for} is accepted; the store does not name the bucket's own ({code(unnamed)})")
        return
    other = f"{signed_for} is accepted, but the bucket is in {region}"
    run.record.warn_if("region.other", region != signed_for, other, region, region_of_store=region)


def _refusal(run: StoreContext, store: Store) -> ClientError | None:
    bucket = run.aim.bucket
    try:
        name = store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=run.written.prefix, MaxKeys=1)).get("Name")
        why = f"a listing of {bucket} names {name!r}" if name != bucket else ""
    except ClientError as error:
        return error
    except WrongError as error:
        why = str(error)
    except ParamValidationError as error:
        raise run.record.block("bucket.name", f"{bucket!r} is no bucket name ({error})") from None
    if why:
        raise run.record.block("s3_api.not_spoken", f"what answers at {run.aim.endpoint} does not answer as S3 does: {why}")
    return None


def _explain(run: StoreContext, error: ClientError) -> BlockedError:
    other = Style.VIRTUAL if run.aim.style is Style.PATH else Style.PATH
    if code(error) not in _FINAL:
        if is_denied(error):
            bucket = run.aim.bucket
            try:
                run.put("may-write", b"")
            except ClientError:
                return run.record.block("bucket.denied", text_of("seen.denied", bucket=bucket, answer=answered(error)))
            return run.record.block("permission_list", f"the key may write in the bucket {bucket} and not list it: {answered(error)}")
        with suppress(BlockedError, BotoCoreError):
            if _refusal(run, run.store.in_style(other)) is None:
                seen = f"the store answers {answered(error)} to {run.aim.style}-style addresses, but takes {other}-style ones"
                return run.record.block("style", seen, other=other, virtual="true" if other == "virtual" else "false")
    if code(error) in _REGION_CODES:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return _wrong_region(run, str(error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "another one")))
    key, seen = _CODES.get(code(error), ("s3_api.no_list", "the store does not list the bucket {bucket}"))
    return run.record.block(key, f"{seen.format(bucket=run.aim.bucket)}: {answered(error)}")


def _wrong_region(run: StoreContext, expected: str) -> BlockedError:
    return run.record.block("region.refused", text_of("seen.region", ours=run.aim.region, theirs=expected), region_of_store=expected)


@STORE.check(after="identity")
def bucket_settings(run: StoreContext, _facts: Facts) -> None:
    """Does the bucket keep, lock or expire what Milvus deletes or needs?"""
    bucket, record, written = run.aim.bucket, run.record, _write(run)
    locked = _judge_lock(run, written)
    rules = _settings(run, lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=bucket))
    ours = [rule for rule in (rules or {}).get("Rules", []) if _touches_milvus(rule, run.aim.root_path)]
    expiring = [f"rule {rule.get('ID', '?')} expires objects: {rule['Expiration']}" for rule in ours if "Expiration" in rule]
    expiring += [f"objects expire: {written['Expiration']}"] if written.get("Expiration") else []
    if expiring:
        record.fail("lifecycle.expires", expiring[0])
    elif rules is None:
        record.skip("lifecycle", text_of("seen.no_lifecycle"))
    else:
        is_moved, moves = any("Transitions" in rule for rule in ours), "a rule moves objects to another class of storage"
        record.warn_if("lifecycle.moves", is_moved, moves, "no rule expires Milvus's objects")
    setting = _settings(run, lambda s3: s3.get_bucket_versioning(Bucket=bucket)) or {}
    state = str(setting.get("Status") or ("Enabled" if written.get("VersionId") not in {None, "null"} else ""))
    if state == "Enabled":
        raise record.block("versioning.on", text_of("seen.versions", bucket=bucket, version=written.get("VersionId", "?")))
    record.warn_if("versioning.suspended", state == "Suspended", "suspended: old versions stay", "off: a write makes no version")
    if locked:
        raise locked


def _write(run: StoreContext) -> dict[str, Any]:
    """Write one object, and return what PUT and HEAD tell of it; BlockedError where the bucket cannot be written."""
    bucket, key = run.aim.bucket, run.written.key("settings")
    try:
        put = run.store.ask(lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=b"x"))
        head = run.store.head(key)
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
    for store in filter(None, (run.store, run.admin)):
        try:
            return dict(store.ask(ask))
        except ClientError as error:
            if code(error) in _ABSENT:
                return {}
            if not is_denied(error):
                return None
    return None


def _judge_lock(run: StoreContext, written: dict[str, Any]) -> BlockedError | None:
    bucket = run.aim.bucket
    setting = (_settings(run, lambda s3: s3.get_object_lock_configuration(Bucket=bucket)) or {}).get("ObjectLockConfiguration", {})
    if until := written.get("ObjectLockRetainUntilDate"):
        seen = f"every new object is locked until {until}"
    elif retention := setting.get("Rule", {}).get("DefaultRetention"):
        seen = f"every new object is locked ({retention})"
    elif setting.get("ObjectLockEnabled") == "Enabled":
        seen = f"object lock is on for the bucket {bucket}"
    else:
        run.record.ok("object_lock", "no object is locked")
        return None
    run.record.fail("object_lock", seen)
    return BlockedError(run.record.findings[-1])


def _touches_milvus(rule: "LifecycleRuleOutputTypeDef", root_path: str) -> bool:
    chosen, mine = rule.get("Filter") or {}, f"{root_path}/"
    prefix = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    return rule.get("Status") == "Enabled" and (mine.startswith(prefix) or prefix.startswith(mine))


@STORE.check(after="bucket_settings")
def root_path(run: StoreContext, _facts: Facts) -> None:
    """Is the root path empty or ours?"""
    root, bucket, mine = f"{run.aim.root_path}/", run.aim.bucket, run.written.prefix
    below = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=root, MaxKeys=_SHOWN)).get("Contents", [])
    keys = [str(item.get("Key")) for item in below if not str(item.get("Key")).startswith(mine)]
    if not keys:
        run.record.ok("root_path", f"nothing below {root}")
    elif why := _ours(run):
        run.record.ok("root_path", f"objects below {root} are this stack's own: {why}")
    else:
        run.record.fail("root_path", f"another Milvus, or an earlier one, has objects below {root}, such as {', '.join(keys)}")
    top = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Delimiter="/", MaxKeys=1000))
    names = [str(item.get("Prefix")) for item in top.get("CommonPrefixes", [])] + [str(item.get("Key")) for item in top.get("Contents", [])]
    others = [name for name in names if not root.startswith(name) and not mine.startswith(name)]
    killed = [name for name in others if name.startswith(PREFIX)]
    if foreign := [name for name in others if name not in killed]:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        run.record.warn("bucket_shared", f"the bucket also holds {', '.join(foreign[:_SHOWN])}{more}")
    if killed:
        run.record.warn("left_over", f"a preflight that was killed left {', '.join(killed[:_SHOWN])}", prefix=killed[0])


def _ours(run: StoreContext) -> str:
    """Return why the objects are this stack's, "" when nothing says so."""
    uri, host = run.aim.milvus_uri, urlsplit(run.aim.milvus_uri).hostname or ""
    if run.aim.installed:
        return "--installed says so"
    with suppress(GateError, OSError):
        if host and kube.service_of(uri) is not None and not kube.in_cluster():
            with closing(kube.connect()) as kubernetes:
                kubernetes.address(uri)
            return f"its Milvus {uri} is installed"
        if host:
            socket.getaddrinfo(host, None)
            return f"its Milvus {host} is installed"
    return ""


@STORE.check(after="permissions")
def isolation(run: StoreContext, _facts: Facts) -> None:
    """Is Milvus's key kept away from everything else on the store?"""
    record, own, bucket, root = run.record, run.aim.bucket, run.aim.other_bucket, run.aim.root_path
    try:
        names = [each.get("Name") for each in run.store.ask(lambda s3: s3.list_buckets()).get("Buckets", [])]
        others = len([name for name in names if name != own])
        record.warn_if("denied_list_buckets", others, f"the key sees {others} other buckets", "the key sees no other bucket")
    except ClientError as error:
        record.ok("denied_list_buckets", f"the key may not list buckets ({code(error)})")
    if not bucket:
        record.skip("denied_other_bucket", "no other bucket is known; name one that Milvus must not read: --other-bucket NAME")
    elif bucket == own:
        record.warn("denied_other_bucket.own", f"{bucket} is Milvus's own bucket")
    elif allowed := _allowed(run, bucket):
        record.fail("denied_other_bucket.open", f"the key may {' and '.join(allowed)} in the bucket {bucket}")
    else:
        record.ok("denied_other_bucket", f"the key may neither list nor read in {bucket}")
    if not run.aim.scoped_to_prefix:
        return
    # outside the root path; the object is empty and goes with the rest
    if refusal := run.store.refusal(lambda s3: s3.put_object(Bucket=own, Key=_NEVER_WRITTEN, Body=b"")):
        record.ok("denied_other_prefix", f"the key may not write outside {root}/ ({code(refusal)})")
    else:
        run.written.remember(_NEVER_WRITTEN)
        record.fail("denied_other_prefix", f"the key may write outside {root}/, although its policy is said not to allow it")


def _allowed(run: StoreContext, bucket: str) -> list[str]:
    """Return what the key may do; reading is asked of a key that was never written: whoever may read is told that it is not there."""
    lists = run.store.refusal(lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1)) is None
    refusal = run.store.refusal(lambda s3: s3.get_object(Bucket=bucket, Key=_NEVER_WRITTEN))
    reads = refusal is None or (not is_denied(refusal) and code(refusal) == "NoSuchKey")
    return ["list"] * lists + ["read"] * reads
