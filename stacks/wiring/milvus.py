"""Milvus and its users as the settings ask for them."""

import hashlib
from collections.abc import Sequence

import pulumi

from components import milvus_values
from components.milvus import Administration, Chart, Milvus, MilvusArgs
from components.milvus_access.privileges import Kind
from components.milvus_access.reach import through_cluster
from components.milvus_access.root import MilvusRoot, MilvusRootArgs
from components.milvus_access.server import Server
from components.milvus_disruption import MilvusDisruption, MilvusDisruptionArgs
from components.milvus_foundation import Foundation, MilvusFoundation
from components.milvus_users import MilvusUsers, MilvusUsersArgs
from components.milvus_values.shape import MilvusStore, Standalone
from components.object_store import ObjectStore
from components.tenancy import Tenancy
from components.trust import Trust, TrustArgs
from stacks.problems import PROJECT, SettingsError
from stacks.settings import Settings
from stacks.settings.milvus.refusals import version
from stacks.wiring import milvus_shape
from stacks.wiring.object_store import owner

_NO_PRIORITY = (
    "pods.priority_class={name} does not reach the pods of Milvus itself: its chart has no key for it, only the one of etcd has. Other "
    "pods may push them off a full node; to close that, give the PriorityClass globalDefault: true, or Milvus nodes of its own"
)
SETTINGS = f"{PROJECT}:milvus"
"""Group of settings that messages about Milvus name."""


def root(settings: Settings, tenancy: Tenancy) -> MilvusRoot | None:
    """The first user, where authentication is enabled."""
    if not settings.milvus.authentication:
        return None
    return MilvusRoot("milvus-root", MilvusRootArgs(namespace=tenancy.namespace, generation=settings.milvus.root_password_generation))


def declare(
    settings: Settings,
    tenancy: Tenancy,
    store: ObjectStore,
    trust: Trust,
    *,
    user: MilvusRoot | None,
    after: Sequence[pulumi.Resource] = (),
) -> Milvus:
    """Milvus on the bucket of `store`, made once everything in `after` succeeded."""
    if settings.pods.priority_class is not None:
        pulumi.log.warn(_NO_PRIORITY.format(name=settings.pods.priority_class))
    shape, place = milvus_shape.to_shape(settings, tenancy.accounts["milvus"], user), store_of(settings, store, trust)
    if wrong := milvus_values.problems(shape, place):
        raise SettingsError("\n".join(["what is added to Milvus cannot be, so nothing was changed:", *wrong]))
    uri, ca_pem = settings.milvus.administration_uri, settings.milvus.tls.ca_pem
    administration = Administration(uri=uri, ca_pem=ca_pem, password=user.password, settings=SETTINGS) if user is not None else None
    args = MilvusArgs(
        namespace=tenancy.namespace,
        chart=chart(settings),
        shape=shape,
        store=place,
        administration=administration,
        cluster_domain=settings.cluster.domain,
    )
    return Milvus("milvus", args, pulumi.ResourceOptions(depends_on=[_foundation(settings), *after]))


def _foundation(settings: Settings) -> MilvusFoundation:
    """What can never be changed, compared before Helm is asked."""
    chosen, running = settings.milvus, version(settings.images.milvus)
    foundation = Foundation(
        wal=chosen.wal,
        etcd=chosen.etcd,
        bucket=settings.milvus_bucket,
        root_path=chosen.root_path,
        mode=chosen.mode,
        version=".".join(map(str, running)) if running is not None else "",
        migration=chosen.migration,
    )
    return MilvusFoundation("milvus-foundation", foundation=foundation, settings=SETTINGS)


def users(settings: Settings, tenancy: Tenancy, root: MilvusRoot | None, milvus: Milvus) -> MilvusUsers | None:
    """Users of the default database and of every tenant's, where authentication is enabled; made once root can log in."""
    if root is None:
        return None
    uri = settings.milvus.administration_uri
    server = Server(
        namespace=tenancy.namespace,
        namespace_uid=tenancy.uid,
        root_secret=root.secret_name,
        uri=uri if uri is not None else through_cluster(settings.namespace, settings.cluster.domain),
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


def login_secret(users: MilvusUsers | None, kind: Kind) -> pulumi.Output[str] | str:
    """Secret of one of the default database's users, "" without authentication."""
    return users.secret_names[kind] if users is not None else ""


def authority(settings: Settings, tenancy: Tenancy) -> pulumi.Output[str] | str:
    """ConfigMap with the authority of the proxy's certificate, for clients, the gate among them; "" without one."""
    ca_pem = settings.milvus.tls.ca_pem
    return Trust("milvus-ca", TrustArgs(namespace=tenancy.namespace, ca_pem=ca_pem)).config_map_name if ca_pem else ""


def chart(settings: Settings) -> Chart:
    """Which chart installs it."""
    chosen = settings.milvus
    return Chart(name=chosen.chart, version=chosen.resolved_chart_version(), repository=chosen.resolved_chart_repository())


def disruption(settings: Settings, tenancy: Tenancy) -> MilvusDisruption | None:
    """What a node's maintenance may take away, where there is more than one pod of anything."""
    size = milvus_shape.size(settings.milvus)
    workloads = {} if isinstance(size, Standalone) else size.workloads
    names = tuple(name for name, each in workloads.items() if each.replicas > 1)
    return MilvusDisruption("milvus-disruption", MilvusDisruptionArgs(namespace=tenancy.namespace, components=names)) if names else None


def store_of(settings: Settings, store: ObjectStore, trust: Trust) -> MilvusStore:
    """Where it keeps its data: also what the preflight looks at."""
    ca_pem = settings.object_store.ca_pem
    return MilvusStore(
        endpoint=settings.object_store.endpoint,
        region=settings.object_store.region,
        bucket=store.bucket,
        root_path=settings.milvus.root_path,
        secret_name=store.secret_name,
        credential_generation=store.credential_generation,
        ca_config_map=trust.config_map_name,
        ca_sha256=hashlib.sha256(ca_pem.encode()).hexdigest() if ca_pem else "",
    )
