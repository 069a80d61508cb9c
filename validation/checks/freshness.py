"""Stores new documents one by one, as people do, until each is found by a search as people send it; then until everything is indexed.

Bulk ingest says little about this: there the last row's wait is one number of many thousand rows. The new rows are stored vectors, pushed a
little aside, so that each is near others and still only itself.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from validation.checks.bench import Bench, Loaded
from validation.clients.milvus import Row
from validation.clients.vectors import Matrix
from validation.judge import interval
from validation.load import plan
from validation.load.samples import Samples

QUESTION = "How soon is a new document found, and how soon is everything indexed?"
_DOCUMENTS = 20
"""The fewest of which a 95th percentile says anything."""
_PEOPLE = 4
"""How many store documents at the same time."""


def run(bench: Bench, loaded: Loaded) -> Loaded:
    """Insert some documents, each alone, then flush and wait; return what is in the collection now."""
    with bench.record.check("freshness", QUESTION) as check:
        rows, vectors = new_rows(loaded, _DOCUMENTS, bench.seed)
        grown = loaded.extended(rows, vectors)
        with ThreadPoolExecutor(_PEOPLE) as people:
            seconds = list(people.map(lambda row: _store(bench, grown, row), rows))
        acknowledged = time.perf_counter()
        for percentile in (50, 95):
            spread = interval.of_percentile_ms(seconds, percentile)
            bench.record.measure(f"freshness_p{percentile}_ms", Samples(seconds).percentile_ms(percentile), len(seconds), spread)
        bench.reporter.say("index: flush, then wait until no row is pending")
        grown.collection.flush()
        grown.collection.wait_until_indexed(len(grown.rows), bench.profile.patience.indexed_s)
        bench.record.measure("indexed_s", time.perf_counter() - acknowledged)
        check.facts["consistency"] = bench.profile.search.consistency
    return grown


def _store(bench: Bench, grown: Loaded, row: Row) -> float:
    """Insert one row; return the seconds from sending it until it was found."""
    begin = time.perf_counter()
    grown.collection.insert([row], grown.matrix)
    grown.collection.wait_until_seen(row, grown.matrix[row.id], bench.profile.search, bench.profile.patience.searchable_s)
    return time.perf_counter() - begin


def new_rows(loaded: Loaded, count: int, seed: int) -> tuple[list[Row], Matrix]:
    """Return rows that are not in the collection, and their vectors: each is one that is, pushed a little aside."""
    first = len(loaded.rows)
    chosen = np.random.default_rng([seed, first]).integers(first, size=count)
    rows = [replace(loaded.rows[one], id=first + number) for number, one in enumerate(chosen)]
    return rows, plan.pushed(loaded.matrix[chosen], seed + first)
