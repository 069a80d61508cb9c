"""The role `public`, which every user of Milvus has, without any privilege.

Milvus gives it the right to list and describe the collections of all databases: tenants would see each other's names and schemas.
Milvus 2.6 and newer keep to `common.security.enablePublicPrivilege: false`; 2.3 knows no such switch and gives the rights again at
every start, so there a restart opens them until the next `pulumi up --refresh`.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.milvus_access import roles
from components.milvus_access.server import MilvusProvider, Opened, Server

_ROLE = "public"
_EVERY_DATABASE = "*"


class PublicProvider(MilvusProvider):
    """Inputs: those of Server, `privileges` (none). Outputs: the same as found."""

    kind = "role"
    identity = ("namespace_uid",)

    def name_of(self, inputs: Mapping[str, Any]) -> str:
        """Return the name of the role."""
        _ = inputs
        return _ROLE

    def make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Revoke everything."""
        return self.change(api, name, inputs, {})

    def look(self, api: Opened, name: str, outputs: dict[str, Any]) -> Mapping[str, Any]:
        """Return what everybody may do now."""
        _ = outputs
        return {"privileges": roles.granted(api.root, name, _EVERY_DATABASE)}

    def change(self, api: Opened, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Revoke what has come back."""
        _ = inputs, olds
        roles.set_privileges(api.root, name, _EVERY_DATABASE, ())
        return {}

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give nothing back."""


class Public(dynamic.Resource, module="milvus", name="Public"):
    """The role that every user of `server` has, without any privilege."""

    def __init__(self, name: str, *, server: Server, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(PublicProvider(server.settings), name, {**server.inputs(), "privileges": []}, opts)
