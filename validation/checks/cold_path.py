"""Releases the collection and loads it from the store again: the time without search, and what the first one waits for.

It is the last step before anything is searched under load, so that what is measured from here on is what the object store holds.
"""

import time

import numpy as np

from validation.checks.context import GATE, Loaded, RunContext
from validation.checks.ingest import compare_content, compare_count
from validation.clients.vectors import Matrix
from validation.judge.measures import lower
from validation.load import truth
from validation.run.record import Facts

_TOP_K = 10


@GATE.check(
    "cold_path",
    "How long is there no search while a collection is loaded from the store, and how cold is the first one?",
    after="freshness",
    writes="releases and loads the collection",
    measures=[
        lower("load_s", "s", "Released and loaded again: segments and index read from the object store"),
        lower("cold_first_ms", "ms", "The first search after that load"),
        lower("cold_second_ms", "ms", "The same search once more"),
    ],
)
def cold_path(run: RunContext, facts: Facts) -> None:
    """Release, load, search, search again; a fault when the first search misses what the second one finds."""
    loaded = run.loaded
    run.reporter.say("load: release, then read everything from the store again")
    begin = time.perf_counter()
    loaded.collection.reload(run.profile.patience.loaded_s)
    run.record.measure("load_s", time.perf_counter() - begin)
    row = len(loaded.rows) // 2
    first = _timed(run, "cold_first_ms", loaded.matrix[row])
    second = _timed(run, "cold_second_ms", loaded.matrix[row])
    facts |= {"row": row, "first": first, "second": second}
    if not first or (_finds(loaded, row, second) and not _finds(loaded, row, first)):
        seen = f"the first search after a load found {len(first)} rows and not row {row}, whose vector it asked for; the second did"
        run.record.faults.append(f"{seen}: Milvus says too early that it has loaded")
    compare_count(run, loaded.collection, len(loaded.rows))
    compare_content(run, loaded.collection, loaded.rows, loaded.matrix)


def _timed(run: RunContext, name: str, vector: Matrix) -> list[int]:
    begin = time.perf_counter()
    ids = run.loaded.collection.nearest(vector, _TOP_K, run.profile.search)
    run.record.measure(name, (time.perf_counter() - begin) * 1e3)
    return ids


def _finds(loaded: Loaded, row: int, ids: list[int]) -> bool:
    """Whether the row or an equal one was found; near-duplicates may stand in front of it."""
    known = [found for found in ids if 0 <= found < len(loaded.matrix)]
    return row in known or bool(np.any(loaded.matrix[known] @ loaded.matrix[row] >= 1 - truth.TIE_EPSILON))
