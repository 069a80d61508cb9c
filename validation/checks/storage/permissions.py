"""Does everything once that Milvus does to its bucket, and looks at what came of it, not at the status alone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext, listed
from validation.checks.storage.store import WrongError, code
from validation.run.record import Facts

_BODY = bytes(range(256)) * 40
_PART = 5 * 2**20  # smallest part of a multipart upload but the last, by the S3 API
_CONNECTION_CHECK = "justforconnectioncheck"  # prefix that Milvus lists when it starts; it is not below the root path


@STORE.check(after="root_path")
def permissions(run: StoreContext, _facts: Facts) -> None:
    """May Milvus's key do all that Milvus does, and does the store do it right?"""
    for number in range(3):
        run.put(f"list/{number}", _BODY)
    good = [name for name, (step, right) in _STEPS.items() if run.attempt(name, step, right)]
    if good:
        run.record.ok("permissions", f"allowed and done right: put, {', '.join(good)}")


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
    keys = list(listed(run.store, prefix, version=1, Marker=f"{prefix}0"))
    if keys != [f"{prefix}1", f"{prefix}2"]:
        raise WrongError(f"a listing (version 1) after the first of three keys holds {keys}")


def _head(run: StoreContext) -> None:
    key = run.written.key("head")
    put = run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=_BODY, Metadata={"fence": "yes"}))
    head = run.store.head(key)
    size, metadata = head["ContentLength"], metadata_of(head)
    if size != len(_BODY) or metadata.get("fence") != "yes":
        raise WrongError(f"HEAD tells {size} bytes and metadata {metadata} of {len(_BODY)} bytes with fence=yes")
    _dated("HEAD", head)
    if put["ETag"] != head["ETag"]:
        raise WrongError(f"PUT tells the ETag {put['ETag']}, HEAD {head['ETag']} of the same object")


def metadata_of(answer: Any) -> dict[str, str]:  # noqa: ANN401  an answer of boto3's
    """Return the metadata of an object; names of headers have no case, and Go reads them so."""
    return {name.lower(): value for name, value in answer.get("Metadata", {}).items()}


def _dated(what: str, answer: Any) -> None:  # noqa: ANN401  an answer of boto3's
    """Require a Last-Modified as RFC 7231 writes it: Milvus's client parses it and refuses the object where it cannot."""
    text = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("last-modified")
    try:
        time.strptime(text or "", "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        seen = f"{what} is answered " + (f"with a Last-Modified that cannot be read ({text})" if text else "without Last-Modified")
        tried = "a Milvus 2.3.5 took rows and never got an index: create_index ended by its time-out of 40 s"
        raise WrongError(seen, tried) from None


def _get(run: StoreContext) -> None:
    key = f"{run.written.prefix}list/0"
    answer, body = run.store.ask(lambda s3: (get := s3.get_object(Bucket=run.aim.bucket, Key=key), get["Body"].read()))
    if body != _BODY:
        raise WrongError(f"GET gives other bytes than PUT was given ({len(body)} bytes, {len(_BODY)} were written)")
    _dated("GET", answer)
    with _refused({"NoSuchKey"}, "GET of a key that was never written succeeds"):
        run.get(f"{run.written.prefix}never-written")


def _range(run: StoreContext) -> None:
    part = run.get(f"{run.written.prefix}list/0", Range="bytes=1000-1999")
    if part != _BODY[1000:2000]:
        raise WrongError(f"GET of the bytes 1000 to 1999 gives {len(part)} bytes, and not those")


def _copy(run: StoreContext) -> None:
    source, key = f"{run.written.prefix}list/0", run.written.key("copy")
    run.store.ask(lambda s3: s3.copy_object(Bucket=run.aim.bucket, Key=key, CopySource={"Bucket": run.aim.bucket, "Key": source}))
    if run.get(key) != _BODY:
        raise WrongError("a copy holds other bytes than its source")


def _multipart(run: StoreContext) -> None:
    """Send the third part first, the first one twice, and the first two at once; what is kept must be in the order of their numbers."""
    bucket, key = run.aim.bucket, run.written.key("multipart")
    upload, bodies = _begin(run, key), [b"a" * _PART, b"b" * _PART, b"c" * 10]
    tags = {3: _part(run, key, upload, 3, bodies[2])}
    _part(run, key, upload, 1, b"x" * _PART)
    with ThreadPoolExecutor(2) as pool:
        tags |= zip((1, 2), pool.map(lambda number: _part(run, key, upload, number, bodies[number - 1]), (1, 2)), strict=True)
    parts: Any = [{"PartNumber": number, "ETag": tags[number]} for number in (1, 2, 3)]
    run.store.ask(lambda s3: s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}))
    if run.get(key) != b"".join(bodies):
        raise WrongError("an object of three parts, sent as 3, 1, and then 1 again beside 2, holds other bytes than its parts in order")


def _part(run: StoreContext, key: str, upload: str, number: int, body: bytes) -> str:
    return run.store.ask(lambda s3: s3.upload_part(Bucket=run.aim.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body))["ETag"]


def _abort(run: StoreContext) -> None:
    bucket, key = run.aim.bucket, run.written.key("abort")
    upload = _begin(run, key)
    _part(run, key, upload, 1, b"a")
    run.store.ask(lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))
    with _refused({"NoSuchUpload"}, "the parts of an upload that was aborted are still there"):
        run.store.ask(lambda s3: s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))
    _require_gone(run, [key], "an upload that was aborted left an object")


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
    run.delete(key := run.put("delete", _BODY))
    _require_gone(run, [key])


def _batch_delete(run: StoreContext) -> None:
    keys = [run.put(f"batch/{number}", _BODY) for number in range(2)]
    answer = run.store.ask(lambda s3: s3.delete_objects(Bucket=run.aim.bucket, Delete={"Objects": [{"Key": key} for key in keys]}))
    if errors := answer.get("Errors"):
        raise WrongError(f"a batch delete leaves {errors[0].get('Key')}: {errors[0].get('Code')}")
    _require_gone(run, keys)
    run.written.gone.update(keys)


def _require_gone(run: StoreContext, keys: list[str], problem: str = "an object that was deleted is still there") -> None:
    for key in keys:
        run.written.there.pop(key, None)
        with _refused({"404", "NoSuchKey"}, problem):
            run.store.head(key)


_STEPS: dict[str, tuple[Callable[[StoreContext], object], str]] = {
    "head_bucket": (lambda run: run.store.ask(lambda s3: s3.head_bucket(Bucket=run.aim.bucket)), "s3:ListBucket on the bucket"),
    "list": (
        lambda run: run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=_CONNECTION_CHECK)),
        "s3:ListBucket on the bucket, for every prefix",
    ),
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
