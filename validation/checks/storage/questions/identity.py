"""Asks for the bucket with the key that Milvus will use, and tells apart why a store says no.

A listing is asked rather than a HEAD: only an answer with a body carries the code that tells a wrong key from a wrong secret.
"""

from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from validation.checks.storage.bench import Bench
from validation.checks.storage.finding import BlockedError
from validation.checks.storage.store import Store, answered, code, is_denied

QUESTION = "Does the store know the key, the bucket, the style of addresses and the region?"
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


def run(bench: Bench) -> None:
    """Raise BlockedError when Milvus's key may do nothing with the bucket."""
    error = _refusal(bench, bench.store)
    if strange := sorted(bench.store.signed_for - {bench.aim.region}):
        raise _wrong_region(bench, strange[0])
    if error is not None:
        raise _explain(bench, error)
    bench.record.ok("credential", "the store knows the key, and its signature holds")
    bench.record.ok("bucket", f"{bench.aim.bucket} is there, and may be listed")
    bench.record.ok("style", f"{bench.aim.style}-style addresses work")
    _look_at_region(bench)


def _refusal(bench: Bench, store: Store) -> ClientError | None:
    bucket = bench.aim.bucket
    try:
        found = store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=bench.litter.prefix, MaxKeys=1))
    except ClientError as error:
        return error
    except ParamValidationError as error:
        cure = "use 3 to 63 lower-case letters, digits and dashes: --bucket NAME"
        raise bench.record.block("bucket", f"{bucket!r} is no bucket name ({error})", _START, cure) from None
    if found.get("Name") != bucket:
        seen = f"what answers at {bench.aim.endpoint} does not answer as S3 does: a listing of {bucket} names {found.get('Name')!r}"
        raise bench.record.block(
            "s3_api", seen, _START, "give the address of the S3 API, not that of a console: --endpoint https://HOST:PORT"
        )
    return None


def _explain(bench: Bench, error: ClientError) -> BlockedError:
    if is_denied(error) and code(error) not in _FINAL:
        return _denied(bench, error)
    if code(error) not in _FINAL and _works_in_other_style(bench):
        other = bench.aim.style.other
        return bench.record.block(
            "style",
            f"the store answers {answered(error)} to {bench.aim.style}-style addresses, but takes {other}-style ones",
            _START,
            f"--style {other}, and in the chart externalS3.useVirtualHost: {'true' if other == 'virtual' else 'false'}",
        )
    if code(error) in _REGION_CODES:
        return _wrong_region(bench, _region_in(error))
    name, seen, cure = _CODES.get(
        code(error), ("s3_api", "the store does not list the bucket {bucket}", "see that this is the address of its S3 API")
    )
    return bench.record.block(name, f"{seen.format(bucket=bench.aim.bucket)}: {answered(error)}", _START, cure)


def _works_in_other_style(bench: Bench) -> bool:
    with suppress(BlockedError, BotoCoreError):
        return _refusal(bench, bench.store.in_style(bench.aim.style.other)) is None
    return False


def _denied(bench: Bench, error: ClientError) -> BlockedError:
    """A key that may write and not list lacks one permission; a key that may do nothing is not this bucket's."""
    bucket = bench.aim.bucket
    try:
        bench.put("may-write", b"")
    except ClientError:
        return bench.record.block(
            "bucket",
            f"the key is valid, and may neither list nor write in the bucket {bucket}: {answered(error)}; "
            "it is the key of another tenant, or the bucket is somebody else's",
            _START,
            "give the key that was made for this bucket, or a policy that allows it: pulumi up",
        )
    return bench.record.block(
        "permission_list",
        f"the key may write in the bucket {bucket} and not list it: {answered(error)}",
        "Milvus lists to see that its bucket is there: it would repeat for ever and never become ready",
        f"allow s3:ListBucket on arn:aws:s3:::{bucket} (the bucket itself, without /*)",
    )


def _region_in(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "another one"))


def _wrong_region(bench: Bench, expected: str) -> BlockedError:
    return bench.record.block(
        "region",
        f"requests are signed for {bench.aim.region}, and the store wants {expected}",
        _START,
        f"--region {expected}, and object_store.region",
    )


def _look_at_region(bench: Bench) -> None:
    """Milvus asks for the location where no region is set; a store that names another one would confuse it."""
    try:
        found = bench.store.ask(lambda s3: s3.get_bucket_location(Bucket=bench.aim.bucket)).get("LocationConstraint") or "us-east-1"
    except ClientError as error:
        bench.record.ok("region", f"{bench.aim.region} is accepted; the store does not name the bucket's own ({code(error)})")
        return
    if str(found) != bench.aim.region:
        cure = f"--region {found}, and object_store.region"
        bench.record.warn(
            "region", f"{bench.aim.region} is accepted, but the bucket is in {found}", "a stricter store would refuse it", cure
        )
    else:
        bench.record.ok("region", f"{found}")
