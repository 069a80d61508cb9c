"""Databases, users and roles on a real Milvus: who may do what, and what an interrupted or foreign beginning leads to."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import pytest
from pymilvus import DataType, MilvusException  # type: ignore[import-untyped]  # pymilvus has no types
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from components.milvus_access import server
from components.milvus_access.reach import AccessError
from components.milvus_access.server import PRIVILEGES, DatabaseProvider, Kind, PublicProvider
from components.milvus_access.users import UserProvider
from tests.e2e.access.own_milvus import OwnMilvus

pytestmark = pytest.mark.e2e

OWNER, STRANGER = "milvus-x10000/test/uid-1", "milvus-x10000/other/uid-2"
USERS, DATABASES, PUBLIC = UserProvider("milvus-x10000:milvus"), DatabaseProvider(), PublicProvider()
DENIED = (grpc.RpcError, MilvusException)


def asked(milvus: OwnMilvus, kind: Kind = "search", database: str = "default", **more: Any) -> dict[str, Any]:
    user = f"{kind}_{uuid4().hex[:8]}"
    wanted = {"user": user, "database": database, "privileges": list(PRIVILEGES[kind]), "owner": OWNER, "generation": 1}
    return {**milvus.server(), **wanted, **more}


def made(inputs: dict[str, Any]) -> dict[str, Any]:
    outputs = USERS.create(inputs).outs
    assert outputs is not None
    return outputs


def found(outputs: dict[str, Any]) -> dict[str, Any]:
    seen = USERS.read(outputs["user"], outputs).outs
    assert seen is not None
    return seen


def make_collection(client: Any, name: str) -> None:
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, timeout=30)


@retry(retry=retry_if_exception_type(DENIED), stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True)
def soon(call: Callable[[], Any]) -> Any:
    """Milvus tells its proxies of a new role a moment after it answered."""
    return call()


def refused(*calls: Callable[[], Any]) -> None:
    for call in calls:
        with pytest.raises(DENIED, match=r"permission deny|PERMISSION_DENIED"):
            call()


@pytest.fixture(scope="module")
def tenants(milvus: OwnMilvus) -> dict[str, dict[Kind, dict[str, Any]]]:
    """Two databases, each with its three users and a collection of one row that its ingest user made."""
    kinds: tuple[Kind, ...] = ("search", "ingest", "admin")
    users: dict[str, dict[Kind, dict[str, Any]]] = {}
    for tenant in ("red", "blue"):
        DATABASES.create({**milvus.server(), "database": tenant, "owner": OWNER})
        users[tenant] = {kind: made(asked(milvus, kind, tenant)) for kind in kinds}
        ingest = users[tenant]["ingest"]
        with milvus.as_user(ingest["user"], ingest["password"], tenant) as client:
            soon(partial(make_collection, client, f"{tenant}_documents"))
            soon(partial(client.insert, f"{tenant}_documents", [{"id": 1, "vector": [0.0, 1.0]}], timeout=30))
    return users


def test_a_user_for_search_reads_and_cannot_write(milvus: OwnMilvus, tenants: dict[str, dict[Kind, dict[str, Any]]]) -> None:
    user = tenants["red"]["search"]
    with milvus.as_user(user["user"], user["password"], "red") as client:
        hits = soon(lambda: client.search("red_documents", data=[[0.0, 1.0]], limit=1, consistency_level="Strong", timeout=30))
        assert [hit["id"] for hit in hits[0]] == [1]
        refused(
            lambda: client.insert("red_documents", [{"id": 2, "vector": [0.0, 1.0]}]),
            lambda: client.upsert("red_documents", [{"id": 1, "vector": [1.0, 1.0]}]),
            lambda: client.delete("red_documents", ids=[1]),
            lambda: make_collection(client, "more"),
            lambda: client.drop_collection("red_documents"),
            lambda: client.release_collection("red_documents"),
            lambda: client.create_database("green"),
            lambda: client.create_user("me_too", "Passw0rd-1"),
            lambda: client.grant_role(user["user"], "admin"),
            client.list_users,
            client.list_databases,
        )


def test_a_user_for_ingest_writes_and_cannot_drop(milvus: OwnMilvus, tenants: dict[str, dict[Kind, dict[str, Any]]]) -> None:
    user = tenants["red"]["ingest"]
    with milvus.as_user(user["user"], user["password"], "red") as client:
        assert client.upsert("red_documents", [{"id": 1, "vector": [0.0, 1.0]}], timeout=30)["upsert_count"] == 1
        refused(
            lambda: client.drop_collection("red_documents"),
            lambda: client.drop_index("red_documents", "vector"),
            lambda: client.release_collection("red_documents"),
            lambda: client.drop_database("red"),
            lambda: client.search("red_documents", data=[[0.0, 1.0]], limit=1),
            lambda: client.update_password("root", "Milvus", "Passw0rd-1"),
        )


def test_a_user_for_administration_has_its_database_and_nothing_else(
    milvus: OwnMilvus, tenants: dict[str, dict[Kind, dict[str, Any]]]
) -> None:
    user = tenants["red"]["admin"]
    with milvus.as_user(user["user"], user["password"], "red") as client:
        soon(partial(make_collection, client, "passing"))
        client.drop_collection("passing")
        refused(lambda: client.drop_database("red"), lambda: client.create_user("me_too", "Passw0rd-1"), client.list_databases)


def test_tenants_do_not_see_each_others_database(milvus: OwnMilvus, tenants: dict[str, dict[Kind, dict[str, Any]]]) -> None:
    for kind in ("search", "ingest", "admin"):
        user = tenants["red"][kind]
        with milvus.as_user(user["user"], user["password"], "blue") as client:
            refused(
                client.list_collections,
                lambda: client.describe_collection("blue_documents"),
                lambda: client.search("blue_documents", data=[[0.0, 1.0]], limit=1),
                lambda: client.query("blue_documents", filter="id > 0", limit=1),
                lambda: client.insert("blue_documents", [{"id": 2, "vector": [0.0, 1.0]}]),
                lambda: make_collection(client, "mine"),
                lambda: client.drop_collection("blue_documents"),
            )


def test_milvus_itself_would_let_tenants_see_each_other_so_what_has_come_back_is_found_and_taken_away(milvus: OwnMilvus) -> None:
    with milvus.as_root() as root:
        root.grant_privilege("public", "Global", "ShowCollections", "*", db_name="*")
    seen = PUBLIC.read("public", {**milvus.server(), "privileges": []}).outs
    assert seen is not None
    assert seen["privileges"] == ["Global.ShowCollections"]
    wanted = {**milvus.server(), "privileges": []}
    assert PUBLIC.diff("public", seen, wanted).changes
    PUBLIC.update("public", seen, wanted)
    again = PUBLIC.read("public", wanted).outs
    assert again is not None
    assert again["privileges"] == []


def test_nothing_changed_is_no_change(milvus: OwnMilvus) -> None:
    outputs = made({**asked(milvus), "__provider": "pickle"})
    assert found(outputs) == outputs
    assert USERS.diff(outputs["user"], outputs, {key: value for key, value in outputs.items() if key != "password"}).changes is False


@pytest.mark.parametrize("killed", ["after the role", "after the user", "after everything but the record"])
def test_a_creation_that_was_interrupted_is_completed(milvus: OwnMilvus, killed: str) -> None:
    inputs = asked(milvus)
    with milvus.as_root() as root:
        root.create_role(server.role_of(f"user_{inputs['user']}", OWNER))
        if killed != "after the role":
            root.create_user(inputs["user"], "nobody-knows-it")
    if killed == "after everything but the record":
        made(inputs)
    outputs = made(inputs)
    assert found(outputs) == outputs
    with milvus.as_user(inputs["user"], outputs["password"]) as client:
        soon(client.list_collections)


@pytest.mark.parametrize("marked", [False, True])
def test_a_user_of_somebody_else_is_left_alone(milvus: OwnMilvus, marked: bool) -> None:
    inputs = asked(milvus)
    with milvus.as_root() as root:
        root.create_user(inputs["user"], "Passw0rd-1")
        if marked:
            root.create_role(server.role_of(f"user_{inputs['user']}", STRANGER))
    with pytest.raises(AccessError, match=r"carries no mark of ours .* make the role"):
        USERS.create(inputs)
    with milvus.as_user(inputs["user"], "Passw0rd-1"):
        pass  # the password is still theirs


def test_a_database_of_somebody_else_is_left_alone(milvus: OwnMilvus) -> None:
    with milvus.as_root() as root:
        root.create_database("theirs")
    with pytest.raises(AccessError, match="database theirs is there already"):
        DATABASES.create({**milvus.server(), "database": "theirs", "owner": OWNER})


def test_a_database_with_something_in_it_is_not_dropped(milvus: OwnMilvus) -> None:
    inputs = {**milvus.server(), "database": "full", "owner": OWNER}
    DATABASES.create(inputs)
    with milvus.as_root("full") as root:
        make_collection(root, "data")
    with pytest.raises(AccessError, match="not empty"):
        DATABASES.delete("full", inputs)
    with milvus.as_root("full") as root:
        root.drop_collection("data")
    DATABASES.delete("full", inputs)
    assert not DATABASES.read("full", inputs).id


def test_drift_is_found_and_restored_and_the_password_stays(milvus: OwnMilvus) -> None:
    outputs = made(asked(milvus))
    role = server.role_of(f"user_{outputs['user']}", OWNER)
    with milvus.as_root() as root:
        root.grant_privilege(role, "Collection", "Insert", "*", db_name="default")
        root.revoke_privilege(role, "Collection", "Search", "*", db_name="default")
    seen = found(outputs)
    assert "Collection.Insert" in seen["privileges"]
    assert "Collection.Search" not in seen["privileges"]
    assert USERS.diff(outputs["user"], seen, outputs).changes
    assert USERS.update(outputs["user"], seen, outputs).outs == outputs
    assert found(outputs) == outputs


@pytest.mark.parametrize("loss", ["changed by hand", "another generation"])
def test_a_password_is_replaced_and_the_old_one_no_longer_opens(milvus: OwnMilvus, loss: str) -> None:
    outputs = made(asked(milvus))
    wanted = {**outputs, "generation": 2} if loss == "another generation" else outputs
    if loss == "changed by hand":
        with milvus.as_root() as root:
            root.update_password(outputs["user"], outputs["password"], "somebody-knows-it")
    seen = found(outputs)
    assert (seen["password"] == "") is (loss == "changed by hand")
    renewed = USERS.update(outputs["user"], seen, wanted).outs
    assert renewed is not None
    assert renewed["password"] not in {"", outputs["password"], "somebody-knows-it"}
    assert found(renewed) == renewed
    with pytest.raises(MilvusException), milvus.as_user(outputs["user"], outputs["password"]):
        pass


def test_a_user_that_is_deleted_is_gone_with_its_role(milvus: OwnMilvus) -> None:
    outputs = made(asked(milvus))
    USERS.delete(outputs["user"], outputs)
    assert not USERS.read(outputs["user"], outputs).id
    with milvus.as_root() as root:
        assert server.role_of(f"user_{outputs['user']}", OWNER) not in root.list_roles()
    with suppress(AccessError):
        USERS.delete(outputs["user"], outputs)  # a second time is no error


def test_another_cluster_is_refused_before_anything_is_said_to_milvus(milvus: OwnMilvus) -> None:
    with pytest.raises(AccessError, match="not the one that Pulumi made"):
        USERS.create(asked(milvus, namespace_uid="another"))


def test_an_address_without_milvus_says_which_setting_to_change(milvus: OwnMilvus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.milvus_access.reach.PATIENCE_S", 1)
    with pytest.raises(AccessError, match=r"milvus\.administration_uri"):
        USERS.create(asked(milvus, uri="http://127.0.0.1:9"))


def test_a_direct_address_works_as_well(milvus: OwnMilvus) -> None:
    outputs = made(asked(milvus, uri=milvus.uri))
    assert found(outputs) == outputs
