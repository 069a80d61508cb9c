"""A database of Milvus: what one tenant sees.

It is made empty, and dropped only when it is empty: collections are data, and no stack takes them away in passing.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.milvus_access import roles
from components.milvus_access.server import MilvusProvider, Opened, Server


class DatabaseProvider(MilvusProvider):
    """Inputs: those of Server, `database`, `owner`. Outputs: the same."""

    kind = "database"
    identity = ("database",)

    def make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make it, or finish what an interrupted run of the same stack began."""
        exists = name in api.root.list_databases()
        roles.mark(api.root, f"database_{name}", inputs["owner"], exists=exists)
        if not exists:
            api.root.create_database(name)
        return {}

    def look(self, api: Opened, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return nothing else: it is there, or it is gone."""
        _ = outputs
        return {} if name in api.root.list_databases() else None

    def change(self, api: Opened, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change nothing: only the way to it can change, and that was just gone."""
        _ = api, name, inputs, olds
        return {}

    def remove(self, api: Opened, name: str, outputs: Mapping[str, Any]) -> None:
        """Drop it if it is empty; AccessError, with Milvus's own words, if it is not."""
        role = roles.role_of(f"database_{name}", outputs["owner"])
        if role in api.root.list_roles():
            if name in api.root.list_databases():
                api.root.drop_database(name)
            roles.unmark(api.root, role, [])


class Database(dynamic.Resource, module="milvus", name="Database"):
    """One database of `server`."""

    database: pulumi.Output[str]

    def __init__(
        self, name: str, *, server: Server, database: str, owner: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(DatabaseProvider(server.settings), name, {**server.inputs(), "database": database, "owner": owner}, opts)
