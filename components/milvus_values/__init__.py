"""From sizes and names to the values of the Milvus chart. Pure: one builder for the official chart and for the lab's.

Refuses to carry a key: the chart would write it in clear text into a ConfigMap, and Helm into its record of the release. Milvus reads
MINIO_ACCESS_KEY_ID and MINIO_SECRET_ACCESS_KEY from its environment with a higher priority than its files, so the values only name the
Secret. Strings that come from outputs stay leaves of the values; nothing here looks into them.
"""

import re
from typing import Any

from components import pods
from components.component import CA_KEY
from components.milvus_values import configuration, workloads
from components.milvus_values.configuration import nested, when
from components.milvus_values.shape import Cluster, MilvusShape, MilvusStore, WriteAheadLog
from components.milvus_values.workloads import SELECTOR
from components.pods import gib

__all__ = ["CA_ANNOTATION", "CREDENTIAL_ANNOTATION", "SELECTOR", "SERVICE_NAME", "MilvusShape", "MilvusStore", "problems", "values"]
SERVICE_NAME = "milvus"
CREDENTIAL_ANNOTATION = "milvus-x10000/credential-generation"
CA_ANNOTATION = "milvus-x10000/ca-sha256"
_ROOT_GROUP = 0
"""Older images give their files to root and its group (mode 0774), newer ones to user 999: its user in this group may run both."""
_READY_AFTER_S = 5
_READY_EVERY_S = 5


def values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Return the values of the chart, with what the operator adds."""
    built = _own_values(shape, store)
    configuration.merge(built, shape.extra_values)
    return built


def problems(shape: MilvusShape, store: MilvusStore) -> list[str]:
    """Why what the operator adds cannot be added; empty where it can."""
    values, config = _own_values(shape, store), configuration.tree(shape, store)
    return [*configuration.problems_of_values(values, shape.extra_values), *configuration.problems_of_config(config, shape.extra_config)]


def _own_values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    options, service = shape.options, shape.service
    pull_secrets = {"pullSecrets": list(options.pull_secrets)} if options.pull_secrets else {}
    # never a hash of a secret, which would let a guess be checked
    marks = {CREDENTIAL_ANNOTATION: store.credential_generation, **({CA_ANNOTATION: store.ca_sha256} if store.ca_sha256 else {})}
    ranges = {"loadBalancerSourceRanges": list(service.source_ranges)} if service.type == "LoadBalancer" else {}
    # also the platform's labels: what finds pods by them looks for their Service too
    of_service = {"labels": dict(options.labels), "annotations": dict(service.annotations)}
    bucket = {"host": store.host, "port": store.port, "bucketName": store.bucket, "rootPath": store.root_path, "region": store.region}
    keys = {"accessKey": "", "secretKey": "", "useIAM": False, "useVirtualHost": False}
    return {
        "fullnameOverride": SERVICE_NAME,
        "image": {"all": {**split_image(shape.image), "pullPolicy": "IfNotPresent", **pull_secrets}},
        **workloads.workload_values(shape, store),
        **({"labels": dict(options.labels)} if options.labels else {}),
        "annotations": {**options.annotations, **marks},
        "service": {"type": service.type, **ranges, **{name: value for name, value in of_service.items() if value}},
        "serviceAccount": {"create": False, "name": shape.service_account},
        "securityContext": pods.pod_security(assign_ids=options.assign_ids, user=shape.user_id, group=_ROOT_GROUP),
        "containerSecurityContext": pods.container_security(),
        **_mounts(shape, store),
        "readinessProbe": {"initialDelaySeconds": _READY_AFTER_S, "periodSeconds": _READY_EVERY_S},
        "externalS3": {"enabled": True, "useSSL": True, "cloudProvider": "aws", **bucket, **keys},
        "extraConfigFiles": {"user.yaml": configuration.text(shape, store)},
        **service_values(shape),
    }


def _mounts(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Writable places on a read-only root, and the CA where both halves of Milvus look: its C++ half reads nothing but this file."""
    places = {"milvus-run": "/run/milvus", "milvus-tmp": "/tmp"}  # noqa: S108  a path in the container
    if isinstance(shape.size, Cluster):
        places["milvus-local"] = configuration.LOCAL_DIRECTORY
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in places]
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": path} for name, path in places.items()]
    if store.ca_sha256:
        volumes.append({"name": "object-store-ca", "configMap": {"name": store.ca_config_map}})
        mounts.append({"name": "object-store-ca", "mountPath": configuration.CA_BUNDLE, "subPath": CA_KEY, "readOnly": True})
    kafka = shape.wal.kafka.certificate_secret if shape.wal.kafka is not None else None
    secrets = {"proxy": shape.security.proxy_secret, "internal": shape.security.internal_secret}
    for part, secret in {**secrets, "etcd": shape.etcd.certificate_secret, "kafka": kafka}.items():
        if secret is not None:
            volumes.append({"name": f"{part}-certificate", "secret": {"secretName": secret}})
            mounts.append({"name": f"{part}-certificate", "mountPath": configuration.certificate_folder(part), "readOnly": True})
    return {"volumes": volumes, "volumeMounts": mounts}


EMBEDDED_ETCD = "localhost:2379"
_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


def service_values(shape: MilvusShape) -> dict[str, Any]:
    """Values of all of them; no Service gets port 9091, which is an administrator's: `components.milvus` lets Prometheus read the pods."""
    unused = {"minio.enabled": False, "metrics.enabled": False}
    return nested({**_etcd(shape), **_log(shape.wal, cluster=isinstance(shape.size, Cluster)), **unused})


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


def _etcd(shape: MilvusShape) -> dict[str, Any]:
    """Give the address of an embedded etcd, or the chart names a Service that is not there."""
    etcd, options = shape.etcd, shape.options
    if etcd.kind != "bundled":
        endpoints = [EMBEDDED_ETCD] if etcd.kind == "embedded" else list(etcd.endpoints)
        return {"etcd.enabled": False, "externalEtcd.enabled": True, "externalEtcd.endpoints": endpoints}
    image = split_image(etcd.image) if etcd.image is not None else {}
    first, slash, rest = image.get("repository", "").partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):  # else etcd's chart puts docker.io before the repository
        image |= {"registry": first, "repository": rest}
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
        "etcd.serviceAccount": {"create": False, "name": etcd.service_account} if etcd.service_account is not None else None,
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
    """`streaming` belongs to every cluster of 2.6; what is not the log is switched off by name.

    Pulsar's host is a whole URL: Milvus takes an address with a colon as it is, and so no variable PULSAR_PORT of a Service is read.
    """
    woodpecker, kafka, pulsar = wal.kind == "woodpecker", wal.kafka, wal.pulsar
    external: dict[str, Any] = {"externalKafka": None, "externalPulsar": None}
    if kafka is not None:
        protocol, login = "SSL" if kafka.tls else "PLAINTEXT", kafka.login_secret is not None
        sasl = {"sasl": {"mechanisms": kafka.mechanism}} if login else {}
        spoken = {"securityProtocol": f"SASL_{protocol}" if login else protocol}
        external["externalKafka"] = {"enabled": True, "brokerList": ",".join(kafka.brokers), **spoken, **sasl}
    if pulsar is not None:
        host, port = f"{'pulsar+ssl' if pulsar.tls else 'pulsar'}://{pulsar.address}", int(pulsar.address.rpartition(":")[2])
        token = {"authPlugin": "token"} if pulsar.token_secret is not None else {}
        external["externalPulsar"] = {"enabled": True, "host": host, "port": port, **token}
    return {
        "pulsarv3.enabled": False,
        "kafka.enabled": False,
        "woodpecker.enabled": woodpecker,
        "streaming.enabled": when(woodpecker or cluster, True),
        "streaming.woodpecker": when(woodpecker, {"embedded": True, "storage": {"type": "minio"}}),
        **external,
    }
