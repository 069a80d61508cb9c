"""Bytes that must be what they were, and lie as promised: objects of the sizes that Milvus writes, checksums, and encryption at rest.

The sizes go up, and the first that fails ends the question: a store that refuses 16 MiB refuses 64 MiB as well. Each checksum is sent as a
trailer of a chunked body, as newer Milvus does, and as a header that is wrong on purpose. A store that does not know the chunked form may
answer with success and keep the framing as data: the bytes are read back. One that does not verify would let damage go unseen.
"""

import base64
import hashlib
import http.client
import os
import time
import zlib
from importlib.util import find_spec
from statistics import median
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from validation.checks.storage.aim import Encryption
from validation.checks.storage.connection import connect
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.load import MIB, differs, size_name
from validation.checks.storage.store import FULL, Store, WrongError, answered, code, is_denied
from validation.run.record import Facts

KIB = 1024
SIZES = (64 * KIB, MIB, 16 * MIB, 64 * MIB)  # log and small binlogs, `insertBufSize` and `indexSliceSize`, parts of large segments
SLOW_READ_S = 0.5
"""Bound of one GET of 64 KiB: ours, not Milvus's; loading a collection sends thousands of such, one after another for each segment."""
_READS = 3
_RANGE = 32 * KIB
_REFUSED = 400
Algorithm = Literal["CRC32", "CRC32C", "CRC64NVME", "SHA256"]
_NATIVE = frozenset({"CRC32C", "CRC64NVME"})  # computed by awscrt; boto3 alone cannot
_BODY = bytes(range(256)) * 300


@STORE.check(after="encryption")
def sizes(run: StoreContext, _facts: Facts) -> None:
    """Does an object of each size that Milvus writes come back byte for byte?"""
    good, store = list[str](), run.store.for_load()
    for size in SIZES:
        if not run.attempt("sizes", lambda _, size=size: _size(run, store, size), "s3:PutObject and s3:GetObject"):  # type: ignore[misc]
            break
        good.append(size_name(size))
        if size == SIZES[0]:
            _judge_reads(run, store)
    else:
        run.record.ok("sizes", f"written, read whole and in ranges, and compared: {', '.join(good)}")


def _size(run: StoreContext, store: Store, size: int) -> None:
    body, key = os.urandom(size), run.written.key(f"sizes/{size}")
    try:
        store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=body))
    except ClientError as error:
        raise _refusal(run, size, answered(error)) if code(error) in FULL or not is_denied(error) else error from None
    except WrongError as error:
        raise _refusal(run, size, _answer_to_headers(run, store, key, size) or str(error)) from None
    run.written.there[key] = size, time.monotonic()
    if difference := store.ask(lambda s3: differs(s3.get_object(Bucket=run.aim.bucket, Key=key)["Body"], body)):
        tried = "with a byte changed in each GET from 64 KiB on, a Milvus 2.3.5 went down right after the flush (once)"
        raise WrongError(f"a GET of {size_name(size)} gives other bytes than were written: {difference}", tried)
    for first in sorted({size // 2, size - _RANGE, *([MIB + 1] if size > 2 * MIB else [])}):
        _compare_range(run, store, key, first, body[first : first + _RANGE])


def _compare_range(run: StoreContext, store: Store, key: str, first: int, expected: bytes) -> None:
    part = f"bytes={first}-{first + len(expected) - 1}"
    if difference := store.ask(lambda s3: differs(s3.get_object(Bucket=run.aim.bucket, Key=key, Range=part)["Body"], expected)):
        raise WrongError(f"the range {part} gives other bytes than were written there: {difference}")


def _refusal(run: StoreContext, size: int, answer: str) -> WrongError:
    cure, tried = "raise the limit of the store, of a proxy before it or of the bucket's quota", "a Milvus 2.3.5 went down in the flush"
    run.written.forget(run.written.key(f"sizes/{size}"))
    return WrongError(f"a PUT of {size_name(size)} is refused: {answer}; {cure}", tried)


def _answer_to_headers(run: StoreContext, store: Store, key: str, size: int) -> str:
    """Ask with the headers alone: who refuses before the body is read closes the connection, and a client that sends sees no answer."""
    where = {"Bucket": run.aim.bucket, "Key": key, "ContentLength": size}
    url = urlsplit(store.s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60))
    connection = connect(run, min(run.aim.timeout_s, 3))
    try:
        connection.request("PUT", f"{url.path}?{url.query}", headers={"Content-Length": str(size)})
        answer = connection.getresponse()
        text = " ".join(answer.read(KIB).decode(errors="replace").split())
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return f"HTTP {answer.status} ({text[:200]})" if answer.status >= _REFUSED else ""


def _judge_reads(run: StoreContext, store: Store) -> None:
    key, times = run.written.key(f"sizes/{SIZES[0]}"), []
    for _ in range(_READS):
        begin_s = time.monotonic()
        store.ask(lambda s3: s3.get_object(Bucket=run.aim.bucket, Key=key)["Body"].read())
        times.append(time.monotonic() - begin_s)
    seen = f"a GET of 64 KiB takes {median(times) * 1e3:.0f} ms (median of {_READS}); the bound is {SLOW_READ_S * 1e3:.0f} ms"
    run.record.warn_if("read_time", median(times) > SLOW_READ_S, seen)


@STORE.check(after="consistency")
def checksums(run: StoreContext, _facts: Facts) -> None:
    """Does the store take and verify the checksums that Milvus and its libraries send?"""
    has_native = find_spec("awscrt") is not None
    good: list[str] = []
    for algorithm in get_args(Algorithm):
        if algorithm in _NATIVE and not has_native:
            run.record.skip(f"checksum_{algorithm.lower()}", "awscrt is not installed: pip install 'boto3[crt]'")
        elif problem := _trailer(run, algorithm):
            name = f"checksum_{algorithm.lower()}"
            if algorithm == "CRC64NVME" and run.aim.wal.is_on_the_store and "not kept" not in problem:
                run.record.fail("checksum.needed", problem, name=name)
            else:
                run.record.warn("checksum.other", problem, name=name)
        else:
            good.append(algorithm)
    if good:
        form = "as trailers of a chunked body" if run.aim.is_tls else "as headers, since trailers need TLS"
        run.record.ok("checksums", f"taken {form}, stored and given back: {', '.join(good)}")
    wrong = {"CRC32": zlib.crc32(b"other bytes").to_bytes(4, "big"), "SHA256": hashlib.sha256(b"other bytes").digest()}
    accepted = [algorithm for algorithm, digest in wrong.items() if _accepts_wrong(run, algorithm, digest)]
    seen, fine = f"a wrong {' and '.join(accepted)} is accepted", "a wrong CRC32 or SHA256 is refused"
    run.record.warn_if("checksum_verified", accepted, seen, fine)


def _trailer(run: StoreContext, algorithm: Algorithm) -> str:
    """Return what is wrong, "" when nothing is."""
    bucket, key = run.aim.bucket, run.written.key(f"checksum/{algorithm}")
    if refusal := run.store.refusal(lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=_BODY, ChecksumAlgorithm=algorithm)):
        return f"a body with a {algorithm} trailer is refused: {answered(refusal)}"
    if run.get(key) != _BODY:
        return f"a body with a {algorithm} trailer is accepted, but other bytes are kept: the store took the framing for data"
    head: Any = run.store.ask(lambda s3: s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"))
    return "" if head.get(f"Checksum{algorithm}") else f"a {algorithm} checksum is accepted and not kept: HEAD does not give it back"


def _accepts_wrong(run: StoreContext, algorithm: str, digest: bytes) -> bool:
    """Send a checksum of other bytes."""
    key, checksum = run.written.key(f"checksum/wrong-{algorithm}"), base64.b64encode(digest).decode()
    more: Any = {f"Checksum{algorithm}": checksum}
    return run.store.refusal(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=_BODY, **more)) is None


@STORE.check(after="checksums")
def encryption(run: StoreContext, _facts: Facts) -> None:
    """Is an object encrypted at rest as the store is configured to do it?"""
    bucket, key, promised = run.aim.bucket, run.put("encryption", b"x"), run.aim.encryption
    head = run.store.head(key)
    get = run.store.ask(lambda s3: s3.get_object(Bucket=bucket, Key=key))
    get["Body"].close()
    kinds = {str(answer.get("ServerSideEncryption") or "none") for answer in (head, get)}
    seen = " and ".join(sorted(kinds))
    if promised is Encryption.ANY:
        run.record.ok("encryption", f"{seen}, as HEAD and GET tell it; nothing was promised (--encryption)")
    elif kinds == {promised.value}:
        run.record.ok("encryption", f"{seen}, as promised")
    else:
        key = "encryption.none" if promised is Encryption.NONE else "encryption.other"
        run.record.fail(key, f"promised is {promised}, HEAD and GET tell {seen}")
