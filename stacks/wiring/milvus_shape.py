"""From the settings of Milvus to the shape that its component wants. Pure."""

from collections.abc import Iterable

import pulumi

from components.gpu import Toleration
from components.milvus_access.root import MilvusRoot
from components.milvus_values.shape import (
    Autoscaling,
    Cluster,
    Etcd,
    Kafka,
    MilvusShape,
    Pulsar,
    Security,
    Service,
    Standalone,
    Tuning,
    Workload,
    WriteAheadLog,
)
from components.pod_options import NO_OPTIONS, PodOptions
from components.quantities import Resources
from stacks.settings import Settings
from stacks.settings.milvus import MilvusSettings
from stacks.settings.milvus.sizes import ComponentSettings, QueryNodeSettings, ScalingSettings
from stacks.settings.platform import TolerationSettings


def to_shape(settings: Settings, account: pulumi.Input[str], user: MilvusRoot | None) -> MilvusShape:
    """Everything."""
    chosen = settings.milvus
    return MilvusShape(
        image=settings.images.milvus,
        size=size(chosen, settings.pod_options),
        wal=_log(chosen),
        etcd=_etcd(settings),
        security=_security(chosen, user),
        tuning=_tuning(chosen),
        monitor_labels=settings.monitoring.labels if settings.monitoring.enabled else None,
        user_id=chosen.user_id,
        options=settings.pod_options,
        cluster_domain=settings.cluster.domain,
        service=Service(type=chosen.service.type, annotations=chosen.service.annotations, source_ranges=settings.access.client_cidrs),
        extra_values=chosen.extra_values,
        extra_config=chosen.extra_config,
        service_account=account,
    )


def size(chosen: MilvusSettings, options: PodOptions = NO_OPTIONS) -> Standalone | Cluster:
    """One process, or five components."""
    if chosen.mode == "standalone":
        process = Workload(
            replicas=1,
            resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
            ephemeral_storage_gib=chosen.ephemeral_storage_gib,
            node_selector={**options.node_selector, **chosen.node_selector},
            tolerations=_tolerations(options, chosen.tolerations),
        )
        return Standalone(process=process, storage_gib=chosen.storage_gib, storage_class=chosen.storage_class)
    return Cluster(
        proxy=_workload(chosen, chosen.proxy, options),
        mix_coordinator=_workload(chosen, chosen.mix_coordinator, options),
        active_standby=chosen.mix_coordinator.active_standby,
        query_node=_workload(chosen, chosen.query_node, options),
        data_node=_workload(chosen, chosen.data_node, options),
        streaming_node=_workload(chosen, chosen.streaming_node, options),
        spread_over=chosen.spread_over,
        spread_strictly=chosen.spread_strictly,
    )


def _tolerations(options: PodOptions, own: Iterable[TolerationSettings]) -> tuple[Toleration, ...]:
    return (*options.tolerations, *(taint.toleration for taint in own))


def _workload(chosen: MilvusSettings, component: ComponentSettings, options: PodOptions) -> Workload:
    """With the place of all where it has none of its own."""
    gpu = component if isinstance(component, QueryNodeSettings) else QueryNodeSettings()
    return Workload(
        replicas=component.replicas,
        resources=Resources(cpu_cores=component.cpu_cores, memory_gib=component.memory_gib),
        ephemeral_storage_gib=component.ephemeral_storage_gib,
        node_selector={**options.node_selector, **(component.node_selector or chosen.node_selector)},
        tolerations=_tolerations(options, component.tolerations or chosen.tolerations),
        autoscaling=_autoscaling(component),
        gpus=gpu.gpus,
        runtime_class=gpu.runtime_class,
    )


def _autoscaling(component: ComponentSettings) -> Autoscaling | None:
    scaling = component.autoscaling if isinstance(component, ScalingSettings) else None
    return Autoscaling(**scaling.model_dump()) if scaling is not None else None


def _log(chosen: MilvusSettings) -> WriteAheadLog:
    return WriteAheadLog(
        kind=chosen.wal,
        condition_write=chosen.condition_write,
        kafka=Kafka(**chosen.kafka.model_dump()) if chosen.kafka is not None else None,
        pulsar=Pulsar(**chosen.pulsar.model_dump()) if chosen.pulsar is not None else None,
    )


def _etcd(settings: Settings) -> Etcd:
    chosen = settings.milvus.etcd_cluster
    return Etcd(
        kind=settings.milvus.etcd,
        endpoints=chosen.endpoints,
        login_secret=chosen.login_secret,
        certificate_secret=chosen.certificate_secret,
        replicas=chosen.replicas,
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        storage_gib=chosen.storage_gib,
        storage_class=chosen.storage_class,
        node_selector={**settings.pods.node_selector, **settings.milvus.node_selector},
        tolerations=_tolerations(settings.pod_options, settings.milvus.tolerations),
        image=settings.images.etcd,
    )


def _security(chosen: MilvusSettings, user: MilvusRoot | None) -> Security:
    tls = chosen.tls
    return Security(
        root_secret_name=user.secret_name if user is not None else None,
        proxy_secret=tls.proxy_secret,
        client_certificates=tls.client_certificates,
        internal_secret=tls.internal_secret,
        internal_name=tls.internal_name if tls.internal_name is not None else "",
    )


def _tuning(chosen: MilvusSettings) -> Tuning:
    threads = chosen.threads
    return Tuning(
        disk_index=chosen.index.profile == "diskann",
        mmap=chosen.mmap,
        tiered_storage=chosen.tiered_storage,
        request_timeout_ms=chosen.request_timeout_ms,
        thread_coefficients=(threads.high, threads.middle, threads.low) if threads is not None else None,
    )
