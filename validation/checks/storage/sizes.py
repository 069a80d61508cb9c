"""Objects of the sizes that Milvus writes: each is read whole and in ranges, and every byte is compared; a refusal is told with its code.

The sizes go up, and the first that fails ends the question: a store that refuses 16 MiB refuses 64 MiB as well.
"""

import http.client
import os
import time
from statistics import median
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from validation.checks.storage.connection import connect
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.load import MIB, differs, size_name
from validation.checks.storage.store import FULL, Store, WrongError, answered, code, is_denied
from validation.run.record import Facts

KIB = 1024
SIZES = (64 * KIB, MIB, 16 * MIB, 64 * MIB)
"""Log and small binlogs, `insertBufSize` and `indexSliceSize`, parts of large segments."""
SLOW_READ_S = 0.5
"""Bound of one GET of 64 KiB: ours, not Milvus's; loading a collection sends thousands of such, one after another for each segment."""
_READS = 3
_RANGE = 32 * KIB
_REFUSED = 400


@STORE.check("sizes", "Does an object of each size that Milvus writes come back byte for byte?", after="encryption")
def sizes(run: StoreContext, _facts: Facts) -> None:
    """Add one finding for the bytes and one for the time of a small read."""
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
    body, key = os.urandom(size), _key(run, size)
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
        _range(run, store, key, first, body[first : first + _RANGE])


def _range(run: StoreContext, store: Store, key: str, first: int, expected: bytes) -> None:
    part = f"bytes={first}-{first + len(expected) - 1}"
    if difference := store.ask(lambda s3: differs(s3.get_object(Bucket=run.aim.bucket, Key=key, Range=part)["Body"], expected)):
        raise WrongError(f"the range {part} gives other bytes than were written there: {difference}")


def _key(run: StoreContext, size: int) -> str:
    return run.written.key(f"sizes/{size}")


def _refusal(run: StoreContext, size: int, answer: str) -> WrongError:
    tried = "raise the limit of the store, of a proxy before it or of the bucket's quota"
    run.written.forget(_key(run, size))
    return WrongError(f"a PUT of {size_name(size)} is refused: {answer}; {tried}")


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
    key, times = _key(run, SIZES[0]), []
    for _ in range(_READS):
        begin_s = time.monotonic()
        store.ask(lambda s3: s3.get_object(Bucket=run.aim.bucket, Key=key)["Body"].read())
        times.append(time.monotonic() - begin_s)
    seen = f"a GET of 64 KiB takes {median(times) * 1e3:.0f} ms (median of {_READS}); the bound is {SLOW_READ_S * 1e3:.0f} ms"
    if median(times) > SLOW_READ_S:
        run.record.warn("read_time", seen)
    else:
        run.record.ok("read_time", seen)
