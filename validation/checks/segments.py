"""Asks the same questions of the same rows twice: while they are growing, and once they are sealed and indexed.

New rows are searched one by one until their segment is sealed; a document must not be lost on the way from one to the other, nor cost more
than search can bear. The rows and the collection are the check's own.
"""

from validation.checks import timed
from validation.checks.context import GATE, Loaded, RunContext, unpromised
from validation.clients.milvus import Collection
from validation.judge.errors import InvalidRunError
from validation.judge.measures import searched
from validation.judge.profile import Filter
from validation.load.open_loop import Shot
from validation.run.record import Facts

_ROWS = 2_000
"""More than the 1,024 rows below which Milvus builds no index (indexCoord.segment.minSegmentNumRowsToEnableIndex)."""
_BATCH = 500
_SEARCHES = 100


@GATE.check(
    "segments",
    "Are results and latency the same on growing and on sealed segments?",
    after="filtered",
    writes="stores rows",
    measures=[
        *searched("growing", "Search over rows that no index holds yet"),
        *searched("sealed", "The same searches over the same rows, sealed and indexed"),
    ],
    skip=unpromised,
)
def segments(run: RunContext, facts: Facts) -> None:
    """Search a new collection before and after its segments are sealed; InvalidRunError where the one was already the other."""
    collection = run.make_collection("_segments")
    part = Loaded(collection=collection, rows=run.loaded.rows[:_ROWS], matrix=run.loaded.matrix[:_ROWS], generated=[])
    drawn = timed.small_plan(run, part, [Filter(share=1)] * _SEARCHES)
    expected = timed.expected(run, part, drawn)
    _insert(run, part)
    _refuse_sealed(collection)
    growing = _searched(run, part, expected, "growing")
    collection.flush()
    collection.wait_until_indexed(len(part.rows), run.profile.patience.indexed_s)
    collection.wait_until_sealed(len(part.rows), run.profile.patience.indexed_s)
    sealed = _searched(run, part, expected, "sealed")
    same = sum(set(one.ids) == set(other.ids) for one, other in zip(growing, sealed, strict=True))
    facts |= {"rows": len(part.rows), "searches": _SEARCHES, "searches with the same ten": same}


def _insert(run: RunContext, part: Loaded) -> None:
    for first in range(0, len(part.rows), _BATCH):
        part.collection.insert(part.rows[first : first + _BATCH], part.matrix)
    part.collection.wait_until_found(part.rows[-1], part.matrix[-1], run.profile.patience.searchable_s)


def _refuse_sealed(collection: Collection) -> None:
    sealed = collection.sealed_rows()
    if sealed:
        raise InvalidRunError(
            f"{sealed} rows of {collection.name} are sealed already: what was to be growing is not, and nothing is compared"
        )


def _searched(run: RunContext, part: Loaded, expected: timed.Expected, state: str) -> list[Shot]:
    shots = timed.shoot(run, part.collection.name, expected.plan)
    timed.measure_latency(run, state, shots)
    timed.measure_recall(run, f"{state}_recall_at_10", part.matrix, expected, shots)
    return shots
