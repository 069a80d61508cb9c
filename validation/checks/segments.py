"""Asks the same questions of the same rows twice: while they are growing, and once they are sealed and indexed.

New rows are searched one by one until their segment is sealed; a document must not be lost on the way from one to the other, nor cost more
than search can bear. Rows and collection are this check's own, X.
"""

from validation.checks import own_collection, timed
from validation.checks.bench import Bench, Loaded, Services
from validation.clients.milvus import Collection
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError
from validation.judge.profile import Filter
from validation.load.open_loop import Shot

QUESTION = "Are results and latency the same on growing and on sealed segments?"
_ROWS = 2_000
"""More than the 1,024 rows below which Milvus builds no index (indexCoord.segment.minSegmentNumRowsToEnableIndex)."""
_BATCH = 500
_SEARCHES = 100


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> None:
    """Search a new collection before and after its segments are sealed; InvalidRunError where the one was already the other."""
    with bench.record.check("segments", QUESTION) as check:
        if not bench.promises("growing_", "sealed_"):
            check.facts["skipped"] = "the SLO file promises nothing about it (objectives growing_... and sealed_...)"
            return
        collection = own_collection.make(bench, services, "_segments")
        part = Loaded(collection=collection, rows=loaded.rows[:_ROWS], matrix=loaded.matrix[:_ROWS], generated=[])
        drawn = timed.small_plan(bench, part, question_vectors, [Filter(share=1)] * _SEARCHES)
        wanted = timed.expected(bench, part, drawn)
        _insert(bench, part)
        _refuse_sealed(collection)
        growing = _searched(bench, services, part, wanted, "growing")
        collection.flush()
        collection.wait_until_indexed(len(part.rows), bench.profile.patience.indexed_s)
        collection.wait_until_sealed(len(part.rows), bench.profile.patience.indexed_s)
        sealed = _searched(bench, services, part, wanted, "sealed")
        same = sum(set(one.ids) == set(other.ids) for one, other in zip(growing, sealed, strict=True))
        check.facts |= {"rows": len(part.rows), "searches": _SEARCHES, "searches with the same ten": same}


def _insert(bench: Bench, part: Loaded) -> None:
    for first in range(0, len(part.rows), _BATCH):
        part.collection.insert(part.rows[first : first + _BATCH], part.matrix)
    part.collection.wait_until_found(part.rows[-1], part.matrix[-1], bench.profile.patience.searchable_s)


def _refuse_sealed(collection: Collection) -> None:
    sealed = collection.sealed_rows()
    if sealed:
        raise InvalidRunError(
            f"{sealed} rows of {collection.name} are sealed already: what was to be growing is not, and nothing is compared"
        )


def _searched(bench: Bench, services: Services, part: Loaded, wanted: timed.Expected, state: str) -> list[Shot]:
    shots = timed.shoot(bench, services, part.collection.name, wanted.plan)
    timed.measure_latency(bench, state, shots)
    timed.measure_recall(bench, f"{state}_recall_at_10", part.matrix, wanted, shots)
    return shots
