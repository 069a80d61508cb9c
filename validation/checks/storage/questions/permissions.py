"""Does everything once that Milvus does to its bucket, and looks at what came of it, not at the status alone."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.store import answered, code, is_denied
from validation.run.record import Facts

_BODY = bytes(range(256)) * 40
_PART = 5 * 2**20
"""Smallest part of a multipart upload but the last, by the S3 API."""
_CONNECTION_CHECK = "justforconnectioncheck"
"""Prefix that Milvus lists when it starts; it is not below the root path."""
_ACTIONS = {
    "head_bucket": "s3:ListBucket on the bucket",
    "list": "s3:ListBucket on the bucket, for every prefix",
    "list_pages": "s3:ListBucket on the bucket",
    "list_v1": "s3:ListBucket on the bucket",
    "head": "s3:GetObject",
    "get": "s3:GetObject",
    "range": "s3:GetObject",
    "copy": "s3:GetObject and s3:PutObject",
    "multipart": "s3:PutObject",
    "abort": "s3:AbortMultipartUpload and s3:ListMultipartUploadParts",
    "delete": "s3:DeleteObject",
    "batch_delete": "s3:DeleteObject",
}


class WrongError(Exception):
    """The store answered with success, and did something else."""


@STORE.check("permissions", "May Milvus's key do all that Milvus does, and does the store do it right?", after="root_path")
def permissions(run: StoreContext, _facts: Facts) -> None:
    """Add one finding for all that works, and one for each thing that does not."""
    steps: dict[str, Callable[[StoreContext], None]] = {
        "head_bucket": _head_bucket,
        "list": _list_anywhere,
        "list_pages": _list_pages,
        "list_v1": _list_v1,
        "head": _head,
        "get": _get,
        "range": _range,
        "copy": _copy,
        "multipart": _multipart,
        "abort": _abort,
        "delete": _delete,
        "batch_delete": _batch_delete,
    }
    for number in range(3):
        run.put(f"list/{number}", _BODY)
    good = [name for name, step in steps.items() if _try(run, name, step)]
    if good:
        run.record.ok("permissions", f"allowed and done right: put, {', '.join(good)}")


def _try(run: StoreContext, name: str, step: Callable[[StoreContext], None]) -> bool:
    try:
        step(run)
    except WrongError as error:
        run.record.fail(
            f"does_{name}", str(error), "Milvus would read or keep something else than it wrote", "report it to the store's maker"
        )
    except ClientError as error:
        denied = is_denied(error)
        seen = f"the key may not: {answered(error)}" if denied else f"the store does not do it: {answered(error)}"
        cure = (
            f"allow {_ACTIONS[name]}: pulumi up restores the policy" if denied else "a store, or a version of it, that knows this request"
        )
        run.record.fail(
            f"{'permission' if denied else 'does'}_{name}", seen, "Milvus needs it, and would fail in the middle of its work", cure
        )
    else:
        return True
    return False


def _head_bucket(run: StoreContext) -> None:
    run.store.ask(lambda s3: s3.head_bucket(Bucket=run.aim.bucket))


def _list_anywhere(run: StoreContext) -> None:
    run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=_CONNECTION_CHECK))


def _list_pages(run: StoreContext) -> None:
    prefix = f"{run.litter.prefix}list/"
    first = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=prefix, MaxKeys=2))
    token = first.get("NextContinuationToken")
    if not first.get("IsTruncated") or not token:
        raise WrongError("a listing of three keys, two a page, is not marked as going on")
    rest = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=prefix, MaxKeys=2, ContinuationToken=token))
    keys = [one.get("Key", "") for one in [*first.get("Contents", []), *rest.get("Contents", [])]]
    if keys != [f"{prefix}{number}" for number in range(3)]:
        raise WrongError(f"two pages of a listing hold {keys}")


def _list_v1(run: StoreContext) -> None:
    prefix = f"{run.litter.prefix}list/"
    found = run.store.ask(lambda s3: s3.list_objects(Bucket=run.aim.bucket, Prefix=prefix, Marker=f"{prefix}0"))
    keys = [one.get("Key", "") for one in found.get("Contents", [])]
    if keys != [f"{prefix}1", f"{prefix}2"]:
        raise WrongError(f"a listing (version 1) after the first of three keys holds {keys}")


def _head(run: StoreContext) -> None:
    key = run.litter.key("head")
    run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=_BODY, Metadata={"fence": "yes"}))
    found = run.store.ask(lambda s3: s3.head_object(Bucket=run.aim.bucket, Key=key))
    if found["ContentLength"] != len(_BODY) or found["Metadata"].get("fence") != "yes":
        raise WrongError(f"HEAD tells {found['ContentLength']} bytes and metadata {found['Metadata']} of {len(_BODY)} bytes with fence=yes")


def _get(run: StoreContext) -> None:
    if run.get(f"{run.litter.prefix}list/0") != _BODY:
        raise WrongError("GET gives other bytes than PUT was given")
    try:
        run.get(f"{run.litter.prefix}never-written")
    except ClientError as error:
        if code(error) != "NoSuchKey":
            raise
    else:
        raise WrongError("GET of a key that was never written succeeds")


def _range(run: StoreContext) -> None:
    key = f"{run.litter.prefix}list/0"
    found = run.store.ask(lambda s3: s3.get_object(Bucket=run.aim.bucket, Key=key, Range="bytes=1000-1999")["Body"].read())
    if found != _BODY[1000:2000]:
        raise WrongError(f"GET of the bytes 1000 to 1999 gives {len(found)} bytes, and not those")


def _copy(run: StoreContext) -> None:
    source, key = f"{run.litter.prefix}list/0", run.litter.key("copy")
    run.store.ask(lambda s3: s3.copy_object(Bucket=run.aim.bucket, Key=key, CopySource={"Bucket": run.aim.bucket, "Key": source}))
    if run.get(key) != _BODY:
        raise WrongError("a copy holds other bytes than its source")


def _multipart(run: StoreContext) -> None:
    bucket, key = run.aim.bucket, run.litter.key("multipart")
    upload = run.litter.upload(key, run.store.ask(lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"])
    bodies = (b"a" * _PART, b"b" * 10)
    tags = [_part(run, key, upload, number, body) for number, body in enumerate(bodies, 1)]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    run.store.ask(
        lambda s3: s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
    )
    if run.get(key) != b"".join(bodies):
        raise WrongError("an object of two parts holds other bytes than its parts")


def _part(run: StoreContext, key: str, upload: str, number: int, body: bytes) -> str:
    return run.store.ask(lambda s3: s3.upload_part(Bucket=run.aim.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body))["ETag"]


def _abort(run: StoreContext) -> None:
    bucket, key = run.aim.bucket, run.litter.key("abort")
    upload = run.litter.upload(key, run.store.ask(lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"])
    _part(run, key, upload, 1, b"a")
    run.store.ask(lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))
    try:
        run.store.ask(lambda s3: s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))
    except ClientError as error:
        if code(error) != "NoSuchUpload":
            raise
    else:
        raise WrongError("the parts of an upload that was aborted are still there")


def _delete(run: StoreContext) -> None:
    key = run.put("delete", _BODY)
    run.store.ask(lambda s3: s3.delete_object(Bucket=run.aim.bucket, Key=key))
    _require_gone(run, key)


def _batch_delete(run: StoreContext) -> None:
    keys = [run.put(f"batch/{number}", _BODY) for number in range(2)]
    answer = run.store.ask(lambda s3: s3.delete_objects(Bucket=run.aim.bucket, Delete={"Objects": [{"Key": key} for key in keys]}))
    if errors := answer.get("Errors"):
        raise WrongError(f"a batch delete leaves {errors[0].get('Key')}: {errors[0].get('Code')}")
    for key in keys:
        _require_gone(run, key)


def _require_gone(run: StoreContext, key: str) -> None:
    try:
        run.store.ask(lambda s3: s3.head_object(Bucket=run.aim.bucket, Key=key))
    except ClientError as error:
        if code(error) not in {"404", "NoSuchKey"}:
            raise
    else:
        raise WrongError("an object that was deleted is still there")
