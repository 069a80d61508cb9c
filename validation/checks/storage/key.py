"""The key that Milvus will use: why a store refuses it, and what it must not be able to do.

A listing is asked rather than a HEAD: only an answer with a body carries the code that tells a wrong key from a wrong secret. What must be
denied is only read, and never what anybody else has written.
"""

from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from validation.checks.storage.aim import Style
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import Store, WrongError, answered, code, is_denied
from validation.run.record import Facts

_CODES = {
    "InvalidAccessKeyId": ("credential", "the store does not know the access key"),
    "SignatureDoesNotMatch": ("credential", "the secret key does not belong to the access key, or something on the way changes requests"),
    "RequestTimeTooSkewed": ("clock.key", "this machine's clock and the store's are too far apart"),
    "NoSuchBucket": ("bucket.missing", "there is no bucket {bucket}"),
}
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_FINAL = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}) | _REGION_CODES
"""What another style of addresses would not change."""


@STORE.check("identity", "Does the store know the key, the bucket, the style of addresses and the region?", after="clock")
def identity(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when Milvus's key may do nothing with the bucket."""
    error = _refusal(run, run.store)
    if strange := sorted(run.store.signed_for - {run.aim.region}):
        raise _wrong_region(run, strange[0])
    if error is not None:
        raise _explain(run, error)
    run.record.ok("credential", "the store knows the key, and its signature holds")
    run.record.ok("bucket", f"{run.aim.bucket} is there, and may be listed")
    run.record.ok("style", f"{run.aim.style}-style addresses work")
    _look_at_region(run)


def _refusal(run: StoreContext, store: Store) -> ClientError | None:
    bucket = run.aim.bucket
    try:
        name = store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=run.written.prefix, MaxKeys=1)).get("Name")
    except ClientError as error:
        return error
    except WrongError as error:
        raise _no_s3(run, str(error)) from None
    except ParamValidationError as error:
        raise run.record.block("bucket.name", f"{bucket!r} is no bucket name ({error})") from None
    if name != bucket:
        raise _no_s3(run, f"a listing of {bucket} names {name!r}")
    return None


def _no_s3(run: StoreContext, why: str) -> BlockedError:
    return run.record.block("s3_api.not_spoken", f"what answers at {run.aim.endpoint} does not answer as S3 does: {why}")


def _explain(run: StoreContext, error: ClientError) -> BlockedError:
    other = Style.VIRTUAL if run.aim.style is Style.PATH else Style.PATH
    if code(error) not in _FINAL:
        if is_denied(error):
            return _denied(run, error)
        with suppress(BlockedError, BotoCoreError):
            if _refusal(run, run.store.in_style(other)) is None:
                seen = f"the store answers {answered(error)} to {run.aim.style}-style addresses, but takes {other}-style ones"
                return run.record.block("style", seen, other=other, virtual="true" if other == "virtual" else "false")
    if code(error) in _REGION_CODES:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return _wrong_region(run, str(error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "another one")))
    key, seen = _CODES.get(code(error), ("s3_api.no_list", "the store does not list the bucket {bucket}"))
    return run.record.block(key, f"{seen.format(bucket=run.aim.bucket)}: {answered(error)}")


def _denied(run: StoreContext, error: ClientError) -> BlockedError:
    """A key that may write and not list lacks one permission; a key that may do nothing is not this bucket's."""
    bucket = run.aim.bucket
    try:
        run.put("may-write", b"")
    except ClientError:
        seen = f"the key is valid, and may neither list nor write in the bucket {bucket}: {answered(error)}"
        return run.record.block("bucket.denied", f"{seen}; it is the key of another tenant, or the bucket is somebody else's")
    return run.record.block("permission_list", f"the key may write in the bucket {bucket} and not list it: {answered(error)}")


def _wrong_region(run: StoreContext, expected: str) -> BlockedError:
    seen = f"requests are signed for {run.aim.region}, and the store wants {expected}"
    return run.record.block("region.refused", seen, region_of_store=expected)


def _look_at_region(run: StoreContext) -> None:
    """Milvus asks for the location where no region is set; a store that names another one would confuse it."""
    signed_for = run.aim.region
    try:
        region = str(run.store.ask(lambda s3: s3.get_bucket_location(Bucket=run.aim.bucket)).get("LocationConstraint") or "us-east-1")
    except ClientError as error:
        run.record.ok("region", f"{signed_for} is accepted; the store does not name the bucket's own ({code(error)})")
        return
    if region == signed_for:
        run.record.ok("region", region)
    else:
        run.record.warn("region.other", f"{signed_for} is accepted, but the bucket is in {region}", region_of_store=region)


_NEVER_WRITTEN = "preflight-never-written"


@STORE.check("isolation", "Is Milvus's key kept away from everything else on the store?", after="permissions")
def isolation(run: StoreContext, _facts: Facts) -> None:
    """Add what is denied, and what should be."""
    _list_buckets(run)
    if run.aim.other_bucket:
        bucket = run.aim.other_bucket
        if bucket == run.aim.bucket:
            run.record.warn("denied_other_bucket.own", f"{bucket} is Milvus's own bucket")
        elif allowed := _allowed(run, bucket):
            run.record.fail("denied_other_bucket.open", f"the key may {' and '.join(allowed)} in the bucket {bucket}")
        else:
            run.record.ok("denied_other_bucket", f"the key may neither list nor read in {bucket}")
    else:
        run.record.skip("denied_other_bucket", "no other bucket is known; name one that Milvus must not read: --other-bucket NAME")
    if run.aim.scoped_to_prefix:
        _other_prefix(run)


def _list_buckets(run: StoreContext) -> None:
    try:
        buckets = run.store.ask(lambda s3: s3.list_buckets()).get("Buckets", [])
    except ClientError as error:
        run.record.ok("denied_list_buckets", f"the key may not list buckets ({code(error)})")
        return
    if others := [bucket for bucket in buckets if bucket.get("Name") != run.aim.bucket]:
        run.record.warn("denied_list_buckets", f"the key sees {len(others)} other buckets")
    else:
        run.record.ok("denied_list_buckets", "the key sees no other bucket")


def _allowed(run: StoreContext, bucket: str) -> list[str]:
    """Return what the key may do; reading is asked of a key that was never written: whoever may read is told that it is not there."""
    allowed = []
    with suppress(ClientError):
        run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1))
        allowed.append("list")
    try:
        run.store.ask(lambda s3: s3.get_object(Bucket=bucket, Key=_NEVER_WRITTEN))
        allowed.append("read")
    except ClientError as error:
        if not is_denied(error) and code(error) == "NoSuchKey":
            allowed.append("read")
    return allowed


def _other_prefix(run: StoreContext) -> None:
    """Write outside the root path; the object is empty and goes with the rest."""
    bucket, root = run.aim.bucket, run.aim.root_path
    try:
        run.store.ask(lambda s3: s3.put_object(Bucket=bucket, Key=_NEVER_WRITTEN, Body=b""))
    except ClientError as error:
        run.record.ok("denied_other_prefix", f"the key may not write outside {root}/ ({code(error)})")
        return
    run.written.remember(_NEVER_WRITTEN)
    run.record.fail("denied_other_prefix", f"the key may write outside {root}/, although its policy is said not to allow it")
