"""Milvus and its users as the settings ask for them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pulumi

from components import milvus_values
from components.component import Trust
from components.milvus import Administration, Chart, Milvus, MilvusArgs, MilvusDisruption
from components.milvus_access.reach import through_cluster
from components.milvus_access.root import MilvusRoot
from components.milvus_access.server import Kind, Server
from components.milvus_access.users import MilvusUsers, MilvusUsersArgs
from components.milvus_foundation import Foundation, MilvusFoundation
from components.milvus_values import shape
from components.pods import NO_OPTIONS, PodOptions, Resources
from components.stores import ObjectStore
from components.tenancy import Tenancy
from stacks.problems import PROJECT, SettingsError, text_of
from stacks.settings import Settings
from stacks.settings.milvus import MilvusSettings
from stacks.settings.milvus.parts import ComponentSettings, QueryNodeSettings, ScalingSettings
from stacks.settings.milvus.refusals import version
from stacks.wiring.object_store import owner

_SHOWN_OF_CHECKSUM = 12
SETTINGS = f"{PROJECT}:milvus"  # group of settings that messages about Milvus name


def root(settings: Settings, tenancy: Tenancy) -> MilvusRoot | None:
    """The first user, where authentication is enabled."""
    if not settings.milvus.authentication:
        return None
    return MilvusRoot("milvus-root", namespace=tenancy.namespace, generation=settings.milvus.root_password_generation)


def declare(
    settings: Settings, tenancy: Tenancy, store: ObjectStore, trust: Trust, *, user: MilvusRoot | None, after: Sequence[pulumi.Resource]
) -> Milvus:
    """Milvus on the bucket of `store`, made once everything in `after` succeeded."""
    if settings.pods.priority_class is not None:
        pulumi.log.warn(text_of("priority_class", name=settings.pods.priority_class))
    shaped, place = shape_of(settings, tenancy.accounts, user), store_of(settings, store, trust)
    if wrong := milvus_values.problems(shaped, place):
        lines = ["what is added to Milvus cannot be, so nothing was changed:", *(f"milvus.{reason}" for reason in wrong)]
        raise SettingsError("\n".join(lines))
    uri, ca_pem, domain = settings.milvus.administration_uri, settings.milvus.tls.ca_pem, settings.cluster.domain
    administration = Administration(uri=uri, ca_pem=ca_pem, password=user.password, settings=SETTINGS) if user is not None else None
    space, archive = tenancy.namespace, chart(settings)
    args = MilvusArgs(namespace=space, chart=archive, shape=shaped, store=place, administration=administration, cluster_domain=domain)
    running = ".".join(map(str, version(settings.images.milvus) or ()))  # "" for an image that does not show it
    own = settings.milvus.model_dump(include={"wal", "etcd", "root_path", "mode", "migration"})
    kept = Foundation(bucket=settings.milvus_bucket, version=running, **own)  # what can never be changed, compared before Helm is asked
    foundation = MilvusFoundation("milvus-foundation", foundation=kept, settings=SETTINGS)
    return Milvus("milvus", args, pulumi.ResourceOptions(depends_on=[foundation, *after]))


def users(settings: Settings, tenancy: Tenancy, root: MilvusRoot | None, milvus: Milvus) -> MilvusUsers | None:
    """Users of the default database and of every tenant's, where authentication is enabled; made once root can log in."""
    if root is None:
        return None
    space, uid, ca_pem, uri = tenancy.namespace, tenancy.uid, settings.milvus.tls.ca_pem, settings.milvus.administration_uri
    if uri is None:
        uri = through_cluster(settings.namespace, settings.cluster.domain)
    server = Server(namespace=space, namespace_uid=uid, root_secret=root.secret_name, uri=uri, ca_pem=ca_pem, settings=SETTINGS)
    tenants, generation, retain = settings.access.tenants, settings.access.password_generation, not settings.object_store.deletes
    args = MilvusUsersArgs(
        server=server, tenants=tenants, owner=owner(tenancy), generation=generation, namespace=tenancy.resource, retain=retain
    )
    return MilvusUsers("milvus-users", args, pulumi.ResourceOptions(depends_on=[milvus]))


def login_secret(users: MilvusUsers | None, kind: Kind) -> pulumi.Output[str] | str:
    """Secret of one of the default database's users, "" without authentication."""
    return users.secret_names[kind] if users is not None else ""


def authority(settings: Settings, tenancy: Tenancy) -> pulumi.Output[str] | str:
    """ConfigMap with the authority of the proxy's certificate, for clients, the gate among them; "" without one."""
    ca_pem = settings.milvus.tls.ca_pem
    return Trust("milvus-ca", namespace=tenancy.namespace, ca_pem=ca_pem).config_map_name if ca_pem else ""


def chart(settings: Settings) -> Chart:
    """Which chart installs it."""
    chosen = settings.milvus
    checksum = _checksum(Path(chosen.chart)) if chosen.chart_kind in {"directory", "archive"} else ""
    version, repository = chosen.resolved_chart_version(), chosen.resolved_chart_repository()
    return Chart(name=chosen.chart, version=version, repository=repository, checksum=checksum)


def _checksum(chart: Path) -> str:
    """Return the beginning of the sha256 over names and contents of a chart's files, without hidden ones, such as an editor's."""
    digest = hashlib.sha256()
    for path in [chart, *sorted(chart.rglob("*"))]:
        name = path.relative_to(chart)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:_SHOWN_OF_CHECKSUM]


def disruption(settings: Settings, tenancy: Tenancy) -> MilvusDisruption | None:
    """What a node's maintenance may take away, where there is more than one pod of anything."""
    sized = size(settings.milvus)
    workloads = {} if isinstance(sized, shape.Standalone) else sized.workloads
    names = tuple(name for name, each in workloads.items() if each.replicas > 1)
    return MilvusDisruption("milvus-disruption", namespace=tenancy.namespace, components=names) if names else None


def store_of(settings: Settings, store: ObjectStore, trust: Trust) -> shape.MilvusStore:
    """Where it keeps its data: also what the preflight looks at."""
    ca_pem = settings.object_store.ca_pem
    return shape.MilvusStore(
        endpoint=settings.object_store.endpoint,
        region=settings.object_store.region,
        bucket=store.bucket,
        root_path=settings.milvus.root_path,
        secret_name=store.secret_name,
        credential_generation=store.credential_generation,
        ca_config_map=trust.config_map_name,
        ca_sha256=hashlib.sha256(ca_pem.encode()).hexdigest() if ca_pem else "",
    )


def shape_of(settings: Settings, accounts: Mapping[str, pulumi.Input[str]], user: MilvusRoot | None) -> shape.MilvusShape:
    """Everything."""
    chosen, tls, threads = settings.milvus, settings.milvus.tls, settings.milvus.threads
    wal = shape.WriteAheadLog(
        kind=chosen.wal,
        condition_write=chosen.condition_write,
        kafka=shape.Kafka(**chosen.kafka.model_dump()) if chosen.kafka is not None else None,
        pulsar=shape.Pulsar(**chosen.pulsar.model_dump()) if chosen.pulsar is not None else None,
    )
    security = shape.Security(
        root_secret_name=user.secret_name if user is not None else None,
        internal_name=tls.internal_name if tls.internal_name is not None else "",
        **tls.model_dump(include={"proxy_secret", "client_certificates", "internal_secret"}),
    )
    tuning = shape.Tuning(
        disk_index=chosen.index.profile == "diskann",
        **chosen.model_dump(include={"mmap", "tiered_storage", "request_timeout_ms"}),
        thread_coefficients=(threads.high, threads.middle, threads.low) if threads is not None else None,
    )
    return shape.MilvusShape(
        image=settings.images.milvus,
        size=size(chosen, settings.pod_options),
        wal=wal,
        etcd=replace(_etcd(settings), service_account=accounts.get("etcd")),
        security=security,
        tuning=tuning,
        monitor_labels=settings.monitoring.labels if settings.monitoring.enabled else None,
        **chosen.model_dump(include={"user_id", "extra_values", "extra_config"}),
        options=settings.pod_options,
        cluster_domain=settings.cluster.domain,
        service=shape.Service(type=chosen.service.type, annotations=chosen.service.annotations, source_ranges=settings.access.client_cidrs),
        service_account=accounts["milvus"],
    )


def size(chosen: MilvusSettings, options: PodOptions = NO_OPTIONS) -> shape.Standalone | shape.Cluster:
    """One process, or five components."""
    if chosen.mode == "standalone":
        process = _workload(chosen, chosen, options)
        return shape.Standalone(process=process, storage_gib=chosen.storage_gib, storage_class=chosen.storage_class)
    components = ("proxy", "mix_coordinator", "query_node", "data_node", "streaming_node")
    return shape.Cluster(
        **{name: _workload(chosen, getattr(chosen, name), options) for name in components},
        active_standby=chosen.mix_coordinator.active_standby,
        spread_over=chosen.spread_over,
        spread_strictly=chosen.spread_strictly,
    )


def _workload(chosen: MilvusSettings, component: ComponentSettings | MilvusSettings, options: PodOptions) -> shape.Workload:
    """With the place of all where it has none of its own."""
    gpu = component if isinstance(component, QueryNodeSettings) else QueryNodeSettings()
    scaling = component.autoscaling if isinstance(component, ScalingSettings) else None
    taints = component.tolerations or chosen.tolerations
    return shape.Workload(
        replicas=component.replicas if isinstance(component, ComponentSettings) else 1,
        resources=Resources(cpu_cores=component.cpu_cores, memory_gib=component.memory_gib),
        ephemeral_storage_gib=component.ephemeral_storage_gib,
        node_selector={**options.node_selector, **(component.node_selector or chosen.node_selector)},
        tolerations=(*options.tolerations, *(taint.toleration for taint in taints)),
        autoscaling=shape.Autoscaling(**scaling.model_dump()) if scaling is not None else None,
        gpus=gpu.gpus,
        runtime_class=gpu.runtime_class,
    )


def _etcd(settings: Settings) -> shape.Etcd:
    chosen = settings.milvus.etcd_cluster
    return shape.Etcd(
        kind=settings.milvus.etcd,
        **chosen.model_dump(exclude={"cpu_cores", "memory_gib"}),
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        node_selector={**settings.pods.node_selector, **settings.milvus.node_selector},
        tolerations=(*settings.pod_options.tolerations, *(taint.toleration for taint in settings.milvus.tolerations)),
        image=settings.images.etcd,
    )
