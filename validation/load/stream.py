"""Rows that stream in at a fixed rate from a thread of their own, while searches are timed; half-way they are sealed, then merged.

Batches leave at planned times, whether or not searches are slow; one that takes longer than its turn delays the next: the rate shows it.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from validation.clients.milvus import Collection, Row
from validation.clients.vectors import Matrix

_BATCHES_PER_S = 4
_SEAL_AT = 1 / 3
"""Where in the time of the stream it is flushed: late enough for rows to be there, early enough for what follows to be seen."""


@dataclass(kw_only=True)
class Stream:
    """What streams in, and what came of it; times are seconds of the monotonic clock."""

    collection: Collection
    rows: list[Row]
    matrix: Matrix
    """Vectors of the whole collection; a row's is at its id."""
    rate: float
    seconds: float
    start_s: float = 0.0
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    """When a batch was acknowledged, and how many rows were by then."""
    ends: list[int] = field(default_factory=list)
    """How many rows had been sent when a batch ended."""
    sealed_s: float | None = None
    """How long flushing took."""
    compaction: int | None = None
    """The number of the job that merges segments."""
    _started: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self, start_s: float) -> None:
        """Begin at `start_s`."""
        self.start_s = start_s
        self._started.set()

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Wait for `start` in threads of its own; all has been sent, or the block was left by an error, when this ends."""
        with ThreadPoolExecutor(2) as threads:
            working: list[Future[None]] = [threads.submit(self._insert), threads.submit(self._seal)]
            try:
                yield
                for one in working:
                    one.result()
            finally:
                self._stopped.set()
                self._started.set()

    def visible_at(self, when_s: float) -> int:
        """Return how many rows had been acknowledged by then."""
        place = bisect_right(self.acknowledged, when_s, key=lambda one: one[0])
        return self.acknowledged[place - 1][1] if place else 0

    def end_of_batch(self, number: int) -> int:
        """Return how many rows had been sent with the batch that holds row `number` of the stream."""
        return self.ends[bisect_right(self.ends, number)]

    def acknowledged_rate(self) -> float | None:
        """Return the rows acknowledged per second, from the start until the last one was."""
        if not self.acknowledged:
            return None
        when_s, rows = self.acknowledged[-1]
        return rows / max(when_s - self.start_s, self.seconds)

    def _is_over_by(self, offset_s: float) -> bool:
        """Wait until `offset_s` after the start; return whether the stream was ended before that."""
        self._started.wait()
        return self._stopped.wait(max(self.start_s + offset_s - time.monotonic(), 0))

    def _insert(self) -> None:
        size = max(round(self.rate / _BATCHES_PER_S), 1)
        for first in range(0, len(self.rows), size):
            if self._is_over_by(first / self.rate):
                return
            batch = self.rows[first : first + size]
            self.ends.append(first + len(batch))
            self.collection.insert(batch, self.matrix)
            self.acknowledged.append((time.monotonic(), first + len(batch)))

    def _seal(self) -> None:
        if self._is_over_by(self.seconds * _SEAL_AT):
            return
        begin = time.monotonic()
        self.collection.flush()
        self.sealed_s = time.monotonic() - begin
        self.compaction = self.collection.compact()
