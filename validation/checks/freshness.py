"""Stores new documents one at a time, as people do, and waits until each is found by a search as people send it.

Bulk ingest says little about this: there the last row's wait is one number of many thousand rows. The new rows are stored vectors, pushed a
little aside, so that each is near others and still only itself.
"""

import time
from dataclasses import replace

import numpy as np

from validation import interval, plan
from validation.bench import Bench, Loaded
from validation.clients.milvus import Row
from validation.samples import Samples
from validation.truth import Matrix

QUESTION = "How soon is a new document found, and how soon is it indexed?"
_DOCUMENTS = 20
"""The fewest of which a 95th percentile says anything."""


def run(bench: Bench, loaded: Loaded) -> Loaded:
    """Insert one document after the other; return what is in the collection now."""
    with bench.record.check("freshness", QUESTION) as check:
        rows, vectors = new_rows(loaded, _DOCUMENTS, bench.seed)
        grown = loaded.extended(rows, vectors)
        seconds = []
        with bench.reporter.track("freshness", _DOCUMENTS) as advance:
            for number, row in enumerate(rows, 1):
                begin = time.perf_counter()
                loaded.collection.insert([row], grown.matrix)
                acknowledged = time.perf_counter()
                loaded.collection.wait_until_seen(row, grown.matrix[row.id], bench.profile.search, bench.profile.patience.searchable_s)
                seconds.append(time.perf_counter() - begin)
                advance(number)
        for percentile in (50, 95):
            spread = interval.of_percentile_ms(seconds, percentile)
            bench.record.measure(f"freshness_p{percentile}_ms", Samples(seconds).percentile_ms(percentile), len(seconds), spread)
        loaded.collection.flush()
        loaded.collection.wait_until_indexed(len(grown.rows), bench.profile.patience.indexed_s)
        bench.record.measure("freshness_indexed_s", time.perf_counter() - acknowledged)
        check.facts["consistency"] = bench.profile.search.consistency
    return grown


def new_rows(loaded: Loaded, count: int, seed: int) -> tuple[list[Row], Matrix]:
    """Return rows that are not in the collection, and their vectors: each is one that is, pushed a little aside."""
    first = len(loaded.rows)
    chosen = np.random.default_rng([seed, first]).integers(first, size=count)
    rows = [replace(loaded.rows[one], id=first + number) for number, one in enumerate(chosen)]
    return rows, plan.pushed(loaded.matrix[chosen], seed + first)
