"""Tries what Milvus's key must not be able to do; reads only, and never what anybody else has written."""

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.store import code, is_denied
from validation.run.record import Facts

_NEVER_WRITTEN = "preflight-never-written"


@STORE.check("isolation", "Is Milvus's key kept away from everything else on the store?", after="permissions")
def isolation(run: StoreContext, _facts: Facts) -> None:
    """Add what is denied, and what should be."""
    _list_buckets(run)
    if run.aim.other_bucket:
        _other_bucket(run)
    else:
        run.record.skip("denied_other_bucket", "no other bucket is known; name one that Milvus must not read: --other-bucket NAME")
    if run.aim.scoped_to_prefix:
        _other_prefix(run)


def _list_buckets(run: StoreContext) -> None:
    try:
        found = run.store.ask(lambda s3: s3.list_buckets()).get("Buckets", [])
    except ClientError as error:
        run.record.ok("denied_list_buckets", f"the key may not list buckets ({code(error)})")
        return
    others = [str(one.get("Name")) for one in found if one.get("Name") != run.aim.bucket]
    if others:
        cure = "take s3:ListAllMyBuckets from its policy"
        run.record.warn("denied_list_buckets", f"the key sees {len(others)} other buckets", "whoever steals it knows where to look", cure)
    else:
        run.record.ok("denied_list_buckets", "the key sees no other bucket")


def _other_bucket(run: StoreContext) -> None:
    bucket = run.aim.other_bucket
    if bucket == run.aim.bucket:
        run.record.warn(
            "denied_other_bucket", f"{bucket} is Milvus's own bucket", "nothing was tried", "name another one: --other-bucket NAME"
        )
        return
    allowed = [name for name, may in (("list", _may_list(run, bucket)), ("read", _may_read(run, bucket))) if may]
    if allowed:
        run.record.fail(
            "denied_other_bucket",
            f"the key may {' and '.join(allowed)} in the bucket {bucket}",
            "whoever takes over Milvus reads the documents as well",
            f"confine its policy to arn:aws:s3:::{run.aim.bucket} and arn:aws:s3:::{run.aim.bucket}/*: pulumi up",
        )
    else:
        run.record.ok("denied_other_bucket", f"the key may neither list nor read in {bucket}")


def _may_list(run: StoreContext, bucket: str) -> bool:
    try:
        run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1))
    except ClientError:
        return False
    return True


def _may_read(run: StoreContext, bucket: str) -> bool:
    """Asked of a key that was never written: whoever may read is told that it is not there."""
    try:
        run.store.ask(lambda s3: s3.get_object(Bucket=bucket, Key=_NEVER_WRITTEN))
    except ClientError as error:
        return not is_denied(error) and code(error) == "NoSuchKey"
    return True


def _other_prefix(run: StoreContext) -> None:
    """Outside the root path; the object is empty and goes with the rest."""
    try:
        run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=_NEVER_WRITTEN, Body=b""))
    except ClientError as error:
        run.record.ok("denied_other_prefix", f"the key may not write outside {run.aim.root_path}/ ({code(error)})")
        return
    run.litter.outside(_NEVER_WRITTEN)
    run.record.fail(
        "denied_other_prefix",
        f"the key may write outside {run.aim.root_path}/, although its policy is said not to allow it",
        "tenants that share the bucket can destroy each other's data",
        f"confine the policy's objects to arn:aws:s3:::{run.aim.bucket}/{run.aim.root_path}/*",
    )
