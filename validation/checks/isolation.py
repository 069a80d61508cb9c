"""Tries what must not be possible: the user that searches writes, the one that ingests drops, and both look into other databases.

So do the known ways around authentication, for each user and for nobody. It comes last, since whatever succeeds may take the collection of
this very run with it. A success is FAIL, whatever the profile promises. Nothing is tried on what this run did not make
but reading. A port that does not answer from here is named as not tried.

Each way around is one harmless request: names of users, or a sum; no answer is kept. CVE-2025-64513: on port 19530 a call that claims to
come from a member of the cluster is let in as whoever it names. CVE-2026-26190: on port 9091 the REST interface lets everybody in, and
/expr runs code for whoever knows the root path of etcd.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc  # type: ignore[import-untyped]

from validation.checks.context import GATE, Loaded, RunContext
from validation.checks.registry import Check
from validation.clients.login import Login
from validation.clients.milvus import VectorStore
from validation.clients.milvus_connection import Tls, log_in
from validation.judge.errors import InvalidRunError
from validation.run.record import Facts

METRICS_PORT = 9091
_TIMEOUT_S, _BYPASS_TIMEOUT_S = 10.0, 5.0
_MEMBER = (("sourceid", b64encode(b"@@milvus-member@@").decode()),)
_ROOT_PATHS = ("by-dev", "milvus")  # Milvus's own default, and a usual choice
_SUM, _TOTAL = "1234 * 5678", "7006652"
_REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
_DENIED, _SUCCEEDED, _NOT_TRIED = "denied", "SUCCEEDED", "not tried: "
_KNOWN = "(CVE-"
_CLOSE = "a version with the fix (docs/security.md, S1 and S2), and port 9091 reached by Prometheus alone"
Attempt = tuple[str, Callable[[], Any]]


def _reason_to_skip(run: RunContext, _check: Check[RunContext]) -> str:
    disabled = "authentication is disabled (milvus.authentication), so there are no users to keep apart"
    return "" if run.target.milvus_search_secret_name else disabled


@GATE.check(after="during_ingest", writes="tries to write as users that must not", skip=_reason_to_skip)
def isolation(run: RunContext, facts: Facts) -> None:
    """Can each user of Milvus do its own work and nothing else, and somebody without a login nothing?"""
    store, accepted = run.services.milvus, run.target.milvus_accepted_bypass
    verdicts = attempted(store, run.loaded, run.target.milvus_database, run.target.milvus_tenants)
    tried = {name: _DENIED if is_denied else _SUCCEEDED for name, is_denied in verdicts.items()}
    ways = {name: by_the_way_around(attempt) for name, attempt in bypasses(store, run.services.milvus_pod)}
    if accepted:
        ways |= {name: f"succeeded; accepted: {accepted}" for name, verdict in ways.items() if verdict == _SUCCEEDED and _KNOWN in name}
    facts["tried"] = tried | ways
    breaches = [f"{name}, and Milvus let it" for name, verdict in facts["tried"].items() if verdict == _SUCCEEDED]
    for name, verdict in ways.items():
        if verdict != _DENIED:
            run.reporter.say(f"note: isolation: {name}: {verdict}")
    counted = len([verdict for verdict in facts["tried"].values() if not verdict.startswith(_NOT_TRIED)])
    cure = _CLOSE if _SUCCEEDED in ways.values() else "pulumi up --refresh"
    run.record.measure("isolation_breaches", len(breaches), counted, note=f"{breaches[0]}; cure: {cure}" if breaches else "")


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


def bypasses(store: VectorStore, pod: str = "") -> Iterator[Attempt]:
    """What the known ways around authentication let somebody do; port 9091 is tried at a `pod`, since no Service of ours has it."""
    uri, tls, logins, door = store.uri, store.tls, store.logins, pod or store.uri
    users = {"searches": logins.search(), "ingests": logins.ingest(), "administers": logins.admin()}
    who = {"nobody": Login(user="root")} | {f"the user that {work}": login for work, login in users.items()}
    yield "nobody listed the users on port 19530", partial(users_listed, uri, tls, Login(), as_member=False)
    for name, login in who.items():
        claim = f"{name}, by the claim to be a member of the cluster, listed the users on port 19530 (CVE-2025-64513)"
        yield claim, partial(users_listed, uri, tls, login, as_member=True)
        rest = f"{name} listed the users on port 9091 (CVE-2026-26190)"
        yield rest, partial(users_listed_by_rest, door, login if login.password else Login())
    yield "nobody ran an expression on port 9091 (CVE-2026-26190)", partial(expression_run, door)


def by_the_way_around(attempt: Callable[[], bool]) -> str:
    """The verdict on one such attempt, which returns whether it succeeded."""
    try:
        return _SUCCEEDED if attempt() else _DENIED
    except OSError as error:
        return f"{_NOT_TRIED}{error}"


def users_listed(uri: str, tls: Tls, login: Login, *, as_member: bool) -> bool:
    """Whether port 19530 lists the users of Milvus."""
    metadata = (*login.metadata(), *(_MEMBER if as_member else ()))
    with tls.channel(uri) as channel:
        try:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            answer: Any = stub.ListCredUsers(milvus_pb2.ListCredUsersRequest(), metadata=metadata, timeout=_BYPASS_TIMEOUT_S)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() in _REFUSED:
                return False
            raise OSError(error.details() if isinstance(error, grpc.Call) else error) from error
    return bool(answer.usernames)


def users_listed_by_rest(uri: str, login: Login) -> bool:
    """Whether port 9091 lists the users of Milvus."""
    if login.user and uri.startswith("https://"):
        raise OSError(f"port {METRICS_PORT} has no TLS, and would be sent a password in plain text")
    answer = _get(uri, "/api/v1/credential/users", auth=httpx.BasicAuth(login.user, login.password) if login.user else None)
    return answer.is_success and '"usernames"' in answer.text


def expression_run(uri: str) -> bool:
    """Whether /expr on port 9091 adds up for somebody who only guesses."""
    answers = (_get(uri, "/expr", {"auth": path, "code": _SUM}) for path in _ROOT_PATHS)
    return any(answer.is_success and _TOTAL in answer.text for answer in answers)


def _get(uri: str, path: str, query: dict[str, str] | None = None, auth: httpx.BasicAuth | None = None) -> httpx.Response:
    host = urlsplit(uri).hostname or ""
    url = httpx.URL(scheme="http", host=host, port=METRICS_PORT, path=path, params=query)
    try:
        return httpx.get(url, auth=auth, timeout=_BYPASS_TIMEOUT_S, trust_env=False)
    except httpx.TransportError as error:
        raise OSError(f"port {METRICS_PORT} of {host} does not answer: {error}") from error
