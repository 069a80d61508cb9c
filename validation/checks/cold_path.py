"""Releases the collection and loads it from the store again: the time without search, and what the first one waits for.

It is the last step before anything is searched under load, so that what is measured from here on is what the object store holds.
"""

import time

import numpy as np

from validation.checks.bench import Bench, Loaded
from validation.checks.ingest import compare_content, compare_count
from validation.clients.vectors import Matrix
from validation.load import truth

QUESTION = "How long is there no search while a collection is loaded from the store, and how cold is the first one?"
_TOP_K = 10


def run(bench: Bench, loaded: Loaded) -> None:
    """Release, load, search, search again; a fault when the first search misses what the second one finds."""
    with bench.record.check("cold_path", QUESTION) as check:
        bench.reporter.say("load: release, then read everything from the store again")
        begin = time.perf_counter()
        loaded.collection.reload(bench.profile.patience.loaded_s)
        bench.record.measure("load_s", time.perf_counter() - begin)
        row = len(loaded.rows) // 2
        first = _timed(bench, loaded, "cold_first_ms", loaded.matrix[row])
        second = _timed(bench, loaded, "cold_second_ms", loaded.matrix[row])
        check.facts |= {"row": row, "first": first, "second": second}
        if not first or (_finds(loaded, row, second) and not _finds(loaded, row, first)):
            seen = f"the first search after a load found {len(first)} rows and not row {row}, whose vector it asked for; the second did"
            bench.record.faults.append(f"{seen}: Milvus says too early that it has loaded")
        compare_count(bench, loaded.collection, len(loaded.rows))
        compare_content(bench, loaded.collection, loaded.rows, loaded.matrix)


def _timed(bench: Bench, loaded: Loaded, name: str, vector: Matrix) -> list[int]:
    begin = time.perf_counter()
    ids = loaded.collection.nearest(vector, _TOP_K, bench.profile.search)
    bench.record.measure(name, (time.perf_counter() - begin) * 1e3)
    return ids


def _finds(loaded: Loaded, row: int, ids: list[int]) -> bool:
    """Whether the row or an equal one was found; near-duplicates may stand in front of it."""
    known = [found for found in ids if 0 <= found < len(loaded.matrix)]
    return row in known or bool(np.any(loaded.matrix[known] @ loaded.matrix[row] >= 1 - truth.TIE_EPSILON))
