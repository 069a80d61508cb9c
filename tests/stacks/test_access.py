"""Users of Milvus as the settings ask for them."""

from typing import Any

import pytest

from stacks.problems import SettingsError
from stacks.settings import parse
from tests.stacks.test_blueprint import declared
from tests.stacks.test_settings import GOOD, configuration

USER_PASSWORD = "made-for-a-user"


def asked(*tenants: str, authentication: bool = True) -> dict[str, str]:
    return configuration({**GOOD, "milvus": {"authentication": authentication}, "access": {"tenants": list(tenants)}})


def test_every_tenant_has_a_database_and_three_users_each_with_a_secret() -> None:
    found = declared(asked("sales"))
    users = {item.inputs["user"]: item.inputs["database"] for item in found.values() if item.type.endswith(":User")}
    assert users == {
        **dict.fromkeys(("search", "ingest", "admin"), "default"),
        **{f"sales_{kind}": "sales" for kind in ("search", "ingest", "admin")},
    }
    secrets = {item.inputs["metadata"]["name"]: item for name, item in found.items() if name.startswith("milvus-users-secret-")}
    kinds = ("search", "ingest", "admin")
    assert set(secrets) == {*(f"milvus-{kind}" for kind in kinds), *(f"milvus-sales-{kind}" for kind in kinds)}
    assert secrets["milvus-sales-search"].inputs["stringData"] == {"username": "sales_search", "password": USER_PASSWORD}
    assert all(item.secrets == {"stringData"} for item in secrets.values())


def test_a_password_of_a_user_is_in_its_secret_and_nowhere_else() -> None:
    found = declared(asked("sales"))
    holders = {name for name, item in found.items() if USER_PASSWORD in str(item.inputs)}
    assert holders == {name for name in found if name.startswith("milvus-users-secret-")}


def test_users_wait_for_root_and_need_not_be_deleted_one_by_one_with_the_namespace() -> None:
    user = declared(asked())["milvus-users-user-search"]
    assert any(urn.endswith("::milvus-login") for urn in declared(asked())["milvus-users"].request.dependencies)
    assert user.request.deletedWith.endswith("::tenancy-namespace")


def test_a_database_is_protected_like_the_bucket() -> None:
    assert declared(asked("sales"))["milvus-users-database-sales"].request.protect


def test_without_authentication_there_are_no_users_and_no_tenants() -> None:
    assert not [item for item in declared(configuration(GOOD)).values() if item.type.endswith(":User")]
    with pytest.raises(SettingsError, match=r"access\.tenants would be names and nothing else"):
        parse(asked("sales", authentication=False))


@pytest.mark.parametrize("tenant", ["Sales", "sales-eu", "1st", "default", "root", "admin", "", "x" * 32])
def test_a_tenant_that_milvus_or_kubernetes_could_not_name_is_refused(tenant: Any) -> None:
    with pytest.raises(SettingsError, match=r"access\.tenants"):
        parse(asked(tenant))


def test_a_tenant_is_named_once() -> None:
    with pytest.raises(SettingsError, match="names a tenant twice"):
        parse(asked("sales", "sales"))
