"""What Milvus leans on besides the store: metadata, write-ahead log, metrics.

Says aloud what is not wanted, since the chart's own choice is Pulsar and MinIO.
"""

from collections.abc import Mapping
from typing import Any

from components.milvus_values import images
from components.milvus_values.shape import Cluster, Etcd, Kafka, MilvusShape, Pulsar, WriteAheadLog
from components.pod_options import PodOptions
from components.quantities import gib

EMBEDDED_ETCD = "localhost:2379"
_SCRAPE_EVERY = "30s"


def of(shape: MilvusShape) -> dict[str, Any]:
    """Values of all of them."""
    return {
        **_etcd(shape),
        **_write_ahead_log(shape.wal, cluster=isinstance(shape.size, Cluster)),
        "minio": {"enabled": False},
        **({"metrics": {"enabled": True, "serviceMonitor": _monitor(shape.monitor_labels)}} if shape.monitor_labels is not None else {}),
    }


def _etcd(shape: MilvusShape) -> dict[str, Any]:
    """Say the address of an embedded etcd aloud, or the chart names a Service that is not there."""
    etcd = shape.etcd
    if etcd.kind == "bundled":
        strictly = isinstance(shape.size, Cluster) and shape.size.spread_strictly
        apart = {"podAntiAffinityPreset": "hard"} if strictly else {}
        place = {"clusterDomain": shape.cluster_domain, **apart, **_marks(etcd, shape.options)}
        return {"etcd": {**_bundled(etcd, shape.options), **place}, "externalEtcd": {"enabled": False}}
    endpoints = [EMBEDDED_ETCD] if etcd.kind == "embedded" else list(etcd.endpoints)
    return {"etcd": {"enabled": False}, "externalEtcd": {"enabled": True, "endpoints": endpoints}}


def _marks(etcd: Etcd, options: PodOptions) -> dict[str, Any]:
    """Places and marks of its pods; where the platform assigns ids the chart must state none, and it states them in both contexts."""
    found: dict[str, Any] = {
        "nodeSelector": dict(etcd.node_selector),
        "tolerations": [toleration.manifest() for toleration in etcd.tolerations],
        "priorityClassName": options.priority_class,
        "podLabels": dict(options.labels),
        "podAnnotations": dict(options.annotations),
    }
    contexts = {} if options.assign_ids else {"podSecurityContext": {"enabled": False}, "containerSecurityContext": {"enabled": False}}
    return {**{name: value for name, value in found.items() if value}, **contexts}


def _bundled(etcd: Etcd, options: PodOptions) -> dict[str, Any]:
    found: dict[str, Any] = {"enabled": True, "replicaCount": etcd.replicas, "pdb": {"create": etcd.replicas > 1}}
    persistence: dict[str, Any] = {"enabled": True}
    if etcd.storage_gib is not None:
        persistence["size"] = gib(etcd.storage_gib)
    if etcd.storage_class is not None:
        persistence["storageClass"] = etcd.storage_class
    if etcd.resources is not None:
        found["resources"] = etcd.resources.manifest()
    pull_secrets = {"pullSecrets": list(options.pull_secrets)} if options.pull_secrets else {}
    if etcd.image is not None or pull_secrets:
        found["image"] = {**(images.with_registry(etcd.image) if etcd.image is not None else {}), **pull_secrets}
    return {**found, "persistence": persistence}


def _write_ahead_log(wal: WriteAheadLog, *, cluster: bool) -> dict[str, Any]:
    """`streaming` belongs to every cluster of 2.6; what is not the log is switched off by name."""
    off: dict[str, Any] = {"pulsarv3": {"enabled": False}, "kafka": {"enabled": False}, "woodpecker": {"enabled": False}}
    if wal.kind == "woodpecker":
        streaming = {"enabled": True, "woodpecker": {"embedded": True, "storage": {"type": "minio"}}}
        return {**off, "woodpecker": {"enabled": True}, "streaming": streaming}
    needed = {"streaming": {"enabled": True}} if cluster else {}
    kafka = {"externalKafka": _kafka(wal.kafka)} if wal.kafka is not None else {}
    pulsar = {"externalPulsar": _pulsar(wal.pulsar)} if wal.pulsar is not None else {}
    return {**off, **needed, **kafka, **pulsar}


def _kafka(kafka: Kafka) -> dict[str, Any]:
    protocol = "SSL" if kafka.tls else "PLAINTEXT"
    if kafka.login_secret is None:
        return {"enabled": True, "brokerList": ",".join(kafka.brokers), "securityProtocol": protocol}
    protocol = "SASL_SSL" if kafka.tls else "SASL_PLAINTEXT"
    return {
        "enabled": True,
        "brokerList": ",".join(kafka.brokers),
        "securityProtocol": protocol,
        "sasl": {"mechanisms": kafka.mechanism},
    }


def _pulsar(pulsar: Pulsar) -> dict[str, Any]:
    """A whole URL as host: Milvus takes an address with a colon as it is, and so no variable PULSAR_PORT of a Service is read."""
    scheme, port = "pulsar+ssl" if pulsar.tls else "pulsar", pulsar.address.rpartition(":")[2]
    token = {"authPlugin": "token"} if pulsar.token_secret is not None else {}
    return {"enabled": True, "host": f"{scheme}://{pulsar.address}", "port": int(port), **token}


def _monitor(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"enabled": True, "interval": _SCRAPE_EVERY, **({"additionalLabels": dict(labels)} if labels else {})}
