"""Who may log in to Milvus: for each database one user to search, one to ingest, one to administer, each with its Secret.

Nobody else but root, whose password the release of Milvus owns. Passwords are made by Milvus's own provider, secret from birth: in the
state they are encrypted, in the cluster they are in the Secrets alone. Another `generation` is another password for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import pulumi
import pulumi_kubernetes as k8s

from components.milvus_access.database import Database
from components.milvus_access.privileges import PRIVILEGES, Kind
from components.milvus_access.public import Public
from components.milvus_access.server import Server
from components.milvus_access.user import User

DEFAULT_DATABASE = "default"
"""There from the start, and the only one that cannot be dropped."""


@dataclass(frozen=True, kw_only=True)
class MilvusUsersArgs:
    """Whom to let in, and where."""

    server: Server
    tenants: tuple[str, ...]
    """Databases besides the default one."""
    owner: pulumi.Input[str]
    """Mark on users and databases; whatever carries another one is left alone."""
    generation: int
    """Raise it for new passwords."""
    namespace: pulumi.Resource | None
    """The namespace that Milvus is in, if it is ours: where it goes, its users need not be deleted one by one."""
    retain: bool
    """Databases stay when the stack is destroyed."""


class MilvusUsers(pulumi.ComponentResource):
    """Who may log in to Milvus: for each database one user to search, one to ingest, one to administer."""

    secret_names: Mapping[Kind, pulumi.Output[str]]
    """Secrets of the default database's users, each with `username` and `password`."""

    def __init__(self, name: str, args: MilvusUsersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:MilvusUsers", name, None, opts)
        self._own = pulumi.ResourceOptions(parent=self, deleted_with=args.namespace)
        Public(f"{name}-public", server=args.server, opts=self._own)
        for tenant in args.tenants:
            self._make_users(name, args, tenant, self._make_database(name, args, tenant))
        self.secret_names = self._make_users(name, args, "", DEFAULT_DATABASE)
        self.register_outputs({"secret_names": dict(self.secret_names)})

    def _make_database(self, name: str, args: MilvusUsersArgs, tenant: str) -> pulumi.Output[str]:
        kept = pulumi.ResourceOptions(protect=args.retain, retain_on_delete=args.retain)
        opts = pulumi.ResourceOptions.merge(self._own, kept)
        return Database(f"{name}-database-{tenant}", server=args.server, database=tenant, owner=args.owner, opts=opts).database

    def _make_users(self, name: str, args: MilvusUsersArgs, tenant: str, database: pulumi.Input[str]) -> dict[Kind, pulumi.Output[str]]:
        kinds: tuple[Kind, ...] = get_args(Kind)
        return {kind: self._make_user(name, args, "-".join(filter(None, (tenant, kind))), kind, database) for kind in kinds}

    def _make_user(self, name: str, args: MilvusUsersArgs, label: str, kind: Kind, database: pulumi.Input[str]) -> pulumi.Output[str]:
        user = User(
            f"{name}-user-{label}",
            server=args.server,
            user=label.replace("-", "_"),
            database=database,
            privileges=PRIVILEGES[kind],
            owner=args.owner,
            generation=args.generation,
            opts=self._own,
        )
        secret = k8s.core.v1.Secret(
            f"{name}-secret-{label}",
            metadata={"name": f"milvus-{label}", "namespace": args.server.namespace},
            string_data={"username": label.replace("-", "_"), "password": user.password},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return secret.metadata["name"]
