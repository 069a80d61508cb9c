"""Asks for the bucket with the key that Milvus will use, and tells apart why a store says no.

A listing is asked rather than a HEAD: only an answer with a body carries the code that tells a wrong key from a wrong secret.
"""

from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import Store, answered, code, is_denied
from validation.run.record import Facts

_START = "Milvus would try for ever and never become ready"
_KEY = "let the Secret hold the key that the store knows: pulumi up, or put access_key and secret_key there"
_CODES = {
    "InvalidAccessKeyId": ("credential", "the store does not know the access key", _KEY),
    "SignatureDoesNotMatch": (
        "credential",
        "the secret key does not belong to the access key, or something on the way changes requests",
        _KEY,
    ),
    "RequestTimeTooSkewed": ("clock", "this machine's clock and the store's are too far apart", "set the clock, for example with chrony"),
    "NoSuchBucket": ("bucket", "there is no bucket {bucket}", "make it with: pulumi up, or give the right one: --bucket NAME"),
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
        found = store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=run.litter.prefix, MaxKeys=1))
    except ClientError as error:
        return error
    except ParamValidationError as error:
        cure = "use 3 to 63 lower-case letters, digits and dashes: --bucket NAME"
        raise run.record.block("bucket", f"{bucket!r} is no bucket name ({error})", _START, cure) from None
    if found.get("Name") != bucket:
        seen = f"what answers at {run.aim.endpoint} does not answer as S3 does: a listing of {bucket} names {found.get('Name')!r}"
        raise run.record.block(
            "s3_api", seen, _START, "give the address of the S3 API, not that of a console: --endpoint https://HOST:PORT"
        )
    return None


def _explain(run: StoreContext, error: ClientError) -> BlockedError:
    if is_denied(error) and code(error) not in _FINAL:
        return _denied(run, error)
    if code(error) not in _FINAL and _works_in_other_style(run):
        other = run.aim.style.other
        return run.record.block(
            "style",
            f"the store answers {answered(error)} to {run.aim.style}-style addresses, but takes {other}-style ones",
            _START,
            f"--style {other}, and in the chart externalS3.useVirtualHost: {'true' if other == 'virtual' else 'false'}",
        )
    if code(error) in _REGION_CODES:
        return _wrong_region(run, _region_in(error))
    name, seen, cure = _CODES.get(
        code(error), ("s3_api", "the store does not list the bucket {bucket}", "see that this is the address of its S3 API")
    )
    return run.record.block(name, f"{seen.format(bucket=run.aim.bucket)}: {answered(error)}", _START, cure)


def _works_in_other_style(run: StoreContext) -> bool:
    with suppress(BlockedError, BotoCoreError):
        return _refusal(run, run.store.in_style(run.aim.style.other)) is None
    return False


def _denied(run: StoreContext, error: ClientError) -> BlockedError:
    """A key that may write and not list lacks one permission; a key that may do nothing is not this bucket's."""
    bucket = run.aim.bucket
    try:
        run.put("may-write", b"")
    except ClientError:
        return run.record.block(
            "bucket",
            f"the key is valid, and may neither list nor write in the bucket {bucket}: {answered(error)}; "
            "it is the key of another tenant, or the bucket is somebody else's",
            _START,
            "give the key that was made for this bucket, or a policy that allows it: pulumi up",
        )
    return run.record.block(
        "permission_list",
        f"the key may write in the bucket {bucket} and not list it: {answered(error)}",
        "Milvus lists to see that its bucket is there: it would repeat for ever and never become ready",
        f"allow s3:ListBucket on arn:aws:s3:::{bucket} (the bucket itself, without /*)",
    )


def _region_in(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "another one"))


def _wrong_region(run: StoreContext, expected: str) -> BlockedError:
    return run.record.block(
        "region",
        f"requests are signed for {run.aim.region}, and the store wants {expected}",
        _START,
        f"--region {expected}, and object_store.region",
    )


def _look_at_region(run: StoreContext) -> None:
    """Milvus asks for the location where no region is set; a store that names another one would confuse it."""
    try:
        found = run.store.ask(lambda s3: s3.get_bucket_location(Bucket=run.aim.bucket)).get("LocationConstraint") or "us-east-1"
    except ClientError as error:
        run.record.ok("region", f"{run.aim.region} is accepted; the store does not name the bucket's own ({code(error)})")
        return
    if str(found) != run.aim.region:
        cure = f"--region {found}, and object_store.region"
        run.record.warn("region", f"{run.aim.region} is accepted, but the bucket is in {found}", "a stricter store would refuse it", cure)
    else:
        run.record.ok("region", f"{found}")
