"""Does everything once that Milvus does to its bucket, and looks at what came of it, not at the status alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.store import answered, code, is_denied
from validation.run.record import Facts

_BODY = bytes(range(256)) * 40
_PART = 5 * 2**20
"""Smallest part of a multipart upload but the last, by the S3 API."""
_CONNECTION_CHECK = "justforconnectioncheck"
"""Prefix that Milvus lists when it starts; it is not below the root path."""


class WrongError(Exception):
    """The store answered with success, and did something else."""


@STORE.check("permissions", "May Milvus's key do all that Milvus does, and does the store do it right?", after="root_path")
def permissions(run: StoreContext, _facts: Facts) -> None:
    """Add one finding for all that works, and one for each thing that does not."""
    for number in range(3):
        run.put(f"list/{number}", _BODY)
    good = [name for name, (step, _) in _STEPS.items() if _try(run, name, step)]
    if good:
        run.record.ok("permissions", f"allowed and done right: put, {', '.join(good)}")


def _try(run: StoreContext, name: str, step: Callable[[StoreContext], object]) -> bool:
    try:
        step(run)
    except WrongError as error:
        consequence, cure = "Milvus would read or keep something else than it wrote", "report it to the store's maker"
        run.record.fail(f"does_{name}", str(error), consequence, cure)
    except ClientError as error:
        kind, seen, cure = "does", "the store does not do it", "a store, or a version of it, that knows this request"
        if is_denied(error):
            kind, seen, cure = "permission", "the key may not", f"allow {_STEPS[name][1]}: pulumi up restores the policy"
        consequence = "Milvus needs it, and would fail in the middle of its work"
        run.record.fail(f"{kind}_{name}", f"{seen}: {answered(error)}", consequence, cure)
    else:
        return True
    return False


def _list_anywhere(run: StoreContext) -> None:
    run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=_CONNECTION_CHECK))


def _list_pages(run: StoreContext) -> None:
    bucket, prefix = run.aim.bucket, f"{run.written.prefix}list/"
    first = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2))
    token = first.get("NextContinuationToken")
    if not first.get("IsTruncated") or not token:
        raise WrongError("a listing of three keys, two a page, is not marked as going on")
    rest = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2, ContinuationToken=token))
    keys = [item.get("Key", "") for item in [*first.get("Contents", []), *rest.get("Contents", [])]]
    if keys != [f"{prefix}{number}" for number in range(3)]:
        raise WrongError(f"two pages of a listing hold {keys}")


def _list_v1(run: StoreContext) -> None:
    prefix = f"{run.written.prefix}list/"
    listed = run.store.ask(lambda s3: s3.list_objects(Bucket=run.aim.bucket, Prefix=prefix, Marker=f"{prefix}0"))
    keys = [item.get("Key", "") for item in listed.get("Contents", [])]
    if keys != [f"{prefix}1", f"{prefix}2"]:
        raise WrongError(f"a listing (version 1) after the first of three keys holds {keys}")


def _head(run: StoreContext) -> None:
    key = run.written.key("head")
    run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=_BODY, Metadata={"fence": "yes"}))
    head = run.store.ask(lambda s3: s3.head_object(Bucket=run.aim.bucket, Key=key))
    size, metadata = head["ContentLength"], head["Metadata"]
    if size != len(_BODY) or metadata.get("fence") != "yes":
        raise WrongError(f"HEAD tells {size} bytes and metadata {metadata} of {len(_BODY)} bytes with fence=yes")


def _get(run: StoreContext) -> None:
    if run.get(f"{run.written.prefix}list/0") != _BODY:
        raise WrongError("GET gives other bytes than PUT was given")
    with _refused({"NoSuchKey"}, "GET of a key that was never written succeeds"):
        run.get(f"{run.written.prefix}never-written")


def _range(run: StoreContext) -> None:
    key = f"{run.written.prefix}list/0"
    part = run.store.ask(lambda s3: s3.get_object(Bucket=run.aim.bucket, Key=key, Range="bytes=1000-1999")["Body"].read())
    if part != _BODY[1000:2000]:
        raise WrongError(f"GET of the bytes 1000 to 1999 gives {len(part)} bytes, and not those")


def _copy(run: StoreContext) -> None:
    source, key = f"{run.written.prefix}list/0", run.written.key("copy")
    run.store.ask(lambda s3: s3.copy_object(Bucket=run.aim.bucket, Key=key, CopySource={"Bucket": run.aim.bucket, "Key": source}))
    if run.get(key) != _BODY:
        raise WrongError("a copy holds other bytes than its source")


def _multipart(run: StoreContext) -> None:
    bucket, key = run.aim.bucket, run.written.key("multipart")
    upload, bodies = _begin(run, key), (b"a" * _PART, b"b" * 10)
    parts: Any = [{"PartNumber": number, "ETag": _part(run, key, upload, number, body)} for number, body in enumerate(bodies, 1)]
    run.store.ask(lambda s3: s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}))
    if run.get(key) != b"".join(bodies):
        raise WrongError("an object of two parts holds other bytes than its parts")


def _part(run: StoreContext, key: str, upload: str, number: int, body: bytes) -> str:
    return run.store.ask(lambda s3: s3.upload_part(Bucket=run.aim.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body))["ETag"]


def _abort(run: StoreContext) -> None:
    bucket, key = run.aim.bucket, run.written.key("abort")
    upload = _begin(run, key)
    _part(run, key, upload, 1, b"a")
    run.store.ask(lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))
    with _refused({"NoSuchUpload"}, "the parts of an upload that was aborted are still there"):
        run.store.ask(lambda s3: s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))


def _begin(run: StoreContext, key: str) -> str:
    return run.written.upload(key, run.store.ask(lambda s3: s3.create_multipart_upload(Bucket=run.aim.bucket, Key=key))["UploadId"])


@contextmanager
def _refused(codes: set[str], problem: str) -> Iterator[None]:
    """Require that what is asked inside is answered with one of `codes`; WrongError where it succeeds."""
    try:
        yield
    except ClientError as error:
        if code(error) not in codes:
            raise
    else:
        raise WrongError(problem)


def _delete(run: StoreContext) -> None:
    key = run.put("delete", _BODY)
    run.store.ask(lambda s3: s3.delete_object(Bucket=run.aim.bucket, Key=key))
    _require_gone(run, [key])


def _batch_delete(run: StoreContext) -> None:
    keys = [run.put(f"batch/{number}", _BODY) for number in range(2)]
    answer = run.store.ask(lambda s3: s3.delete_objects(Bucket=run.aim.bucket, Delete={"Objects": [{"Key": key} for key in keys]}))
    if errors := answer.get("Errors"):
        raise WrongError(f"a batch delete leaves {errors[0].get('Key')}: {errors[0].get('Code')}")
    _require_gone(run, keys)


def _require_gone(run: StoreContext, keys: list[str]) -> None:
    for key in keys:
        with _refused({"404", "NoSuchKey"}, "an object that was deleted is still there"):
            run.store.ask(lambda s3, key=key: s3.head_object(Bucket=run.aim.bucket, Key=key))  # type: ignore[misc]


_STEPS: dict[str, tuple[Callable[[StoreContext], object], str]] = {
    "head_bucket": (lambda run: run.store.ask(lambda s3: s3.head_bucket(Bucket=run.aim.bucket)), "s3:ListBucket on the bucket"),
    "list": (_list_anywhere, "s3:ListBucket on the bucket, for every prefix"),
    "list_pages": (_list_pages, "s3:ListBucket on the bucket"),
    "list_v1": (_list_v1, "s3:ListBucket on the bucket"),
    "head": (_head, "s3:GetObject"),
    "get": (_get, "s3:GetObject"),
    "range": (_range, "s3:GetObject"),
    "copy": (_copy, "s3:GetObject and s3:PutObject"),
    "multipart": (_multipart, "s3:PutObject"),
    "abort": (_abort, "s3:AbortMultipartUpload and s3:ListMultipartUploadParts"),
    "delete": (_delete, "s3:DeleteObject"),
    "batch_delete": (_batch_delete, "s3:DeleteObject"),
}
"""What is tried, in order, and the right that it needs."""
