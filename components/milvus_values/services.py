"""What Milvus leans on besides the store: metadata, write-ahead log, console, metrics.

Says aloud what is not wanted, since the chart's own choice is Pulsar and MinIO.
"""

from collections.abc import Mapping
from typing import Any

from components.milvus_values import images
from components.milvus_values.shape import Cluster, Etcd, MilvusShape, WriteAheadLog
from components.quantities import Resources, gib

EMBEDDED_ETCD = "localhost:2379"
_ATTU = Resources(cpu_cores=0.1, memory_gib=0.5)
_SCRAPE_EVERY = "30s"


def of(shape: MilvusShape) -> dict[str, Any]:
    """Values of all of them."""
    return {
        **_etcd(shape.etcd),
        **_write_ahead_log(shape.wal, cluster=isinstance(shape.size, Cluster)),
        "minio": {"enabled": False},
        **({"attu": _attu(shape.attu_image)} if shape.attu_image is not None else {}),
        **({"metrics": {"enabled": True, "serviceMonitor": _monitor(shape.monitor_labels)}} if shape.monitor_labels is not None else {}),
    }


def _etcd(etcd: Etcd) -> dict[str, Any]:
    """Say the address of an embedded etcd aloud, or the chart names a Service that is not there."""
    if etcd.kind == "bundled":
        return {"etcd": _bundled(etcd), "externalEtcd": {"enabled": False}}
    endpoints = [EMBEDDED_ETCD] if etcd.kind == "embedded" else list(etcd.endpoints)
    return {"etcd": {"enabled": False}, "externalEtcd": {"enabled": True, "endpoints": endpoints}}


def _bundled(etcd: Etcd) -> dict[str, Any]:
    found: dict[str, Any] = {"enabled": True, "replicaCount": etcd.replicas, "pdb": {"create": etcd.replicas > 1}}
    persistence: dict[str, Any] = {"enabled": True}
    if etcd.storage_gib is not None:
        persistence["size"] = gib(etcd.storage_gib)
    if etcd.storage_class is not None:
        persistence["storageClass"] = etcd.storage_class
    if etcd.resources is not None:
        found["resources"] = etcd.resources.manifest()
    if etcd.image is not None:
        found["image"] = images.with_registry(etcd.image)
    return {**found, "persistence": persistence}


def _write_ahead_log(wal: WriteAheadLog, *, cluster: bool) -> dict[str, Any]:
    """`streaming` belongs to every cluster of 2.6; what is not the log is switched off by name."""
    off: dict[str, Any] = {"pulsarv3": {"enabled": False}, "kafka": {"enabled": False}, "woodpecker": {"enabled": False}}
    if wal.kind == "woodpecker":
        streaming = {"enabled": True, "woodpecker": {"embedded": True, "storage": {"type": "minio"}}}
        return {**off, "woodpecker": {"enabled": True}, "streaming": streaming}
    needed = {"streaming": {"enabled": True}} if cluster else {}
    if wal.kind == "kafka":
        security = {"brokerList": ",".join(wal.kafka), "securityProtocol": "SSL" if wal.kafka_tls else "PLAINTEXT"}
        return {**off, **needed, "externalKafka": {"enabled": True, **security}}
    return {**off, **needed, **(_pulsar(wal) if wal.kind == "pulsar" else {})}


def _pulsar(wal: WriteAheadLog) -> dict[str, Any]:
    if wal.pulsar is not None:
        host, _, port = wal.pulsar.rpartition(":")
        return {"externalPulsar": {"enabled": True, "host": host, "port": int(port)}}
    if wal.pulsar_image is None:
        return {"pulsarv3": {"enabled": True}}
    image = images.split(wal.pulsar_image)
    parts = ("zookeeper", "bookie", "autorecovery", "broker", "proxy")
    return {"pulsarv3": {"enabled": True, "images": dict.fromkeys(parts, image), "pulsar_metadata": {"image": image}}}


def _attu(image: str) -> dict[str, Any]:
    return {"enabled": True, "image": images.split(image), "resources": _ATTU.manifest()}


def _monitor(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"enabled": True, "interval": _SCRAPE_EVERY, **({"additionalLabels": dict(labels)} if labels else {})}
