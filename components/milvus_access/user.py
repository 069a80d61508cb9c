"""A user of Milvus that can do certain things in one database, and its password.

The password is made here and known to nobody else; Milvus keeps a hash of it. A run that is killed between making the user and
recording the password leaves a user that nobody can log in as; the next run, which knows it by its role, makes it anew.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import dynamic
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from components.dynamic_provider import inputs_of
from components.milvus_access import roles
from components.milvus_access.errors import explained
from components.milvus_access.server import Server, opened, place_of
from components.s3.provider import StoreProvider

_PASSWORD_BYTES = 24


class UserProvider(StoreProvider):
    """Inputs: those of Server, `user`, `database`, `privileges` (sorted), `owner`, `generation`. Outputs: as found, and the password."""

    identity = "user"

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another database is another user of the same name, so the old one goes first."""
        found = super().diff(_id, _olds, _news)
        if _olds.get("database") != _news.get("database"):
            return dynamic.DiffResult(changes=True, replaces=["database"], delete_before_replace=True)
        return found

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make role and user, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        with explained(place_of(inputs), f"make the user {inputs['user']!r}"), opened(inputs) as way:
            exists = inputs["user"] in way.root.list_users()
            role = roles.mark(way.root, f"user_{inputs['user']}", inputs["owner"], exists=exists)
            password = _make(way.root, inputs["user"], exists=exists)
            _entitle(way.root, inputs, role)
            return dynamic.CreateResult(inputs["user"], {**inputs, "password": password})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there: a password that no longer fits reads as ""."""
        outputs = inputs_of(props)
        with explained(place_of(outputs), f"look at the user {id_!r}"), opened(outputs) as way:
            if id_ not in way.root.list_users():
                return dynamic.ReadResult("", {})
            role = _role(outputs)
            held = role in way.root.describe_user(id_)["roles"]
            outputs["privileges"] = roles.granted(way.root, role, outputs["database"]) if held else []
            if not way.accepts(id_, outputs["password"]):
                outputs["password"] = ""
        return dynamic.ReadResult(id_, outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore role and privileges; a new password where the old one is lost, or another generation is wanted."""
        inputs = inputs_of(_news)
        with explained(place_of(inputs), f"change the user {_id!r}"), opened(inputs) as way:
            role = roles.mark(way.root, f"user_{_id}", inputs["owner"], exists=False)
            keep = _olds["password"] and _olds["generation"] == inputs["generation"]
            password = _olds["password"] if keep else _changed(way.root, _id, _olds["password"])
            _entitle(way.root, inputs, role)
            return dynamic.UpdateResult({**inputs, "password": password})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete user and role; one whose role is gone is no longer known as ours and stays."""
        with explained(place_of(_props), f"delete the user {_id!r}"), opened(_props) as way:
            role = _role(_props)
            if role in way.root.list_roles():
                way.root.drop_user(_id)
                roles.unmark(way.root, role, [_props["database"]])

    def incomplete(self, outputs: Mapping[str, Any]) -> bool:
        """Tell whether a refresh found that the password no longer fits."""
        return not outputs.get("password")


class User(dynamic.Resource, module="milvus", name="User"):
    """A user of `server` that may do `privileges` in `database`."""

    password: pulumi.Output[str]
    """Secret in the state."""

    def __init__(
        self,
        name: str,
        *,
        server: Server,
        user: str,
        database: pulumi.Input[str],
        privileges: Sequence[str],
        owner: pulumi.Input[str],
        generation: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        asked = {"user": user, "database": database, "privileges": sorted(privileges), "owner": owner, "generation": generation}
        inputs = {**server.inputs(), **asked, "password": None}
        super().__init__(UserProvider(), name, inputs, pulumi.ResourceOptions.merge(opts, secret))


def _role(inputs: Mapping[str, Any]) -> str:
    return roles.role_of(f"user_{inputs['user']}", inputs["owner"])


def _make(milvus: MilvusClient, user: str, *, exists: bool) -> str:
    if exists:
        milvus.drop_user(user)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    milvus.create_user(user, password)
    return password


def _changed(milvus: MilvusClient, user: str, known: str) -> str:
    """Change the password in place where the old one is known, since Milvus asks even root for it; else make the user anew."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        milvus.update_password(user, known, password)
    except MilvusException:
        return _make(milvus, user, exists=user in milvus.list_users())
    return password


def _entitle(milvus: MilvusClient, inputs: Mapping[str, Any], role: str) -> None:
    roles.set_privileges(milvus, role, inputs["database"], inputs["privileges"])
    if role not in milvus.describe_user(inputs["user"])["roles"]:
        milvus.grant_role(inputs["user"], role)
