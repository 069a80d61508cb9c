"""What Milvus needs besides the store, as values of the chart: metadata, write-ahead log, metrics; and references of images.

Switches off explicitly what is not used, since the chart's own choice is Pulsar and MinIO.
"""

import re
from typing import Any

from components.milvus_values.configuration import nested, when
from components.milvus_values.shape import Cluster, Kafka, MilvusShape, Pulsar, WriteAheadLog
from components.pods import gib

EMBEDDED_ETCD = "localhost:2379"
_SCRAPE_EVERY = "30s"
_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


def service_values(shape: MilvusShape) -> dict[str, Any]:
    """Values of all of them."""
    monitored = shape.monitor_labels is not None
    monitor = {
        "enabled": True,
        "interval": _SCRAPE_EVERY,
        **({"additionalLabels": dict(shape.monitor_labels)} if shape.monitor_labels else {}),
    }
    metrics = {"metrics.enabled": when(monitored, True), "metrics.serviceMonitor": when(monitored, monitor)}
    return nested({**_etcd(shape), **_log(shape.wal, cluster=isinstance(shape.size, Cluster)), "minio.enabled": False, **metrics})


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
    etcd, options = shape.etcd, shape.options
    if etcd.kind != "bundled":
        endpoints = [EMBEDDED_ETCD] if etcd.kind == "embedded" else list(etcd.endpoints)
        return {"etcd.enabled": False, "externalEtcd.enabled": True, "externalEtcd.endpoints": endpoints}
    image = _with_registry(etcd.image) if etcd.image is not None else {}
    pull_secrets = {"pullSecrets": list(options.pull_secrets)} if options.pull_secrets else {}
    return {
        "externalEtcd.enabled": False,
        "etcd.enabled": True,
        "etcd.replicaCount": etcd.replicas,
        "etcd.pdb.create": etcd.replicas > 1,
        "etcd.persistence.enabled": True,
        "etcd.persistence.size": gib(etcd.storage_gib) if etcd.storage_gib is not None else None,
        "etcd.persistence.storageClass": etcd.storage_class,
        "etcd.resources": etcd.resources.manifest() if etcd.resources is not None else None,
        "etcd.image": {**image, **pull_secrets} or None,
        "etcd.clusterDomain": shape.cluster_domain,
        "etcd.podAntiAffinityPreset": when(isinstance(shape.size, Cluster) and shape.size.spread_strictly, "hard"),
        "etcd.nodeSelector": dict(etcd.node_selector) or None,
        "etcd.tolerations": [toleration.manifest() for toleration in etcd.tolerations] or None,
        "etcd.priorityClassName": options.priority_class,
        "etcd.podLabels": dict(options.labels) or None,
        "etcd.podAnnotations": dict(options.annotations) or None,
        # where the platform assigns ids the chart must state none, and it states them in both contexts
        "etcd.podSecurityContext.enabled": when(not options.assign_ids, False),
        "etcd.containerSecurityContext.enabled": when(not options.assign_ids, False),
    }


def _log(wal: WriteAheadLog, *, cluster: bool) -> dict[str, Any]:
    """`streaming` belongs to every cluster of 2.6; what is not the log is switched off by name."""
    woodpecker = wal.kind == "woodpecker"
    return {
        "pulsarv3.enabled": False,
        "kafka.enabled": False,
        "woodpecker.enabled": woodpecker,
        "streaming.enabled": when(woodpecker or cluster, True),
        "streaming.woodpecker": when(woodpecker, {"embedded": True, "storage": {"type": "minio"}}),
        "externalKafka": _kafka(wal.kafka) if wal.kafka is not None else None,
        "externalPulsar": _pulsar(wal.pulsar) if wal.pulsar is not None else None,
    }


def _kafka(kafka: Kafka) -> dict[str, Any]:
    protocol, sasl = "SSL" if kafka.tls else "PLAINTEXT", {}
    if kafka.login_secret is not None:
        protocol, sasl = f"SASL_{protocol}", {"sasl": {"mechanisms": kafka.mechanism}}
    return {"enabled": True, "brokerList": ",".join(kafka.brokers), "securityProtocol": protocol, **sasl}


def _pulsar(pulsar: Pulsar) -> dict[str, Any]:
    """A whole URL as host: Milvus takes an address with a colon as it is, and so no variable PULSAR_PORT of a Service is read."""
    scheme, port = "pulsar+ssl" if pulsar.tls else "pulsar", pulsar.address.rpartition(":")[2]
    token = {"authPlugin": "token"} if pulsar.token_secret is not None else {}
    return {"enabled": True, "host": f"{scheme}://{pulsar.address}", "port": int(port), **token}
