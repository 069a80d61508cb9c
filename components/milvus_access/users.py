"""Who may log in to Milvus: for each database one user to search, one to ingest, one to administer, each with its Secret.

Nobody else but root, whose password the release of Milvus owns. Passwords are made here and known to nobody else: Milvus keeps a hash, the
state holds them encrypted, in the cluster they are in the Secrets alone. A run that is killed between making a user and recording its
password leaves one that nobody can log in as; the next run, which knows it by its role, makes it anew.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

import pulumi
from pulumi import dynamic

from components.component import Component
from components.dynamic_provider import DynamicResource
from components.milvus_access import server
from components.milvus_access.reach import MilvusClient
from components.milvus_access.root import PASSWORD_BYTES
from components.milvus_access.server import Database, DatabaseProvider, Kind, MilvusProvider, Opened, Public, PublicProvider, Server
from components.random_secret import draw

DEFAULT_DATABASE = "default"  # there from the start, and the only one that cannot be dropped


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

    def _make(self, api: Opened, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        role = server.mark(api.root, f"user_{name}", inputs["owner"], exists=name in api.root.list_users())
        password = _new_password(api.root, name)
        _entitle(api.root, inputs, role)
        return {"password": password}

    def _look(self, api: Opened, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """A password that no longer fits reads as ""."""
        if name not in api.root.list_users():
            return None
        role = server.role_of(f"user_{name}", outputs["owner"])
        has_role = role in api.root.describe_user(name)["roles"]
        privileges = server.granted(api.root, role, outputs["database"]) if has_role else []
        fits = bool(outputs["password"]) and api.way.accepts(name, outputs["password"])
        return {"privileges": privileges, "password": outputs["password"] if fits else ""}

    def _change(self, api: Opened, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        role = server.mark(api.root, f"user_{name}", inputs["owner"], exists=False)
        keep = olds["password"] and olds["generation"] == inputs["generation"]
        password = olds["password"] if keep else _new_password(api.root, name, olds["password"])
        _entitle(api.root, inputs, role)
        return {"password": password}

    def _remove(self, api: Opened, name: str, outputs: Mapping[str, Any]) -> None:
        """One whose role is gone is no longer known as ours and stays."""
        role = server.role_of(f"user_{name}", outputs["owner"])
        if role in api.root.list_roles():
            api.root.drop_user(name)
            server.unmark(api.root, role, [outputs["database"]])


def _new_password(milvus: MilvusClient, user: str, known: str = "") -> str:
    """Change the password in place where the old one is known, since Milvus asks even root for it; else make the user anew."""
    from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

    password = draw(PASSWORD_BYTES)
    with suppress(MilvusException):
        if known:
            milvus.update_password(user, known, password)
            return password
    if user in milvus.list_users():
        milvus.drop_user(user)
    milvus.create_user(user, password)
    return password


def _entitle(milvus: MilvusClient, inputs: Mapping[str, Any], role: str) -> None:
    server.set_privileges(milvus, role, inputs["database"], inputs["privileges"])
    if role not in milvus.describe_user(inputs["user"])["roles"]:
        milvus.grant_role(inputs["user"], role)


class User(DynamicResource, module="milvus", name="User"):
    """A user of a Milvus that may do certain things in one database, and its password."""

    results = secrets = ("password",)
    password: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class MilvusUsersArgs:
    """Whom to let in, and where."""

    server: Server
    tenants: tuple[str, ...]  # databases besides the default one
    owner: pulumi.Input[str]  # mark on users and databases; whatever carries another one is left alone
    generation: int  # raise it for new passwords of all of them
    namespace: pulumi.Resource | None
    """The namespace that Milvus is in, if it is ours: where it goes, its users need not be deleted one by one."""
    retain: bool  # databases stay when the stack is destroyed


class MilvusUsers(Component):
    """Who may log in to Milvus: for each database one user to search, one to ingest, one to administer."""

    secret_names: Mapping[Kind, pulumi.Output[str]]  # secrets of the default database's users, each with `username` and `password`

    def __init__(self, name: str, args: MilvusUsersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self._inside = pulumi.ResourceOptions(parent=self, deleted_with=args.namespace)
        self._settings, self._inputs = args.server.settings, args.server.inputs()
        Public(PublicProvider(self._settings), f"{name}-public", {**self._inputs, "privileges": []}, self._inside)
        kept = pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(protect=args.retain, retain_on_delete=args.retain))
        kinds: tuple[Kind, ...] = get_args(Kind)
        for tenant in args.tenants:
            inputs = {**self._inputs, "database": tenant, "owner": args.owner}
            database = Database(DatabaseProvider(self._settings), f"{name}-database-{tenant}", inputs, kept).database
            for kind in kinds:
                self._make_user(name, args, f"{tenant}-{kind}", kind, database)
        self.secret_names = {kind: self._make_user(name, args, kind, kind, DEFAULT_DATABASE) for kind in kinds}
        self.register_outputs({"secret_names": dict(self.secret_names)})

    def _make_user(self, name: str, args: MilvusUsersArgs, label: str, kind: Kind, database: pulumi.Input[str]) -> pulumi.Output[str]:
        username = label.replace("-", "_")
        own = {"user": username, "database": database, "privileges": sorted(server.PRIVILEGES[kind])}
        inputs = {**self._inputs, **own, "owner": args.owner, "generation": args.generation}
        user = User(UserProvider(self._settings), f"{name}-user-{label}", inputs, self._inside)
        secret, namespace = f"milvus-{label}", args.server.namespace
        return self._make_secret(f"{name}-secret-{label}", secret, namespace, username=username, password=user.password)
