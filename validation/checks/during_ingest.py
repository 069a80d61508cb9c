"""Searches at the promised rate while rows stream in at the promised rate, and while Milvus seals, indexes and merges segments.

Exact answers move with the rows. What a search could see is taken from its own answer: every batch up to the newest in it, and every one
that was acknowledged longer ago than its consistency level may be stale. So a row that is lost on the way from one segment to the next is a
miss, and one that is not visible yet is none.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from validation.checks import timed
from validation.checks.context import GATE, Loaded, RunContext, unpromised
from validation.checks.freshness import new_rows
from validation.checks.registry import Check
from validation.clients.vectors import Mask
from validation.judge import interval
from validation.judge.measures import higher, latencies, lower
from validation.judge.profile import Filter, Ingesting
from validation.load import plan
from validation.load.open_loop import Shot
from validation.load.plan import Plan
from validation.load.stream import Stream
from validation.run.record import Facts

_STALE_S = {"Strong": 0.0, "Bounded": 5.0}
"""How much a search may lag behind; Bounded by Milvus's common.gracefulTime, 5000 ms. The other levels promise nothing to other clients."""


def _reason_to_skip(run: RunContext, check: Check[RunContext]) -> str:
    return unpromised(run, check) if run.profile.ingesting else "the SLO file names no rate at which rows stream in (ingesting)"


@GATE.check(
    "during_ingest",
    "Does search keep its latency and its recall while documents stream in?",
    after="modes",
    writes="stores rows",
    measures=[
        *latencies("during_ingest", "Search answered while rows stream in and segments are sealed, indexed and merged", (50, 95, 99)),
        lower("during_ingest_error_share", "share", "Searches that failed meanwhile"),
        higher("during_ingest_recall_at_10", "share", "Share of the exact ten nearest of what was visible that they found", 100),
        higher("during_ingest_rate", "vectors/s", "Rows acknowledged per second meanwhile"),
    ],
    skip=_reason_to_skip,
)
def during_ingest(run: RunContext, facts: Facts) -> None:
    """Search the whole collection while it grows; a fault where no segment was sealed in that time."""
    loaded, asked = run.loaded, run.profile.ingesting
    if asked is None:
        return
    rows, vectors = new_rows(loaded, math.ceil(asked.value * asked.seconds), run.seed)
    grown = loaded.extended(rows, vectors)
    stream = Stream(collection=loaded.collection, rows=rows, matrix=grown.matrix, rate=asked.value, seconds=asked.seconds)
    drawn = timed.small_plan(run, loaded, _filters(run, asked))
    run.reporter.say(f"search at {run.profile.rate.value:g} requests/s while {len(rows):,} rows stream in at {asked.value:g} vectors/s")
    with stream.ready():
        shots = timed.shoot(run, loaded.collection.name, drawn, started=stream.start)
    _measure(run, stream, shots)
    _measure_recall(run, grown, drawn, _visible(run, stream, shots), shots)
    facts |= {"errors": timed.errors(shots), "sealed_s": stream.sealed_s, "merged": _merged(stream)}
    if stream.sealed_s is None or stream.sealed_s > asked.seconds:
        run.record.faults.append(
            f"during_ingest: segments were not sealed within {asked.seconds:g} s, so that was not timed; raise ingesting.seconds"
        )


def _filters(run: RunContext, asked: Ingesting) -> list[Filter]:
    """Return the profile's mix of filters but those of a language, one for each search."""
    kept = [one for one in run.profile.search.filters if one.language is None] or [Filter(share=1)]
    count = max(math.ceil(run.profile.rate.value * asked.seconds), 100)
    return [kept[number % len(kept)] for number in range(count)]


def _measure(run: RunContext, stream: Stream, shots: Sequence[Shot]) -> None:
    timed.measure_latency(run, "during_ingest", shots, (50, 95, 99))
    failed = [float(bool(shot.error)) for shot in shots]
    run.record.measure("during_ingest_error_share", fmean(failed), len(shots), interval.of_share(failed))
    run.record.measure("during_ingest_rate", stream.acknowledged_rate(), len(stream.rows))


def _visible(run: RunContext, stream: Stream, shots: Sequence[Shot]) -> dict[int, int]:
    """Return how many rows of the collection each search could see, and so had to."""
    base, stale_s = stream.rows[0].id, _STALE_S.get(run.profile.search.consistency, math.inf)
    seen = {}
    for shot in shots:
        streamed = [row - base for row in shot.ids if base <= row < base + len(stream.rows)]
        newest = stream.end_of_batch(max(streamed)) if streamed else 0
        seen[shot.number] = base + max(newest, stream.visible_at(shot.sent_s - stale_s))
    return seen


def _measure_recall(run: RunContext, grown: Loaded, drawn: Plan, visible: dict[int, int], shots: Sequence[Shot]) -> None:
    filters = plan.masks(drawn.filters, grown.columns())
    shared: dict[tuple[int, int], Mask] = {}
    masks = [_cut(shared, mask, visible[number]) for number, mask in enumerate(filters)]
    exact = run.overrides.exact_truth(grown.matrix, drawn.queries, masks, timed.TOP_K)
    expected = timed.Expected(plan=drawn, masks=masks, exact=exact)
    answered = [shot for shot in shots if not shot.error]
    timed.measure_recall(run, "during_ingest_recall_at_10", grown.matrix, expected, answered)


def _cut(shared: dict[tuple[int, int], Mask], mask: Mask, rows: int) -> Mask:
    """Return the mask for the first `rows` rows alone; equal ones share one array."""
    if (id(mask), rows) not in shared:
        cut = mask.copy()
        cut[rows:] = False
        shared[id(mask), rows] = cut
    return shared[id(mask), rows]


def _merged(stream: Stream) -> str:
    return "not asked for" if stream.compaction is None else stream.collection.compaction_state(stream.compaction)
