"""Closed loop: so many workers, each sending its next request when the last one is answered, until all are sent or the time is up.

This measures a store, not a promise: how long a request takes while so many are under way. Failures are counted, and count as slow as
the time-out, so that failing fast never looks fast.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from validation.checks.storage.record import BlockedError
from validation.load.samples import Samples

Request = Callable[[str], int]
"""Sends one request for a key, and returns the bytes that it moved."""


@dataclass(kw_only=True)
class Burst:
    """What came of many requests of one kind."""

    planned: int
    latency: Samples = field(default_factory=Samples)
    slowest_s: float = 0.0
    sent: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    moved: int = 0
    """Bytes of requests that succeeded."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of this process: near one core or more, the client is the limit, not the store."""

    def note(self, seconds: float, moved: int) -> None:
        """Count one success."""
        self.sent += 1
        self.moved += moved
        self._time(seconds)

    def fail(self, reason: str, seconds: float) -> None:
        """Count one failure."""
        self.sent += 1
        self.errors[reason] = self.errors.get(reason, 0) + 1
        self._time(seconds)

    def _time(self, seconds: float) -> None:
        self.latency.record(seconds)
        self.slowest_s = max(self.slowest_s, seconds)

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(self.errors.values())


def send(request: Request, keys: Sequence[str], workers: int, until_s: float, timeout_s: float) -> Burst:
    """Send one request a key; Ctrl-C and a store that is gone end all workers after their present request."""
    burst, lock, stop = Burst(planned=len(keys)), threading.Lock(), threading.Event()
    left = iter(keys)
    begin, cpu = time.monotonic(), time.process_time()

    def work() -> None:
        for key in _next(left, lock, stop, until_s):
            at = time.monotonic()
            try:
                moved = request(key)
            except ClientError as error:
                reason = str(error.response.get("Error", {}).get("Code", "?"))
                with lock:
                    burst.fail(reason, max(time.monotonic() - at, timeout_s))
            else:
                took = time.monotonic() - at
                with lock:
                    burst.note(took, moved)

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(work) for _ in range(workers)]
        try:
            for one in running:
                one.result()
        except (BlockedError, KeyboardInterrupt):
            stop.set()
            raise
    burst.seconds, burst.cpu_s = time.monotonic() - begin, time.process_time() - cpu
    return burst


def _next(keys: Iterator[str], lock: threading.Lock, stop: threading.Event, until_s: float) -> Iterator[str]:
    while not stop.is_set() and time.monotonic() < until_s:
        with lock:
            key = next(keys, None)
        if key is None:
            return
        yield key
