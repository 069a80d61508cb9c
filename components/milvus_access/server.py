"""Which Milvus, opened as root with pymilvus when a provider runs; its databases, and roles: what is ours, and who may do what.

The password of root is in none of the inputs: it is read from its Secret at run time, so it may change at any time. Before that the
namespace is compared with the one that Pulumi made, since a shell may point at another cluster than Pulumi does.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pulumi
import yaml
from tenacity import wait_fixed

from components import kube_api
from components.dynamic_provider import DynamicResource, OwnedProvider
from components.milvus_access import reach
from components.milvus_access.reach import AccessError, MilvusClient, Way, explained, reached
from components.waiting import until

Kind = Literal["search", "ingest", "admin"]
_TABLE = yaml.safe_load(Path(__file__).with_name("privileges.yaml").read_text(encoding="utf-8"))
PRIVILEGES: dict[Kind, tuple[str, ...]] = {
    kind: tuple(sorted(privilege for group in groups for privilege in _TABLE[group].split())) for kind, groups in _TABLE["kinds"].items()
}
_HASH_CHARACTERS = 12


def role_of(thing: str, owner: str) -> str:
    """Name of the role that marks `thing` as the owner's: letters, digits and underscores."""
    return f"{thing}_{hashlib.sha256(owner.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def mark(milvus: MilvusClient, thing: str, owner: str, *, exists: bool) -> str:
    """Make the mark before the thing itself, and return it; AccessError for a thing that is there without it."""
    role = role_of(thing, owner)
    if role in milvus.list_roles():
        return role
    if exists:
        raise AccessError.by_code("milvus.not_ours", thing=thing.replace("_", " ", 1), role=role)
    milvus.create_role(role)
    return role


def unmark(milvus: MilvusClient, role: str, databases: Iterable[str]) -> None:
    """Remove a role with all it holds; one that is gone is no error."""
    if role not in milvus.list_roles():
        return
    for database in databases:
        set_privileges(milvus, role, database, ())
    milvus.drop_role(role)


def granted(milvus: MilvusClient, role: str, database: str) -> list[str]:
    """What the role may do in the database, as `Object.Privilege`; nothing for a role that is gone."""
    if role not in milvus.list_roles():
        return []
    grants = milvus.describe_role(role, db_name=database)["privileges"]
    return sorted(f"{each['object_type']}.{each['privilege']}" for each in grants if each["db_name"] in {database, "*"})


def set_privileges(milvus: MilvusClient, role: str, database: str, privileges: Collection[str]) -> None:
    """Grant what is missing and revoke what is too much."""
    there = granted(milvus, role, database)
    for change, names in ((milvus.grant_privilege, set(privileges) - set(there)), (milvus.revoke_privilege, set(there) - set(privileges))):
        for name in sorted(names):
            kind, privilege = name.split(".")
            change(role, kind, privilege, "*", db_name=database)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Milvus."""

    namespace: pulumi.Input[str]
    namespace_uid: pulumi.Input[str]  # of the namespace that is meant
    root_secret: pulumi.Input[str]  # secret with `username` and `password` of root
    uri: pulumi.Input[str]  # as `reach` reads it
    ca_pem: pulumi.Input[str]  # authority of Milvus's certificate as PEM text; "" where Milvus speaks without TLS
    settings: str = ""  # name of the group of settings that this comes from, for messages

    def inputs(self) -> dict[str, pulumi.Input[str]]:
        """Return it as inputs of a dynamic resource."""
        return {key: value for key, value in vars(self).items() if key != "settings"}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A way to Milvus that is open, and root's client on it."""

    way: Way
    root: MilvusClient


class MilvusProvider(OwnedProvider[Opened]):
    """Base of those that make things in Milvus. Inputs: those of Server, and what it makes."""

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator[Opened]:
        """AccessError for another cluster, and for a Milvus that does not let root in."""
        with explained(f"Milvus in the namespace {inputs['namespace']} ({inputs['uri']})", action):
            with kube_api.core() as api:
                metadata = api.read_namespace(inputs["namespace"], _request_timeout=kube_api.TIMEOUT_S).metadata
                if metadata is None or metadata.uid != inputs["namespace_uid"]:
                    raise AccessError.by_code("milvus.another_cluster", namespace=inputs["namespace"])
                root = kube_api.require_secret(api, inputs["namespace"], inputs["root_secret"], ("username", "password"))
            with reached(inputs["uri"], inputs["ca_pem"]) as way:
                refused = AccessError.by_code("milvus.root_refused", username=root["username"], secret=inputs["root_secret"])
                # a Milvus that has just become ready makes its users at its first start
                until(lambda: way.accepts(**root) or None, timeout_s=reach.PATIENCE_S, wait=wait_fixed(1), late=lambda: refused)
                with way.client(root["username"], root["password"]) as milvus:
                    yield Opened(way=way, root=milvus)


class DatabaseProvider(MilvusProvider):
    """Inputs: those of Server, `database`, `owner`. Outputs: the same. Made empty, and dropped only when empty: collections are data."""

    kind = "database"
    identity = ("database",)

    def _make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        exists = name in api.root.list_databases()
        mark(api.root, f"database_{name}", inputs["owner"], exists=exists)
        if not exists:
            api.root.create_database(name)
        return {}

    def _look(self, api: Opened, name: str, _outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        return {} if name in api.root.list_databases() else None

    def _change(self, _api: Opened, _name: str, _inputs: dict[str, Any], _olds: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}  # only the way to it can change, and that was just gone

    def _remove(self, api: Opened, name: str, outputs: Mapping[str, Any]) -> None:
        """AccessError, with Milvus's own words, where it is not empty."""
        role = role_of(f"database_{name}", outputs["owner"])
        if role in api.root.list_roles():
            if name in api.root.list_databases():
                api.root.drop_database(name)
            unmark(api.root, role, [])


class Database(DynamicResource, module="milvus", name="Database"):
    """One database of a Milvus: what one tenant sees."""

    database: pulumi.Output[str]


class PublicProvider(MilvusProvider):
    """Inputs: those of Server, `privileges` (none). Outputs: the same as found.

    Milvus gives this role, which every user has, the right to list and describe the collections of all databases: tenants would see each
    other's names and schemas. Milvus 2.6 and newer keep to `common.security.enablePublicPrivilege: false`; 2.3 knows no such switch and
    gives the rights again at every start, so there a restart opens them until the next `pulumi up --refresh`.
    """

    kind = "role"
    identity = ("namespace_uid",)

    def _name(self, _inputs: Mapping[str, Any]) -> str:
        return "public"

    def _look(self, api: Opened, name: str, _outputs: dict[str, Any]) -> Mapping[str, Any]:
        return {"privileges": granted(api.root, name, "*")}

    def _change(self, api: Opened, name: str, _inputs: dict[str, Any], _olds: Mapping[str, Any]) -> Mapping[str, Any]:
        set_privileges(api.root, name, "*", ())
        return {}

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give nothing back."""


class Public(DynamicResource, module="milvus", name="Public"):
    """The role `public`, which every user of a Milvus has, without any privilege."""
