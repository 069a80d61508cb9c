"""Does everything once that Milvus does to its bucket, and looks at what came of it, not at the status alone."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from validation.checks.storage.bench import Bench
from validation.checks.storage.store import answered, code, is_denied

QUESTION = "May Milvus's key do all that Milvus does, and does the store do it right?"
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


def run(bench: Bench) -> None:
    """Add one finding for all that works, and one for each thing that does not."""
    steps: dict[str, Callable[[Bench], None]] = {
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
        bench.put(f"list/{number}", _BODY)
    good = [name for name, step in steps.items() if _try(bench, name, step)]
    if good:
        bench.record.ok("permissions", f"allowed and done right: put, {', '.join(good)}")


def _try(bench: Bench, name: str, step: Callable[[Bench], None]) -> bool:
    try:
        step(bench)
    except WrongError as error:
        bench.record.fail(
            f"does_{name}", str(error), "Milvus would read or keep something else than it wrote", "report it to the store's maker"
        )
    except ClientError as error:
        denied = is_denied(error)
        seen = f"the key may not: {answered(error)}" if denied else f"the store does not do it: {answered(error)}"
        cure = (
            f"allow {_ACTIONS[name]}: pulumi up restores the policy" if denied else "a store, or a version of it, that knows this request"
        )
        bench.record.fail(
            f"{'permission' if denied else 'does'}_{name}", seen, "Milvus needs it, and would fail in the middle of its work", cure
        )
    else:
        return True
    return False


def _head_bucket(bench: Bench) -> None:
    bench.store.ask(lambda s3: s3.head_bucket(Bucket=bench.aim.bucket))


def _list_anywhere(bench: Bench) -> None:
    bench.store.ask(lambda s3: s3.list_objects_v2(Bucket=bench.aim.bucket, Prefix=_CONNECTION_CHECK))


def _list_pages(bench: Bench) -> None:
    prefix = f"{bench.litter.prefix}list/"
    first = bench.store.ask(lambda s3: s3.list_objects_v2(Bucket=bench.aim.bucket, Prefix=prefix, MaxKeys=2))
    token = first.get("NextContinuationToken")
    if not first.get("IsTruncated") or not token:
        raise WrongError("a listing of three keys, two a page, is not marked as going on")
    rest = bench.store.ask(lambda s3: s3.list_objects_v2(Bucket=bench.aim.bucket, Prefix=prefix, MaxKeys=2, ContinuationToken=token))
    keys = [one.get("Key", "") for one in [*first.get("Contents", []), *rest.get("Contents", [])]]
    if keys != [f"{prefix}{number}" for number in range(3)]:
        raise WrongError(f"two pages of a listing hold {keys}")


def _list_v1(bench: Bench) -> None:
    prefix = f"{bench.litter.prefix}list/"
    found = bench.store.ask(lambda s3: s3.list_objects(Bucket=bench.aim.bucket, Prefix=prefix, Marker=f"{prefix}0"))
    keys = [one.get("Key", "") for one in found.get("Contents", [])]
    if keys != [f"{prefix}1", f"{prefix}2"]:
        raise WrongError(f"a listing (version 1) after the first of three keys holds {keys}")


def _head(bench: Bench) -> None:
    key = bench.litter.key("head")
    bench.store.ask(lambda s3: s3.put_object(Bucket=bench.aim.bucket, Key=key, Body=_BODY, Metadata={"fence": "yes"}))
    found = bench.store.ask(lambda s3: s3.head_object(Bucket=bench.aim.bucket, Key=key))
    if found["ContentLength"] != len(_BODY) or found["Metadata"].get("fence") != "yes":
        raise WrongError(f"HEAD tells {found['ContentLength']} bytes and metadata {found['Metadata']} of {len(_BODY)} bytes with fence=yes")


def _get(bench: Bench) -> None:
    if bench.get(f"{bench.litter.prefix}list/0") != _BODY:
        raise WrongError("GET gives other bytes than PUT was given")
    try:
        bench.get(f"{bench.litter.prefix}never-written")
    except ClientError as error:
        if code(error) != "NoSuchKey":
            raise
    else:
        raise WrongError("GET of a key that was never written succeeds")


def _range(bench: Bench) -> None:
    key = f"{bench.litter.prefix}list/0"
    found = bench.store.ask(lambda s3: s3.get_object(Bucket=bench.aim.bucket, Key=key, Range="bytes=1000-1999")["Body"].read())
    if found != _BODY[1000:2000]:
        raise WrongError(f"GET of the bytes 1000 to 1999 gives {len(found)} bytes, and not those")


def _copy(bench: Bench) -> None:
    source, key = f"{bench.litter.prefix}list/0", bench.litter.key("copy")
    bench.store.ask(lambda s3: s3.copy_object(Bucket=bench.aim.bucket, Key=key, CopySource={"Bucket": bench.aim.bucket, "Key": source}))
    if bench.get(key) != _BODY:
        raise WrongError("a copy holds other bytes than its source")


def _multipart(bench: Bench) -> None:
    bucket, key = bench.aim.bucket, bench.litter.key("multipart")
    upload = bench.litter.upload(key, bench.store.ask(lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"])
    bodies = (b"a" * _PART, b"b" * 10)
    tags = [_part(bench, key, upload, number, body) for number, body in enumerate(bodies, 1)]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    bench.store.ask(
        lambda s3: s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
    )
    if bench.get(key) != b"".join(bodies):
        raise WrongError("an object of two parts holds other bytes than its parts")


def _part(bench: Bench, key: str, upload: str, number: int, body: bytes) -> str:
    return bench.store.ask(lambda s3: s3.upload_part(Bucket=bench.aim.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body))[
        "ETag"
    ]


def _abort(bench: Bench) -> None:
    bucket, key = bench.aim.bucket, bench.litter.key("abort")
    upload = bench.litter.upload(key, bench.store.ask(lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"])
    _part(bench, key, upload, 1, b"a")
    bench.store.ask(lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))
    try:
        bench.store.ask(lambda s3: s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))
    except ClientError as error:
        if code(error) != "NoSuchUpload":
            raise
    else:
        raise WrongError("the parts of an upload that was aborted are still there")


def _delete(bench: Bench) -> None:
    key = bench.put("delete", _BODY)
    bench.store.ask(lambda s3: s3.delete_object(Bucket=bench.aim.bucket, Key=key))
    _require_gone(bench, key)


def _batch_delete(bench: Bench) -> None:
    keys = [bench.put(f"batch/{number}", _BODY) for number in range(2)]
    answer = bench.store.ask(lambda s3: s3.delete_objects(Bucket=bench.aim.bucket, Delete={"Objects": [{"Key": key} for key in keys]}))
    if errors := answer.get("Errors"):
        raise WrongError(f"a batch delete leaves {errors[0].get('Key')}: {errors[0].get('Code')}")
    for key in keys:
        _require_gone(bench, key)


def _require_gone(bench: Bench, key: str) -> None:
    try:
        bench.store.ask(lambda s3: s3.head_object(Bucket=bench.aim.bucket, Key=key))
    except ClientError as error:
        if code(error) not in {"404", "NoSuchKey"}:
            raise
    else:
        raise WrongError("an object that was deleted is still there")
