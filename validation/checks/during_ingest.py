"""Searches at the promised rate while rows stream in at the promised rate, and while Milvus seals, indexes and merges segments.

Exact answers move with the rows. What a search could see is taken from its own answer: every batch up to the newest in it, and every one
that was acknowledged longer ago than its consistency level may be stale. So a row that is lost on the way from one segment to the next is a
miss, and one that is not visible yet is none.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from validation.checks import timed
from validation.checks.bench import Bench, Loaded, Services
from validation.checks.freshness import new_rows
from validation.clients.vectors import Mask, Matrix
from validation.judge import interval
from validation.judge.profile import Filter, Ingesting
from validation.load import plan
from validation.load.open_loop import Shot
from validation.load.plan import Plan
from validation.load.stream import Stream

QUESTION = "Does search keep its latency and its recall while documents stream in?"
_STALE_S = {"Strong": 0.0, "Bounded": 5.0}
"""How much a search may lag behind; Bounded by Milvus's common.gracefulTime, 5000 ms. The other levels promise nothing to other clients."""


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> None:
    """Search the whole collection while it grows; nothing where the SLO file promises nothing about it."""
    asked = bench.profile.ingesting
    with bench.record.check("during_ingest", QUESTION) as check:
        if asked is None or not bench.promises("during_ingest_"):
            check.facts["skipped"] = "the SLO file promises nothing about it (ingesting, and objectives during_ingest_...)"
            return
        rows, vectors = new_rows(loaded, math.ceil(asked.value * asked.seconds), bench.seed)
        grown = loaded.extended(rows, vectors)
        stream = Stream(collection=loaded.collection, rows=rows, matrix=grown.matrix, rate=asked.value, seconds=asked.seconds)
        drawn = timed.small_plan(bench, loaded, question_vectors, _filters(bench, asked))
        bench.reporter.say(
            f"search at {bench.profile.rate.value:g} requests/s while {len(rows):,} rows stream in at {asked.value:g} vectors/s"
        )
        with stream.ready():
            shots = timed.shoot(bench, services, loaded.collection.name, drawn, started=stream.start)
        _measure(bench, stream, shots)
        _measure_recall(bench, grown, drawn, _visible(bench, stream, shots), shots)
        check.facts |= {"errors": timed.errors(shots), "sealed_s": stream.sealed_s, "merged": _merged(stream)}
        if stream.sealed_s is None or stream.sealed_s > asked.seconds:
            bench.record.faults.append(
                f"during_ingest: segments were not sealed within {asked.seconds:g} s, so that was not timed; raise ingesting.seconds"
            )


def _filters(bench: Bench, asked: Ingesting) -> list[Filter]:
    """Return the profile's mix of filters but those of a language, one for each search."""
    kept = [one for one in bench.profile.search.filters if one.language is None] or [Filter(share=1)]
    count = max(math.ceil(bench.profile.rate.value * asked.seconds), 100)
    return [kept[number % len(kept)] for number in range(count)]


def _measure(bench: Bench, stream: Stream, shots: Sequence[Shot]) -> None:
    timed.measure_latency(bench, "during_ingest", shots, (50, 95, 99))
    failed = [float(bool(shot.error)) for shot in shots]
    bench.record.measure("during_ingest_error_share", fmean(failed), len(shots), interval.of_share(failed))
    bench.record.measure("during_ingest_rate", stream.acknowledged_rate(), len(stream.rows))


def _visible(bench: Bench, stream: Stream, shots: Sequence[Shot]) -> dict[int, int]:
    """Return how many rows of the collection each search could see, and so had to."""
    base, stale_s = stream.rows[0].id, _STALE_S.get(bench.profile.search.consistency, math.inf)
    seen = {}
    for shot in shots:
        streamed = [row - base for row in shot.ids if base <= row < base + len(stream.rows)]
        newest = stream.end_of_batch(max(streamed)) if streamed else 0
        seen[shot.number] = base + max(newest, stream.visible_at(shot.sent_s - stale_s))
    return seen


def _measure_recall(bench: Bench, grown: Loaded, drawn: Plan, visible: dict[int, int], shots: Sequence[Shot]) -> None:
    filters = plan.masks(drawn.filters, grown.columns())
    shared: dict[tuple[int, int], Mask] = {}
    masks = [_cut(shared, mask, visible[number]) for number, mask in enumerate(filters)]
    exact = bench.seams.exact_truth(grown.matrix, drawn.queries, masks, timed.TOP_K)
    wanted = timed.Expected(plan=drawn, masks=masks, exact=exact)
    answered = [shot for shot in shots if not shot.error]
    timed.measure_recall(bench, "during_ingest_recall_at_10", grown.matrix, wanted, answered)


def _cut(shared: dict[tuple[int, int], Mask], mask: Mask, rows: int) -> Mask:
    """Return the mask for the first `rows` rows alone; equal ones share one array."""
    if (id(mask), rows) not in shared:
        cut = mask.copy()
        cut[rows:] = False
        shared[id(mask), rows] = cut
    return shared[id(mask), rows]


def _merged(stream: Stream) -> str:
    return "not asked for" if stream.compaction is None else stream.collection.compaction_state(stream.compaction)
