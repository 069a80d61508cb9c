"""From sizes and names to the values of the Milvus chart. Pure: one builder for the official chart and for the lab's.

Refuses to carry a key: the chart would write it in clear text into a ConfigMap, and Helm into its record of the release. Milvus
reads MINIO_ACCESS_KEY_ID and MINIO_SECRET_ACCESS_KEY from its environment with a higher priority than its files, so the values
only name the Secret. Strings that come from outputs stay leaves of the values; nothing here looks into them.
"""

from typing import Any

import pulumi

from components import pods
from components.milvus_values import configuration, extra, services, workloads
from components.milvus_values.shape import Cluster, MilvusShape, MilvusStore
from components.milvus_values.workloads import SELECTOR
from components.trust import CA_KEY

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
    return [*extra.problems_of_values(values, shape.extra_values), *extra.problems_of_config(config, shape.extra_config)]


def _own_values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    options = shape.options
    pull_secrets = {"pullSecrets": list(options.pull_secrets)} if options.pull_secrets else {}
    return {
        "fullnameOverride": SERVICE_NAME,
        "image": {"all": {**services.split_image(shape.image), "pullPolicy": "IfNotPresent", **pull_secrets}},
        **workloads.workload_values(shape, store),
        **({"labels": dict(options.labels)} if options.labels else {}),
        "annotations": {**options.annotations, **_annotations(store)},
        "service": _service(shape),
        "serviceAccount": {"create": False, "name": shape.service_account},
        "securityContext": pods.pod_security(assign_ids=options.assign_ids, user=shape.user_id, group=_ROOT_GROUP),
        "containerSecurityContext": pods.container_security(),
        **_mounts(shape, store),
        "readinessProbe": {"initialDelaySeconds": _READY_AFTER_S, "periodSeconds": _READY_EVERY_S},
        "externalS3": _external_s3(store),
        "extraConfigFiles": {"user.yaml": configuration.text(shape, store)},
        **services.service_values(shape),
    }


def _service(shape: MilvusShape) -> dict[str, Any]:
    """Also the platform's labels: what finds pods by them looks for their Service too."""
    service, labels = shape.service, dict(shape.options.labels)
    ranges = {"loadBalancerSourceRanges": list(service.source_ranges)} if service.type == "LoadBalancer" else {}
    marks = {"labels": labels, "annotations": dict(service.annotations)}
    return {"type": service.type, **ranges, **{name: value for name, value in marks.items() if value}}


def _annotations(store: MilvusStore) -> dict[str, pulumi.Input[str]]:
    """Never a hash of a secret: it would let a guess be checked."""
    generation: dict[str, pulumi.Input[str]] = {CREDENTIAL_ANNOTATION: store.credential_generation}
    return {**generation, CA_ANNOTATION: store.ca_sha256} if store.ca_sha256 else generation


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
    for name, secret, folder in _certificates(shape):
        volumes.append({"name": name, "secret": {"secretName": secret}})
        mounts.append({"name": name, "mountPath": folder, "readOnly": True})
    return {"volumes": volumes, "volumeMounts": mounts}


def _certificates(shape: MilvusShape) -> list[tuple[str, str, str]]:
    kafka = shape.wal.kafka.certificate_secret if shape.wal.kafka is not None else None
    certificates = (
        ("proxy-certificate", shape.security.proxy_secret, configuration.PROXY_CERTIFICATE),
        ("internal-certificate", shape.security.internal_secret, configuration.INTERNAL_CERTIFICATE),
        ("etcd-certificate", shape.etcd.certificate_secret, configuration.ETCD_CERTIFICATE),
        ("kafka-certificate", kafka, configuration.KAFKA_CERTIFICATE),
    )
    return [(name, secret, folder) for name, secret, folder in certificates if secret is not None]


def _external_s3(store: MilvusStore) -> dict[str, Any]:
    return {
        "enabled": True,
        "host": store.host,
        "port": store.port,
        "useSSL": True,
        "accessKey": "",
        "secretKey": "",
        "bucketName": store.bucket,
        "rootPath": store.root_path,
        "region": store.region,
        "cloudProvider": "aws",
        "useIAM": False,
        "useVirtualHost": False,
    }
