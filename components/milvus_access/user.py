"""A user of Milvus that can do certain things in one database, and its password.

The password is made here and known to nobody else; Milvus keeps a hash of it. A run that is killed between making the user and
recording the password leaves a user that nobody can log in as; the next run, which knows it by its role, makes it anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import dynamic
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from components.milvus_access import roles
from components.milvus_access.root import PASSWORD_BYTES
from components.milvus_access.server import MilvusProvider, Opened, Server
from components.random_secret import draw


class UserProvider(MilvusProvider):
    """Inputs: those of Server, `user`, `database`, `privileges` (sorted), `owner`, `generation`. Outputs: as found, and the password."""

    kind = "user"
    identity = ("user",)
    essential = "password"

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another database is another user of the same name, so the old one goes first."""
        if _olds.get("database") != _news.get("database"):
            return dynamic.DiffResult(changes=True, replaces=["database"], delete_before_replace=True)
        return super().diff(_id, _olds, _news)

    def make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make role and user, or finish what an interrupted run of the same stack began."""
        exists = name in api.root.list_users()
        role = roles.mark(api.root, f"user_{name}", inputs["owner"], exists=exists)
        password = _make(api.root, name, exists=exists)
        _entitle(api.root, inputs, role)
        return {"password": password}

    def look(self, api: Opened, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return the privileges as they are; a password that no longer fits reads as ""."""
        if name not in api.root.list_users():
            return None
        role = _role(outputs)
        has_role = role in api.root.describe_user(name)["roles"]
        privileges = roles.granted(api.root, role, outputs["database"]) if has_role else []
        fits = bool(outputs["password"]) and api.way.accepts(name, outputs["password"])
        return {"privileges": privileges, "password": outputs["password"] if fits else ""}

    def change(self, api: Opened, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore role and privileges; a new password where the old one is lost, or another generation is declared."""
        role = roles.mark(api.root, f"user_{name}", inputs["owner"], exists=False)
        keep = olds["password"] and olds["generation"] == inputs["generation"]
        password = olds["password"] if keep else _changed(api.root, name, olds["password"])
        _entitle(api.root, inputs, role)
        return {"password": password}

    def remove(self, api: Opened, name: str, outputs: Mapping[str, Any]) -> None:
        """Delete user and role; one whose role is gone is no longer known as ours and stays."""
        role = _role(outputs)
        if role in api.root.list_roles():
            api.root.drop_user(name)
            roles.unmark(api.root, role, [outputs["database"]])


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
        declared = {"user": user, "database": database, "privileges": sorted(privileges), "owner": owner, "generation": generation}
        inputs = {**server.inputs(), **declared, "password": None}
        super().__init__(UserProvider(server.settings), name, inputs, pulumi.ResourceOptions.merge(opts, secret))


def _role(inputs: Mapping[str, Any]) -> str:
    return roles.role_of(f"user_{inputs['user']}", inputs["owner"])


def _make(milvus: MilvusClient, user: str, *, exists: bool) -> str:
    if exists:
        milvus.drop_user(user)
    password = draw(PASSWORD_BYTES)
    milvus.create_user(user, password)
    return password


def _changed(milvus: MilvusClient, user: str, known: str) -> str:
    """Change the password in place where the old one is known, since Milvus asks even root for it; else make the user anew."""
    password = draw(PASSWORD_BYTES)
    try:
        milvus.update_password(user, known, password)
    except MilvusException:
        return _make(milvus, user, exists=user in milvus.list_users())
    return password


def _entitle(milvus: MilvusClient, inputs: Mapping[str, Any], role: str) -> None:
    roles.set_privileges(milvus, role, inputs["database"], inputs["privileges"])
    if role not in milvus.describe_user(inputs["user"])["roles"]:
        milvus.grant_role(inputs["user"], role)
