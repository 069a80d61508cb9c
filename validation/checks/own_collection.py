"""Collections that a run makes for itself: a name that no other run has, noted as left behind until it is dropped."""

from validation.checks.bench import Bench, Services
from validation.clients.milvus import PREFIX, Collection
from validation.judge.errors import GateError


def make(bench: Bench, services: Services, part: str = "") -> Collection:
    """Create a collection with the profile's index, to be dropped when the run ends; refuse a name that is taken."""
    collection = reserve(bench, services, part)
    collection.create(bench.target.embedding_dimension, bench.profile.search.chosen_index)
    return collection


def reserve(bench: Bench, services: Services, part: str = "") -> Collection:
    """Return the handle of a collection that is not there yet; whatever is made of it is dropped when the run ends."""
    name = f"{PREFIX}{bench.record.run_id}{part}"
    services.milvus.refuse_taken(name)
    bench.record.left_behind.append(name)
    collection = services.milvus.collection(name)
    if not bench.keep:
        bench.closing.callback(_drop, bench, collection)
    return collection


def _drop(bench: Bench, collection: Collection) -> None:
    """Drop it; a failure is told, but never hides why the run ended."""
    try:
        collection.drop()
        bench.record.left_behind.remove(collection.name)
    except GateError as error:
        bench.reporter.say(f"collection {collection.name} is left behind: {error}")
