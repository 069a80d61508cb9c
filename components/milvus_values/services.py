"""What Milvus needs besides the store, as values of the chart: metadata, write-ahead log, metrics; and references of images.

Switches off explicitly what is not used, since the chart's own choice is Pulsar and MinIO.
"""

import re
from collections.abc import Mapping
from typing import Any

from components.milvus_values.shape import Cluster, Etcd, Kafka, MilvusShape, Pulsar, WriteAheadLog
from components.pods import PodOptions, gib

EMBEDDED_ETCD = "localhost:2379"
_SCRAPE_EVERY = "30s"
_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


def service_values(shape: MilvusShape) -> dict[str, Any]:
    """Values of all of them."""
    return {
        **_etcd(shape),
        **_write_ahead_log(shape.wal, cluster=isinstance(shape.size, Cluster)),
        "minio": {"enabled": False},
        **({"metrics": {"enabled": True, "serviceMonitor": _monitor(shape.monitor_labels)}} if shape.monitor_labels is not None else {}),
    }


def split_image(reference: str) -> dict[str, str]:
    """`repository` and `tag` for a chart that joins them with a colon: a digest travels with the tag, or a bare one with the repository."""
    match = _IMAGE.fullmatch(reference)
    if match is None or not (match["tag"] or match["digest"]):
        raise ValueError(f"image {reference!r} has neither a tag nor a digest")
    repository, tag, algorithm, digest = match.group("repository", "tag", "algorithm", "digest")
    if not digest:
        return {"repository": repository, "tag": tag}
    whole = f"{algorithm}:{digest}"
    return {"repository": repository, "tag": f"{tag}@{whole}"} if tag else {"repository": f"{repository}@{algorithm}", "tag": digest}


def _with_registry(reference: str) -> dict[str, str]:
    """For the etcd chart, which puts docker.io before every repository unless its values name the registry."""
    first, slash, rest = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return {"registry": first, **split_image(rest)}
    return split_image(reference)


def _etcd(shape: MilvusShape) -> dict[str, Any]:
    """Give the address of an embedded etcd, or the chart names a Service that is not there."""
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
    marks: dict[str, Any] = {
        "nodeSelector": dict(etcd.node_selector),
        "tolerations": [toleration.manifest() for toleration in etcd.tolerations],
        "priorityClassName": options.priority_class,
        "podLabels": dict(options.labels),
        "podAnnotations": dict(options.annotations),
    }
    contexts = {} if options.assign_ids else {"podSecurityContext": {"enabled": False}, "containerSecurityContext": {"enabled": False}}
    return {**{name: value for name, value in marks.items() if value}, **contexts}


def _bundled(etcd: Etcd, options: PodOptions) -> dict[str, Any]:
    values: dict[str, Any] = {"enabled": True, "replicaCount": etcd.replicas, "pdb": {"create": etcd.replicas > 1}}
    size = gib(etcd.storage_gib) if etcd.storage_gib is not None else None
    persistence = {"enabled": True, "size": size, "storageClass": etcd.storage_class}
    values["persistence"] = {name: value for name, value in persistence.items() if value is not None}
    if etcd.resources is not None:
        values["resources"] = etcd.resources.manifest()
    image = _with_registry(etcd.image) if etcd.image is not None else {}
    pull_secrets = {"pullSecrets": list(options.pull_secrets)} if options.pull_secrets else {}
    if image or pull_secrets:
        values["image"] = {**image, **pull_secrets}
    return values


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
    values = {"enabled": True, "brokerList": ",".join(kafka.brokers), "securityProtocol": protocol}
    if kafka.login_secret is None:
        return values
    return {**values, "securityProtocol": "SASL_SSL" if kafka.tls else "SASL_PLAINTEXT", "sasl": {"mechanisms": kafka.mechanism}}


def _pulsar(pulsar: Pulsar) -> dict[str, Any]:
    """A whole URL as host: Milvus takes an address with a colon as it is, and so no variable PULSAR_PORT of a Service is read."""
    scheme, port = "pulsar+ssl" if pulsar.tls else "pulsar", pulsar.address.rpartition(":")[2]
    token = {"authPlugin": "token"} if pulsar.token_secret is not None else {}
    return {"enabled": True, "host": f"{scheme}://{pulsar.address}", "port": int(port), **token}


def _monitor(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"enabled": True, "interval": _SCRAPE_EVERY, **({"additionalLabels": dict(labels)} if labels else {})}
