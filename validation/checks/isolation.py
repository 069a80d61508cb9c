"""Tries what must not be possible: the user that searches writes, the one that ingests drops, and both look into other databases.

It comes last, since whatever succeeds may take the collection of this very run with it. A success is a fault: the run is red, whatever
the profile promises. Nothing is tried on what this run did not make but reading, and that as the users of the stack.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import product
from typing import Any

import grpc
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.checks.context import GATE, Loaded, RunContext
from validation.checks.registry import Check
from validation.clients.milvus import VectorStore
from validation.clients.milvus_connection import log_in
from validation.judge.errors import InvalidRunError
from validation.judge.measures import lower
from validation.run.record import Facts

_TIMEOUT_S = 10.0
Attempt = tuple[str, Callable[[], Any]]


def _reason_to_skip(run: RunContext, _check: Check[RunContext]) -> str:
    disabled = "authentication is disabled (milvus.authentication), so there are no users to keep apart"
    return "" if run.target.milvus_search_secret_name else disabled


@GATE.check(
    after="during_ingest",
    writes="tries to write as users that must not",
    measures=[lower("isolation_breaches", "attempts", "Attempts of a user of Milvus at what its role must not allow, and that succeeded")],
    skip=_reason_to_skip,
)
def isolation(run: RunContext, facts: Facts) -> None:
    """Can each user of Milvus do its own work and nothing else?"""
    verdicts = attempted(run.services.milvus, run.loaded, run.target.milvus_database, run.target.milvus_tenants)
    facts["tried"] = {name: "denied" if is_denied else "SUCCEEDED" for name, is_denied in verdicts.items()}
    breaches = [name for name, is_denied in verdicts.items() if not is_denied]
    run.record.measure("isolation_breaches", len(breaches), len(verdicts))
    run.record.faults += [f"{name}, and Milvus let it; cure: pulumi up --refresh" for name in breaches]


def attempted(store: VectorStore, loaded: Loaded, database: str, tenants: Iterable[str]) -> dict[str, bool]:
    """Try everything, and return for each attempt whether it was denied."""
    verdicts = {name: denied(attempt) for name, attempt in (*writing(store, loaded), *dropping(store, loaded, database))}
    logins = {"searches": store.logins.search, "ingests": store.logins.ingest, "administers": store.logins.admin}
    for tenant, (work, login) in product(tenants, logins.items()):
        with closing(log_in(store.uri, tenant, login, store.tls)) as client:
            verdicts[f"the user that {work} listed the collections of the tenant {tenant}"] = denied(client.list_collections)
    return verdicts


def denied(attempt: Callable[[], Any]) -> bool:
    """Whether Milvus refuses for want of a right; InvalidRunError when it fails for another reason, which proves nothing."""
    try:
        attempt()
    except (MilvusException, grpc.RpcError) as error:
        message = str(error).lower()
        if any(word in message for word in ("permission deny", "permission denied", "privilege")):
            return True
        raise InvalidRunError(f"whether users are kept apart was not seen, since Milvus failed otherwise: {error}") from error
    return False


def writing(store: VectorStore, loaded: Loaded) -> Iterator[Attempt]:
    """What the user that searches must not."""
    client, name, row = store.clients.search, loaded.collection.name, loaded.rows[0]
    stored = {**row.fields(), "vector": loaded.matrix[row.id]}
    yield "the user that searches inserted a row", lambda: client.insert(name, [stored], timeout=_TIMEOUT_S)
    yield "the user that searches deleted a row", lambda: client.delete(name, ids=[-1], timeout=_TIMEOUT_S)
    yield "the user that searches dropped the collection", lambda: client.drop_collection(name, timeout=_TIMEOUT_S)
    yield "the user that searches listed the users", lambda: client.list_users(timeout=_TIMEOUT_S)


def dropping(store: VectorStore, loaded: Loaded, database: str) -> Iterator[Attempt]:
    """What the user that ingests must not."""
    client, name = store.clients.ingest, loaded.collection.name
    yield "the user that ingests released the collection", lambda: client.release_collection(name, timeout=_TIMEOUT_S)
    yield "the user that ingests dropped the index", lambda: client.drop_index(name, "vector", timeout=_TIMEOUT_S)
    yield "the user that ingests dropped the collection", lambda: client.drop_collection(name, timeout=_TIMEOUT_S)
    yield f"the user that ingests dropped the database {database}", lambda: client.drop_database(database, timeout=_TIMEOUT_S)
