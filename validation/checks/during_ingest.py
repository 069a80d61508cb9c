"""Searches at the promised rate while rows stream in at the promised rate, and while Milvus seals, indexes and merges segments.

Exact answers move with the rows. What a search could see is taken from its own answer: every batch up to the newest in it, and every one
that was acknowledged longer ago than its consistency level may be stale. So a row that is lost on the way from one segment to the next is a
miss, and one that is not visible yet is none. Batches leave at planned times; one that takes longer than its turn delays the next, and the
rate shows it.
"""

import math
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter

from validation.checks import timed
from validation.checks.context import GATE, Loaded, RunContext, unpromised
from validation.checks.invariants import verify
from validation.checks.registry import Check
from validation.checks.segments import new_rows
from validation.clients.milvus import Collection, Row
from validation.clients.vectors import Mask, Matrix
from validation.judge.errors import text_of
from validation.judge.profile import Filter
from validation.load import plan
from validation.load.open_loop import Sample
from validation.run.record import Facts

_STALE_S = {"Strong": 0.0, "Bounded": 5.0}
"""How much a search may lag behind; Bounded by Milvus's common.gracefulTime, 5000 ms. The other levels promise nothing to other clients."""
_BATCHES_PER_S = 4
_SEAL_AT = 1 / 3
"""Where in the time of the stream it is flushed: late enough for rows to be there, early enough for what follows to be seen."""


@dataclass(kw_only=True)
class Stream:
    """What streams in, and what came of it; times are seconds of the monotonic clock."""

    collection: Collection
    rows: list[Row]
    matrix: Matrix  # vectors of the whole collection; a row's is at its id
    rate: float
    seconds: float
    start_s: float = 0.0
    acknowledged: list[tuple[float, int]] = field(default_factory=list)  # when a batch was acknowledged, and how many rows were by then
    ends: list[int] = field(default_factory=list)  # how many rows had been sent when a batch ended
    sealed_s: float | None = None  # how long flushing took
    compaction: int | None = None  # the number of the job that merges segments
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
                for thread in working:
                    thread.result()
            finally:
                self._stopped.set()
                self._started.set()

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


def _reason_to_skip(run: RunContext, check: Check[RunContext]) -> str:
    return unpromised(run, check) if run.profile.ingesting else "the SLO file names no rate at which rows stream in (ingesting)"


@GATE.check(after="modes", writes="stores rows", skip=_reason_to_skip)
def during_ingest(run: RunContext, facts: Facts) -> None:
    """Does search keep its latency and its recall while documents stream in?"""
    # search the whole collection while it grows; a fault where no segment was sealed in that time
    loaded, ingesting = run.loaded, run.profile.ingesting
    if ingesting is None:
        return
    rows, vectors = new_rows(loaded, math.ceil(ingesting.value * ingesting.seconds), run.seed)
    grown = loaded.extended(rows, vectors)
    stream = Stream(collection=loaded.collection, rows=rows, matrix=grown.matrix, rate=ingesting.value, seconds=ingesting.seconds)
    # the profile's mix of filters but those of a language, one for each search
    kept = [chosen for chosen in run.profile.search.filters if chosen.language is None] or [Filter(share=1)]
    count = max(math.ceil(run.profile.rate.value * ingesting.seconds), 100)
    drawn = timed.small_plan(run, loaded, [kept[number % len(kept)] for number in range(count)])
    run.reporter.say(f"search at {run.profile.rate.value:g} requests/s while {len(rows):,} rows stream in at {ingesting.value:g} vectors/s")
    with stream.ready():
        samples = timed.run_load(run, loaded.collection.name, drawn, started=stream.start)
    timed.measure_latency(run, "during_ingest", samples, (50, 95, 99))
    run.record.measure_share("during_ingest_error_share", [float(bool(sample.error)) for sample in samples])
    last_s, acknowledged = stream.acknowledged[-1] if stream.acknowledged else (0.0, None)
    rate = None if acknowledged is None else acknowledged / max(last_s - stream.start_s, stream.seconds)
    run.record.measure("during_ingest_rate", rate, len(stream.rows))
    _measure_recall(run, grown, drawn, _visible(run, stream, samples), samples)
    merged = "not asked for" if stream.compaction is None else stream.collection.compaction_state(stream.compaction)
    facts |= {"over_time": timed.over_time(run, samples), "errors": timed.errors(samples), "sealed_s": stream.sealed_s, "merged": merged}
    if stream.sealed_s is not None:
        facts["sealing"] = [ingesting.seconds * _SEAL_AT, ingesting.seconds * _SEAL_AT + stream.sealed_s]  # seconds since the load began
    if stream.sealed_s is None or stream.sealed_s > ingesting.seconds:
        run.record.faults.append(text_of("fault.not_sealed", seconds=ingesting.seconds))


def _visible(run: RunContext, stream: Stream, samples: Sequence[Sample]) -> dict[int, int]:
    """Return how many rows of the collection each search could see, and so had to."""
    base, stale_s = stream.rows[0].id, _STALE_S.get(run.profile.search.consistency, math.inf)
    seen = {}
    for sample in samples:
        streamed = [row - base for row in sample.ids if base <= row < base + len(stream.rows)]
        newest = stream.ends[bisect_right(stream.ends, max(streamed))] if streamed else 0  # with the rest of its batch
        place = bisect_right(stream.acknowledged, sample.sent_s - stale_s, key=itemgetter(0))
        seen[sample.number] = base + max(newest, stream.acknowledged[place - 1][1] if place else 0)
    return seen


def _measure_recall(run: RunContext, grown: Loaded, drawn: plan.Plan, visible: dict[int, int], samples: Sequence[Sample]) -> None:
    shared, masks = dict[tuple[int, int], Mask](), list[Mask]()
    for number, mask in enumerate(plan.masks(drawn.filters, grown.columns())):
        key = id(mask), visible[number]
        if key not in shared:  # equal ones share one array
            shared[key] = mask.copy()
            shared[key][visible[number] :] = False
        masks.append(shared[key])
    exact = run.overrides.exact_truth(grown.matrix, drawn.queries, masks, timed.TOP_K)
    expected = timed.Expected(plan=drawn, masks=masks, exact=exact)
    verify(run, "during_ingest", grown, expected, samples)
    answered = [sample for sample in samples if not sample.error]
    timed.measure_recall(run, "during_ingest_recall_at_10", grown.matrix, expected, answered)
