"""What happens to rows on their way: found, indexed, sealed, and loaded from the store again.

New documents are stored one by one, as people do, until each is found by a search as people send it. The same questions of the same rows
are asked while their segment is growing and once it is sealed: a document must not be lost on the way. Milvus takes about twenty seconds to
seal and index, however few the rows, so both collections are sealed in the same twenty seconds, in which nothing else is timed. Loading is
the last step before anything is searched under load, so that what is measured from there on is what the store holds.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from validation.checks import timed
from validation.checks.context import GATE, Loaded, RunContext, unpromised
from validation.checks.ingest import compare_content, compare_count
from validation.checks.invariants import verify
from validation.checks.registry import Check
from validation.clients.milvus import Collection, Row
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError, text_of
from validation.judge.profile import Filter
from validation.load import plan, truth
from validation.load.open_loop import Sample
from validation.run.record import Facts

_DOCUMENTS = 20  # the fewest of which a 95th percentile says anything
_PEOPLE = 4  # how many store documents at the same time
_SEGMENT_ROWS = 2_000  # more than the 1,024 rows below which Milvus builds no index (indexCoord.segment.minSegmentNumRowsToEnableIndex)
_BATCH = 500
_SEARCHES = 100


@GATE.check(after="growing", writes="stores rows")
def freshness(run: RunContext, facts: Facts) -> None:
    """How soon is a new document found, and how soon is everything indexed?"""
    # some documents, each alone, then flush and wait; they belong to what is loaded from now on. The rows of `growing` are flushed as well
    rows, vectors = new_rows(run.loaded, _DOCUMENTS, run.seed)
    grown, profile = run.loaded.extended(rows, vectors), run.profile
    collection = grown.collection

    def seconds_until_seen(row: Row) -> float:
        begin = time.perf_counter()
        collection.insert([row], grown.matrix)
        collection.wait_until_seen(row, grown.matrix[row.id], profile.search, profile.patience.searchable_s)
        return time.perf_counter() - begin

    with ThreadPoolExecutor(_PEOPLE) as people:
        seconds = list(people.map(seconds_until_seen, rows))
    acknowledged = time.perf_counter()
    run.measure_latency("freshness", seconds)
    run.reporter.say("index: flush, then wait until no row is pending")
    unsealed = [each.collection for each in (grown, run.growing) if each]
    with ThreadPoolExecutor(len(unsealed)) as flushing:
        list(flushing.map(Collection.flush, unsealed))
    collection.wait_until_indexed(len(grown.rows), profile.patience.indexed_s)
    run.record.measure("indexed_s", time.perf_counter() - acknowledged)
    facts |= {"consistency": profile.search.consistency, "sealed together": [each.name for each in unsealed]}
    run.loaded = grown


def new_rows(loaded: Loaded, count: int, seed: int) -> tuple[list[Row], Matrix]:
    """Return rows that are not in the collection, and their vectors: each is one that is, pushed a little aside."""
    first = len(loaded.rows)
    chosen = np.random.default_rng([seed, first]).integers(first, size=count)
    rows = [replace(loaded.rows[row], id=first + number) for number, row in enumerate(chosen)]
    return rows, plan.pushed(loaded.matrix[chosen], seed + first)


@GATE.check(after="freshness", writes="releases and loads the collection")
def cold_path(run: RunContext, facts: Facts) -> None:
    """How long is there no search while a collection is loaded from the store, and how cold is the first one?"""
    # release, load, search, search again; a fault when the first search misses what the second one finds
    loaded = run.loaded
    run.reporter.say("load: release, then read everything from the store again")
    begin = time.perf_counter()
    loaded.collection.reload(run.profile.patience.loaded_s)
    run.record.measure("load_s", time.perf_counter() - begin)
    row = len(loaded.rows) // 2
    first, second = (_timed(run, name, loaded.matrix[row]) for name in ("cold_first_ms", "cold_second_ms"))
    facts |= {"row": row, "first": first, "second": second}
    if not first or (_finds(loaded, row, second) and not _finds(loaded, row, first)):
        run.record.faults.append(text_of("fault.loaded_early", number=len(first), row=row))
    compare_count(run, loaded.collection, len(loaded.rows))
    compare_content(run, loaded.collection, loaded.rows, loaded.matrix)


def _timed(run: RunContext, name: str, vector: Matrix) -> list[int]:
    begin = time.perf_counter()
    ids = run.loaded.collection.nearest(vector, timed.TOP_K, run.profile.search)
    run.record.measure(name, (time.perf_counter() - begin) * 1e3)
    return ids


def _finds(loaded: Loaded, row: int, ids: list[int]) -> bool:
    """Whether the row or an equal one was found; near-duplicates may stand in front of it."""
    known = [number for number in ids if 0 <= number < len(loaded.matrix)]
    return row in known or bool(np.any(loaded.matrix[known] @ loaded.matrix[row] >= 1 - truth.TIE_EPSILON))


def _unpromised(run: RunContext, _check: Check[RunContext]) -> str:
    """Return why neither state of the rows is searched: no objective names either."""
    reasons = [unpromised(run, check) for check in (growing, sealed)]
    return reasons[0] if all(reasons) else ""


@GATE.check(after="embedding", writes="stores rows", skip=_unpromised)
def growing(run: RunContext, facts: Facts) -> None:
    """Are results right, and as fast, on rows that no index holds yet?"""
    # search a new collection before its segments are sealed; InvalidRunError where they were already
    collection = run.make_collection("_segments")
    part = Loaded(collection=collection, rows=run.loaded.rows[:_SEGMENT_ROWS], matrix=run.loaded.matrix[:_SEGMENT_ROWS], generated=[])
    _insert_growing(run, part)
    if already := collection.sealed_rows():
        raise InvalidRunError.of("gate.sealed_already", already=already, name=collection.name)
    run.growing, run.growing_samples = part, _searched(run, part, "growing")
    facts |= {"rows": len(part.rows), "searches": _SEARCHES}


@GATE.check(after="filtered", writes="stores rows", skip=_unpromised)
def sealed(run: RunContext, facts: Facts) -> None:
    """Are results and latency the same once these rows are sealed and indexed?"""
    # repeat the searches of `growing`, once Milvus holds the rows in sealed segments alone; `freshness` flushed them
    part = run.growing
    if part is None:
        raise InvalidRunError("there are no rows that were searched while they were growing, so nothing can be compared")
    part.collection.wait_until_indexed(len(part.rows), run.profile.patience.indexed_s)
    part.collection.wait_until_sealed(len(part.rows), run.profile.patience.indexed_s)
    samples = _searched(run, part, "sealed")
    facts["searches with the same ten"] = sum(set(a.ids) == set(b.ids) for a, b in zip(run.growing_samples, samples, strict=True))


def _insert_growing(run: RunContext, part: Loaded) -> None:
    for first in range(0, len(part.rows), _BATCH):
        part.collection.insert(part.rows[first : first + _BATCH], part.matrix)
    part.collection.wait_until_found(part.rows[-1], part.matrix[-1], run.profile.patience.searchable_s)


def _searched(run: RunContext, part: Loaded, state: str) -> list[Sample]:
    """Search the rows, with the same searches in both states, and record latency and recall."""
    expected = timed.expected(run, part, timed.small_plan(run, part, [Filter(share=1)] * _SEARCHES))
    samples = timed.run_load(run, part.collection.name, expected.plan)
    verify(run, state, part, expected, samples)
    timed.measure_latency(run, state, samples)
    timed.measure_recall(run, f"{state}_recall_at_10", part.matrix, expected, samples)
    return samples
