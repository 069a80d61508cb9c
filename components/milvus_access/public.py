"""What everybody may do who can log in: nothing.

Milvus gives the role `public`, which every user has, the right to list and describe the collections of all databases: tenants would see
each other's names and schemas. Milvus 2.6 and newer keep to `common.security.enablePublicPrivilege: false`; 2.3 knows no such switch and
gives the rights again at every start, so there a restart opens them until the next `pulumi up --refresh`.
"""

from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import inputs_of
from components.milvus_access import roles
from components.milvus_access.errors import explained
from components.milvus_access.server import Server, opened, place_of
from components.s3.provider import StoreProvider

_ROLE = "public"
_EVERY_DATABASE = "*"


class PublicProvider(StoreProvider):
    """Inputs: those of Server, `privileges` (none). Outputs: the same as found."""

    identity = "namespace_uid"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Revoke everything."""
        return dynamic.CreateResult(_ROLE, _revoked(inputs_of(props)))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """What everybody may do now."""
        with explained(place_of(props), "look at the role public"), opened(props) as way:
            return dynamic.ReadResult(id_, {**inputs_of(props), "privileges": roles.granted(way.root, _ROLE, _EVERY_DATABASE)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Revoke what has come back."""
        return dynamic.UpdateResult(_revoked(inputs_of(_news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give nothing back."""


class Public(dynamic.Resource, module="milvus", name="Public"):
    """The role that every user of `server` has, without any right."""

    def __init__(self, name: str, *, server: Server, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(PublicProvider(), name, {**server.inputs(), "privileges": []}, opts)


def _revoked(inputs: dict[str, Any]) -> dict[str, Any]:
    with explained(place_of(inputs), "take the rights of the role public away"), opened(inputs) as way:
        roles.set_privileges(way.root, _ROLE, _EVERY_DATABASE, ())
    return inputs
