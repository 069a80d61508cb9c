"""A database of Milvus: what one tenant sees.

It is made empty, and dropped only when it is empty: collections are data, and no stack takes them away in passing.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import inputs_of
from components.milvus_access import roles
from components.milvus_access.errors import explained
from components.milvus_access.server import Server, opened, place_of
from components.s3.provider import StoreProvider


class DatabaseProvider(StoreProvider):
    """Inputs: those of Server, `database`, `owner`. Outputs: the same."""

    identity = "database"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        _ensure(inputs)
        return dynamic.CreateResult(inputs["database"], inputs)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or there."""
        with explained(place_of(props), f"look for the database {id_!r}"), opened(props) as way:
            return dynamic.ReadResult(id_, inputs_of(props)) if id_ in way.root.list_databases() else dynamic.ReadResult("", {})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Only the way to it can change."""
        return dynamic.UpdateResult(inputs_of(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Drop it if it is empty; AccessError, with Milvus's own words, if it is not."""
        with explained(place_of(_props), f"drop the database {_id!r}"), opened(_props) as way:
            role = roles.role_of(f"database_{_id}", _props["owner"])
            if role in way.root.list_roles():
                if _id in way.root.list_databases():
                    way.root.drop_database(_id)
                roles.unmark(way.root, role, [])


class Database(dynamic.Resource, module="milvus", name="Database"):
    """One database of `server`."""

    database: pulumi.Output[str]

    def __init__(
        self, name: str, *, server: Server, database: str, owner: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(DatabaseProvider(), name, {**server.inputs(), "database": database, "owner": owner}, opts)


def _ensure(inputs: Mapping[str, Any]) -> None:
    database = inputs["database"]
    with explained(place_of(inputs), f"make the database {database!r}"), opened(inputs) as way:
        exists = database in way.root.list_databases()
        roles.mark(way.root, f"database_{database}", inputs["owner"], exists=exists)
        if not exists:
            way.root.create_database(database)
