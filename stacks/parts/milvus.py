"""Milvus as the settings ask for it."""

import hashlib
from collections.abc import Sequence

import pulumi

from components.milvus import Administration, Chart, Milvus, MilvusArgs
from components.milvus_access.root import MilvusRoot, MilvusRootArgs
from components.milvus_values import MilvusShape, MilvusStore
from components.object_store import ObjectStore
from components.quantities import Resources
from components.tenancy import Tenancy
from components.trust import Trust
from stacks.settings import Settings


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
    args = MilvusArgs(
        namespace=tenancy.namespace,
        chart=chart(settings),
        shape=_shape(settings, tenancy, user),
        store=data(settings, store, trust),
        administration=_administration(settings, user),
    )
    return Milvus("milvus", args, pulumi.ResourceOptions(depends_on=list(after)))


def _administration(settings: Settings, user: MilvusRoot | None) -> Administration | None:
    if user is None:
        return None
    return Administration(uri=settings.milvus.administration_uri, ca_pem="", password=user.password)


def chart(settings: Settings) -> Chart:
    """Which chart installs it."""
    chosen = settings.milvus
    return Chart(name=chosen.chart, version=chosen.resolved_chart_version(), repository=chosen.resolved_chart_repository())


def _shape(settings: Settings, tenancy: Tenancy, user: MilvusRoot | None) -> MilvusShape:
    chosen = settings.milvus
    return MilvusShape(
        image=settings.images.milvus,
        mode=chosen.mode,
        wal=chosen.wal,
        etcd=chosen.etcd,
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        storage_gib=chosen.storage_gib,
        storage_class=chosen.storage_class,
        service_account=tenancy.accounts["milvus"],
        root_secret_name=user.secret_name if user is not None else None,
    )


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
