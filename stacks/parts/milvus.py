"""Milvus as the settings ask for it."""

import hashlib
from collections.abc import Sequence

import pulumi

from components import milvus_values
from components.milvus import Administration, Chart, Milvus, MilvusArgs
from components.milvus_access.root import MilvusRoot, MilvusRootArgs
from components.milvus_disruption import MilvusDisruption, MilvusDisruptionArgs
from components.milvus_foundation import Foundation, MilvusFoundation
from components.milvus_values.shape import MilvusStore, Standalone
from components.object_store import ObjectStore
from components.tenancy import Tenancy
from components.trust import Trust, TrustArgs
from stacks.parts import milvus_shape
from stacks.problems import SettingsError
from stacks.settings import PROJECT, Settings
from stacks.settings.milvus.images import version

_NO_PRIORITY = (
    "pods.priority_class={name} does not reach the pods of Milvus itself: its chart has no key for it, only the one of etcd has. Other "
    "pods may push them off a full node; to close that, give the PriorityClass globalDefault: true, or Milvus nodes of its own"
)

SETTINGS = f"{PROJECT}:milvus"
"""Group of settings that messages about Milvus name."""


def root(settings: Settings, tenancy: Tenancy) -> MilvusRoot | None:
    """The first user, where Milvus asks who is there."""
    chosen = settings.milvus
    if not chosen.authentication:
        return None
    return MilvusRoot("milvus-root", MilvusRootArgs(namespace=tenancy.namespace, generation=chosen.root_password_generation))


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
    shape, place = milvus_shape.of(settings, tenancy.accounts["milvus"], user), data(settings, store, trust)
    if wrong := milvus_values.problems(shape, place):
        raise SettingsError("\n".join(["what is added to Milvus cannot be, so nothing was changed:", *wrong]))
    args = MilvusArgs(
        namespace=tenancy.namespace,
        chart=chart(settings),
        shape=shape,
        store=place,
        administration=_administration(settings, user),
        cluster_domain=settings.cluster.domain,
    )
    return Milvus("milvus", args, pulumi.ResourceOptions(depends_on=[_foundation(settings), *after]))


def _foundation(settings: Settings) -> MilvusFoundation:
    """Asked before Helm is."""
    chosen, found = settings.milvus, version(settings.images.milvus)
    foundation = Foundation(
        wal=chosen.wal,
        etcd=chosen.etcd,
        bucket=settings.milvus_bucket,
        root_path=chosen.root_path,
        mode=chosen.mode,
        version=".".join(map(str, found)) if found is not None else "",
        migration=chosen.migration,
    )
    return MilvusFoundation("milvus-foundation", foundation=foundation, settings=SETTINGS)


def _administration(settings: Settings, user: MilvusRoot | None) -> Administration | None:
    if user is None:
        return None
    chosen = settings.milvus
    return Administration(uri=chosen.administration_uri, ca_pem=chosen.tls.ca_pem, password=user.password, settings=SETTINGS)


def authority(settings: Settings, tenancy: Tenancy) -> pulumi.Output[str] | str:
    """ConfigMap with the authority of the proxy's certificate, for clients, the gate among them; "" without one."""
    ca_pem = settings.milvus.tls.ca_pem
    return Trust("milvus-ca", TrustArgs(namespace=tenancy.namespace, ca_pem=ca_pem)).config_map_name if ca_pem else ""


def chart(settings: Settings) -> Chart:
    """Which chart installs it."""
    chosen = settings.milvus
    return Chart(name=chosen.chart, version=chosen.resolved_chart_version(), repository=chosen.resolved_chart_repository())


def replicated(settings: Settings) -> tuple[str, ...]:
    """Components with more than one pod."""
    size = milvus_shape.size(settings.milvus)
    if isinstance(size, Standalone):
        return ()
    return tuple(name for name, each in size.workloads.items() if each.replicas > 1)


def disruption(settings: Settings, tenancy: Tenancy) -> MilvusDisruption | None:
    """What a node's maintenance may take away, where there is more than one of anything."""
    names = replicated(settings)
    return MilvusDisruption("milvus-disruption", MilvusDisruptionArgs(namespace=tenancy.namespace, components=names)) if names else None


def data(settings: Settings, store: ObjectStore, trust: Trust) -> MilvusStore:
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
