"""Stores new documents one by one, as people do, until each is found by a search as people send it; then until everything is indexed.

Bulk ingest says little about this: there the last row's wait is one number of many thousand rows. The new rows are stored vectors, pushed a
little aside, so that each is near others and still only itself.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from validation.checks.context import GATE, Loaded, RunContext
from validation.clients.milvus import Row
from validation.clients.vectors import Matrix
from validation.judge.measures import latencies, lower
from validation.load import plan
from validation.run.record import Facts

_DOCUMENTS = 20
"""The fewest of which a 95th percentile says anything."""
_PEOPLE = 4
"""How many store documents at the same time."""


@GATE.check(
    "freshness",
    "How soon is a new document found, and how soon is everything indexed?",
    after="ingest",
    writes="stores rows",
    measures=[
        *latencies("freshness", "From sending one new document until a search as users send it finds it", (50, 95)),
        lower("indexed_s", "s", "From the last document's acknowledgement until no row is waiting for its index, one flush included"),
    ],
)
def freshness(run: RunContext, facts: Facts) -> None:
    """Insert some documents, each alone, then flush and wait; they belong to what is loaded from now on."""
    rows, vectors = new_rows(run.loaded, _DOCUMENTS, run.seed)
    grown = run.loaded.extended(rows, vectors)
    with ThreadPoolExecutor(_PEOPLE) as people:
        seconds = list(people.map(lambda row: _store(run, grown, row), rows))
    acknowledged = time.perf_counter()
    run.measure_latency("freshness", seconds)
    run.reporter.say("index: flush, then wait until no row is pending")
    grown.collection.flush()
    grown.collection.wait_until_indexed(len(grown.rows), run.profile.patience.indexed_s)
    run.record.measure("indexed_s", time.perf_counter() - acknowledged)
    facts["consistency"] = run.profile.search.consistency
    run.loaded = grown


def _store(run: RunContext, grown: Loaded, row: Row) -> float:
    """Insert one row; return the seconds from sending it until it was found."""
    begin = time.perf_counter()
    grown.collection.insert([row], grown.matrix)
    grown.collection.wait_until_seen(row, grown.matrix[row.id], run.profile.search, run.profile.patience.searchable_s)
    return time.perf_counter() - begin


def new_rows(loaded: Loaded, count: int, seed: int) -> tuple[list[Row], Matrix]:
    """Return rows that are not in the collection, and their vectors: each is one that is, pushed a little aside."""
    first = len(loaded.rows)
    chosen = np.random.default_rng([seed, first]).integers(first, size=count)
    rows = [replace(loaded.rows[one], id=first + number) for number, one in enumerate(chosen)]
    return rows, plan.pushed(loaded.matrix[chosen], seed + first)
