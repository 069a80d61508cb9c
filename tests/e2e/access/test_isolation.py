"""The gate as the users of a Milvus that asks who is there: each does its own work, and what is too much is seen."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from components.milvus_access import server
from components.milvus_access.server import PRIVILEGES, DatabaseProvider, Kind
from components.milvus_access.users import UserProvider
from components.waiting import until
from tests.e2e.access.own_milvus import OwnMilvus
from validation.checks import gate, isolation  # noqa: F401  # the measures of `gate` are what an SLO file may name
from validation.checks.context import Loaded
from validation.clients import kube, milvus
from validation.clients.login import Login, Logins
from validation.clients.milvus import Row, VectorStore
from validation.clients.passages import Chunk
from validation.clients.searcher import RawSearcher
from validation.clients.vectors import unit
from validation.judge import slo_file
from validation.judge.errors import UnreachableError

pytestmark = pytest.mark.e2e

OWNER = "milvus-x10000/test/uid-1"
KINDS: tuple[Kind, ...] = ("search", "ingest", "admin")
PROFILE = slo_file.read_profile(Path("validation/slo.lab.yaml"))
MATRIX = unit(np.random.default_rng(7).standard_normal((20, 8)).astype(np.float32))


@pytest.fixture(scope="module")
def own(milvus: OwnMilvus) -> OwnMilvus:
    DatabaseProvider().create({**milvus.server(), "database": "red", "owner": OWNER})
    return milvus


@pytest.fixture(scope="module")
def logins(own: OwnMilvus) -> Logins:
    def made(kind: Kind) -> Login:
        wanted = {"user": kind, "database": "default", "privileges": list(PRIVILEGES[kind]), "owner": OWNER, "generation": 1}
        outputs: Any = UserProvider().create({**own.server(), **wanted}).outs
        return Login(user=kind, password=outputs["password"])

    return Logins(**{kind: partial(Login, **vars(made(kind))) for kind in KINDS})


@pytest.fixture(scope="module")
def store(own: OwnMilvus, logins: Logins) -> Iterator[VectorStore]:
    with closing(milvus.connect(own.uri, "default", logins)) as found:
        yield found


@pytest.fixture(scope="module")
def loaded(store: VectorStore) -> Iterator[Loaded]:
    """Everything that the gate does with a collection, each step as the user that it belongs to."""
    chunk = Chunk(document_id="d", title="t", section="s", language="en", source="x.md", text="words", sha256="0" * 64, generated=True)
    rows = [Row(id=number, bucket=number, chunk=chunk) for number in range(len(MATRIX))]
    assert store.server_version()
    store.refuse_taken("gate_auth")
    collection = store.collection("gate_auth")
    collection.create(MATRIX.shape[1], PROFILE.search.chosen_index)
    collection.insert(rows, MATRIX)
    collection.wait_until_found(rows[-1], MATRIX[-1], 30)
    collection.flush()
    collection.wait_until_indexed(len(rows), 60)
    collection.reload(60)
    assert collection.count() == len(rows)
    assert set(collection.read([0, 1])) == {0, 1}
    yield Loaded(collection=collection, rows=rows, matrix=MATRIX, generated=[])
    collection.drop()
    assert "gate_auth" not in store.collections_of_gates()


def test_the_timed_searches_log_in_as_the_user_that_searches(own: OwnMilvus, logins: Logins, loaded: Loaded) -> None:
    async def nearest(login: Login) -> list[int]:
        options: Any = {"uri": own.uri, "database": "default", "collection": loaded.collection.name, "search": PROFILE.search, "limit": 3}
        async with RawSearcher(**options, login=login) as searcher:
            return await searcher.send(searcher.prepare(MATRIX[5], ""))

    assert asyncio.run(nearest(logins.search()))[0] == 5


def test_every_attempt_is_denied_and_one_right_too_much_is_seen(own: OwnMilvus, store: VectorStore, loaded: Loaded) -> None:
    assert isolation.attempted(store, loaded, "default", ("red",)) == dict.fromkeys(_names(store, loaded), True)
    role = server.role_of("user_search", OWNER)
    with own.as_root() as root:
        root.grant_privilege(role, "Collection", "Insert", "*", db_name="default")
        (_, insert), *_ = isolation.writing(store, loaded)
        until(lambda: None if isolation.denied(insert) else True, timeout_s=60)  # Milvus tells its proxies a moment after it answered
        tried = isolation.attempted(store, loaded, "default", ("red",))
        root.revoke_privilege(role, "Collection", "Insert", "*", db_name="default")
    assert [name for name, is_denied in tried.items() if not is_denied] == ["the user that searches inserted a row"]


def test_the_known_ways_around_authentication_are_open_on_this_version_and_are_seen(own: OwnMilvus, store: VectorStore) -> None:
    """Milvus 2.3.5 has both: nobody and each user is root on port 9091 of its pod, and nobody is on 19530 by saying so."""
    with closing(kube.connect()) as cluster:
        pod = cluster.pod_address(f"http://milvus.{own.namespace}.svc:19530")
    assert (urlsplit(pod).hostname, urlsplit(pod).port) not in {(None, None), (urlsplit(own.uri).hostname, 19530)}
    tried = {name: isolation.by_the_way_around(attempt) for name, attempt in isolation.bypasses(store, pod)}
    users = [f"the user that {work}" for work in ("searches", "ingests", "administers")]
    rest = [f"{name} listed the users on port 9091 (CVE-2026-26190)" for name in ("nobody", *users)]
    claim = "by the claim to be a member of the cluster, listed the users on port 19530 (CVE-2025-64513)"
    expression = "nobody ran an expression on port 9091 (CVE-2026-26190)"
    assert {name for name, verdict in tried.items() if verdict == "SUCCEEDED"} == {f"nobody, {claim}", *rest, expression}
    assert {name for name, verdict in tried.items() if verdict == "denied"} == {
        "nobody listed the users on port 19530",
        *(f"{name}, {claim}" for name in users),
    }


def _names(store: VectorStore, loaded: Loaded) -> list[str]:
    found = [name for name, _ in (*isolation.writing(store, loaded), *isolation.dropping(store, loaded, "default"))]
    assert len(found) == 8
    return [*found, *(f"the user that {work} listed the collections of the tenant red" for work in ("searches", "ingests", "administers"))]


def test_a_milvus_that_asks_is_not_reached_by_nobody_and_the_cure_is_told(own: OwnMilvus) -> None:
    with pytest.raises(UnreachableError, match="does it ask who is there"):
        milvus.connect(own.uri, "default")


def test_a_password_that_changed_is_read_once_more(own: OwnMilvus, logins: Logins) -> None:
    asked = iter([Login(user="search", password="the-old-one"), logins.search()])
    with closing(milvus.connect(own.uri, "default", Logins(search=lambda: next(asked), ingest=logins.ingest, admin=logins.admin))) as found:
        assert found.server_version()
