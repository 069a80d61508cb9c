"""Closed loop: so many workers, each sending its next request when the last one is answered, until all are sent or the time is up.

Failures are counted, and count as slow as the time-out, so that failing fast never looks fast. Each object has other bytes, so that a store
that saves equal ones only once is not flattered.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from validation.checks.storage.context import Written
from validation.checks.storage.store import Store, WrongError, code
from validation.load.histogram import Histogram

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MIB = 2**20
_RANGE = 64 * 1024
_PAGE = 100
Request = Callable[[str], object]  # sends one request for a key; the bytes that it moved, where it returns a number


@dataclass(kw_only=True)
class Burst:
    """What came of many requests of one kind."""

    planned: int
    latency: Histogram = field(default_factory=Histogram)
    slowest_s: float = 0.0
    sent: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    moved: int = 0  # bytes of requests that succeeded
    seconds: float = 0.0
    cpu_s: float = 0.0  # of this process: near one core or more, the client is the limit, not the store

    def note(self, seconds: float, moved: int, error: str) -> None:
        """Count one request; `error` is empty for one that succeeded."""
        self.sent += 1
        self.moved += moved
        self.errors.update([error] if error else [])
        self.latency.record(seconds)
        self.slowest_s = max(self.slowest_s, seconds)


def send(request: Request, keys: Sequence[str], workers: int, until_s: float, timeout_s: float) -> Burst:
    """Send one request a key; Ctrl-C and a store that is gone end all workers after their present request."""
    burst, stop = Burst(planned=len(keys)), threading.Event()
    begin, cpu = time.monotonic(), time.process_time()

    def timed(key: str) -> tuple[float, int, str] | None:
        begin_s = time.monotonic()
        if stop.is_set() or begin_s >= until_s:
            return None
        try:
            answer = request(key)
        except (ClientError, WrongError) as error:
            why = code(error) if isinstance(error, ClientError) else str(error)
            return max(time.monotonic() - begin_s, timeout_s), 0, why or "?"
        except BaseException:
            stop.set()
            raise
        return time.monotonic() - begin_s, answer if isinstance(answer, int) else 0, ""

    with ThreadPoolExecutor(workers) as pool:
        try:
            for outcome in filter(None, pool.map(timed, keys)):
                burst.note(*outcome)
        except KeyboardInterrupt:
            stop.set()
            raise
    burst.seconds, burst.cpu_s = time.monotonic() - begin, time.process_time() - cpu
    return burst


def size_name(size: int) -> str:
    """Return 64 KiB, 1 MiB and so on."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // 1024} KiB"


class Objects:
    """So many objects of one size below one prefix."""

    def __init__(self, written: Written, store: Store, name: str, size: int, count: int) -> None:
        self._kept, self._store, self._size = written, store, size
        self._prefix = f"{written.prefix}{name}"
        self._source = os.urandom(size + count)
        self._offsets = {written.key(f"{name}{number:04}"): number for number in range(count)}
        self.keys = list(self._offsets)  # what is to be written
        self.written = set[str]()  # what there is to read and to delete

    def operations(self) -> dict[str, Request]:
        """In the order in which they make sense."""
        whole, half, bucket, ask = self._size, self._size // 2, self._store.bucket, self._store.ask
        requests: dict[str, Request] = {"PUT": self._put, **dict.fromkeys(("GET first", "GET again"), partial(self._read, size=whole))}
        if whole > _RANGE:
            part = f"bytes={half}-{half + _RANGE - 1}"
            requests["GET 64 KiB of it"] = partial(self._read, size=_RANGE, first=half, Range=part)
        requests["HEAD"] = self._store.head
        if whole < MIB:
            requests[f"LIST {_PAGE}"] = lambda _: ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=self._prefix, MaxKeys=_PAGE))
        return {**requests, "DELETE": self._delete}

    def _put(self, key: str) -> int:
        first = self._offsets[key]
        body = self._source[first : first + self._size]
        self._store.ask(lambda s3: s3.put_object(Bucket=self._store.bucket, Key=key, Body=body))
        self.written.add(key)
        return self._size

    def _read(self, key: str, size: int, first: int = 0, **more: Any) -> int:  # noqa: ANN401  options of the request
        """Read and compare; the comparison costs a thousandth of the reading."""
        at = self._offsets[key] + first
        expected = memoryview(self._source)[at : at + size]
        if problem := self._store.ask(lambda s3: differs(s3.get_object(Bucket=self._store.bucket, Key=key, **more)["Body"], expected)):
            raise WrongError(f"GET of {size_name(size)} gives other bytes than were written: {problem.partition(' number')[0]}")
        return size

    def _delete(self, key: str) -> None:
        self._store.ask(lambda s3: s3.delete_object(Bucket=self._store.bucket, Key=key))
        self._kept.forget(key)


def differs(body: "StreamingBody", expected: bytes | memoryview) -> str:
    """Read all of it and return where it differs, "" where it does not."""
    at, view = 0, memoryview(expected)
    for chunk in body.iter_chunks(MIB):
        part = view[at : at + len(chunk)]
        if part != chunk:
            wrong = next((place for place, (left, right) in enumerate(zip(chunk, part, strict=False)) if left != right), None)
            return f"it goes on after {len(expected):,} bytes" if wrong is None else f"the first wrong byte is number {at + wrong:,}"
        at += len(chunk)
    return "" if at == len(expected) else f"it ends after {at:,} of {len(expected):,} bytes"
