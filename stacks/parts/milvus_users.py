"""The users of Milvus as the settings ask for them."""

import pulumi

from components.milvus import Milvus
from components.milvus_access.privileges import Kind
from components.milvus_access.reach import through_cluster
from components.milvus_access.root import MilvusRoot
from components.milvus_access.server import Server
from components.milvus_users import MilvusUsers, MilvusUsersArgs
from components.tenancy import Tenancy
from stacks.parts.milvus import SETTINGS
from stacks.parts.object_store import owner
from stacks.settings import Settings


def declare(settings: Settings, tenancy: Tenancy, root: MilvusRoot | None, milvus: Milvus) -> MilvusUsers | None:
    """Users of the default database and of every tenant's, where Milvus asks who is there; made once root can log in."""
    if root is None:
        return None
    chosen = settings.milvus.administration_uri
    server = Server(
        namespace=tenancy.namespace,
        namespace_uid=tenancy.uid,
        root_secret=root.secret_name,
        uri=chosen if chosen is not None else through_cluster(settings.namespace, settings.cluster.domain),
        ca_pem=settings.milvus.tls.ca_pem,
        settings=SETTINGS,
    )
    args = MilvusUsersArgs(
        server=server,
        tenants=settings.access.tenants,
        owner=owner(tenancy),
        generation=settings.access.password_generation,
        namespace=tenancy.resource,
        retain=not settings.object_store.deletes,
    )
    return MilvusUsers("milvus-users", args, pulumi.ResourceOptions(depends_on=[milvus]))


def secret_name(users: MilvusUsers | None, kind: Kind) -> pulumi.Output[str] | str:
    """Secret of one of the default database's users, "" where nobody logs in."""
    return users.secret_names[kind] if users is not None else ""
