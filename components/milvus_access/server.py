"""Which Milvus, opened as root with pymilvus when a provider runs; and its databases, and what everybody may do in it.

The password of root is in none of the inputs: it is read from its Secret at run time, so it may change at any time. Before that the
namespace is compared with the one that Pulumi made, since a shell may point at another cluster than Pulumi does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from tenacity import wait_fixed

from components import kube_api
from components.dynamic_provider import DynamicResource, OwnedProvider
from components.milvus_access import reach, roles
from components.milvus_access.reach import AccessError, Way, explained, reached
from components.waiting import until

if TYPE_CHECKING:
    from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

_PUBLIC, _EVERY_DATABASE = "public", "*"


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Milvus."""

    namespace: pulumi.Input[str]
    namespace_uid: pulumi.Input[str]
    """Of the namespace that is meant."""
    root_secret: pulumi.Input[str]
    """Secret with `username` and `password` of root."""
    uri: pulumi.Input[str]
    """As `reach` reads it."""
    ca_pem: pulumi.Input[str]
    """Authority of Milvus's certificate as PEM text; "" where Milvus speaks without TLS."""
    settings: str = ""
    """Name of the group of settings that this comes from, for messages."""

    def inputs(self) -> dict[str, pulumi.Input[str]]:
        """Return it as inputs of a dynamic resource."""
        return {key: value for key, value in vars(self).items() if key != "settings"}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A way to Milvus that is open, and root's client on it."""

    way: Way
    root: "MilvusClient"


class MilvusProvider(OwnedProvider[Opened]):
    """Base of those that make things in Milvus. Inputs: those of Server, and what it makes."""

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator[Opened]:
        """AccessError for another cluster, and for a Milvus that does not let root in."""
        with explained(f"Milvus in the namespace {inputs['namespace']} ({inputs['uri']})", action):
            with kube_api.core() as api:
                metadata = api.read_namespace(inputs["namespace"], _request_timeout=kube_api.TIMEOUT_S).metadata
                if metadata is None or metadata.uid != inputs["namespace_uid"]:
                    raise AccessError(
                        f"the namespace {inputs['namespace']} of this shell's kubeconfig is not the one that Pulumi made: users would be "
                        f"made elsewhere. Cure: point KUBECONFIG and its current context at the cluster of this stack",
                        code="milvus.another_cluster",
                    )
                root = kube_api.require_secret(api, inputs["namespace"], inputs["root_secret"], ("username", "password"))
            with reached(inputs["uri"], inputs["ca_pem"]) as way:
                _require_login(way, root, inputs["root_secret"])
                with way.client(root["username"], root["password"]) as milvus:
                    yield Opened(way=way, root=milvus)


def _require_login(way: Way, root: Mapping[str, str], secret: str) -> None:
    """Wait until root is let in: a Milvus that has just become ready makes its users at its first start."""
    try:
        until(lambda: way.accepts(**root) or None, timeout_s=reach.PATIENCE_S, wait=wait_fixed(1))
    except TimeoutError:
        raise AccessError(
            f"it does not let {root['username']} in with the password of the Secret {secret}. Cure: if the password was changed by hand, "
            "put the new one into that Secret",
            code="milvus.root_refused",
        ) from None


class DatabaseProvider(MilvusProvider):
    """Inputs: those of Server, `database`, `owner`. Outputs: the same.

    It is made empty, and dropped only when it is empty: collections are data, and no stack takes them away in passing.
    """

    kind = "database"
    identity = ("database",)

    def _make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        exists = name in api.root.list_databases()
        roles.mark(api.root, f"database_{name}", inputs["owner"], exists=exists)
        if not exists:
            api.root.create_database(name)
        return {}

    def _look(self, api: Opened, name: str, _outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        return {} if name in api.root.list_databases() else None

    def _change(self, _api: Opened, _name: str, _inputs: dict[str, Any], _olds: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}  # only the way to it can change, and that was just gone

    def _remove(self, api: Opened, name: str, outputs: Mapping[str, Any]) -> None:
        """AccessError, with Milvus's own words, where it is not empty."""
        role = roles.role_of(f"database_{name}", outputs["owner"])
        if role in api.root.list_roles():
            if name in api.root.list_databases():
                api.root.drop_database(name)
            roles.unmark(api.root, role, [])


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
        return _PUBLIC

    def _make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        return self._change(api, name, inputs, {})

    def _look(self, api: Opened, name: str, _outputs: dict[str, Any]) -> Mapping[str, Any]:
        return {"privileges": roles.granted(api.root, name, _EVERY_DATABASE)}

    def _change(self, api: Opened, name: str, _inputs: dict[str, Any], _olds: Mapping[str, Any]) -> Mapping[str, Any]:
        roles.set_privileges(api.root, name, _EVERY_DATABASE, ())
        return {}

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give nothing back."""


class Public(DynamicResource, module="milvus", name="Public"):
    """The role `public`, which every user of a Milvus has, without any privilege."""
