"""From sizes and names to the values of the Milvus chart. Pure: one builder for the official chart and for the lab's.

Refuses to carry a key: the chart would write it in clear text into a ConfigMap, and Helm into its record of the release. Milvus
reads MINIO_ACCESS_KEY_ID and MINIO_SECRET_ACCESS_KEY from its environment with a higher priority than its files, so the values
only name the Secret. Strings that come from outputs stay leaves of the values; nothing here looks into them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import pulumi
import yaml

from components import pod_security
from components.quantities import Resources, gib
from components.trust import CA_KEY

SERVICE_NAME = "milvus"
CREDENTIAL_ANNOTATION = "milvus-x10000/credential-generation"
CA_ANNOTATION = "milvus-x10000/ca-sha256"
_MOST_ROLES = 1000  # the default of 10 is less than what three tenants need
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_DATA_DIRECTORY = "/var/lib/milvus"
_HTTPS_PORT = 443
_READY_AFTER_S = 5
_READY_EVERY_S = 5
_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


@dataclass(frozen=True, kw_only=True)
class MilvusStore:
    """Where Milvus keeps its data."""

    endpoint: str
    """https://host[:port]."""
    region: str
    bucket: pulumi.Input[str]
    root_path: str
    """Prefix of every object of this installation."""
    secret_name: pulumi.Input[str]
    """Secret with `access_key` and `secret_key`."""
    credential_generation: pulumi.Input[str]
    """Restarts the pods when the key changes."""
    ca_config_map: pulumi.Input[str]
    """ConfigMap with the private CA; used only if there is a `ca_sha256`."""
    ca_sha256: str
    """Fingerprint of the private CA, "" for none; restarts the pods when the CA changes, since a file mounted by subPath never does."""


@dataclass(frozen=True, kw_only=True)
class MilvusShape:
    """What runs, and how big."""

    image: str
    """Reference with a tag, a digest or both."""
    mode: Literal["standalone"]
    wal: Literal["rocksmq", "woodpecker"]
    """Write-ahead log: on the pod's volume, or on the object store (Milvus 2.6 and newer, conditional PUT needed)."""
    etcd: Literal["embedded", "bundled"]
    """Metadata: inside the standalone process, or the chart's own three-node etcd."""
    resources: Resources
    storage_gib: float
    """Volume for the local write-ahead log, the embedded etcd and the cache of indexes."""
    storage_class: str | None
    """None for the cluster's default."""
    root_secret_name: pulumi.Input[str] | None
    """Secret with the `password` of root, for a Milvus that asks who is there; None for one that does not."""
    service_account: pulumi.Input[str]
    """Account without a token that the pods run under."""


def values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Chart values."""
    return {
        "fullnameOverride": SERVICE_NAME,
        "image": {"all": {**_image(shape.image), "pullPolicy": "IfNotPresent"}},
        "cluster": {"enabled": False},
        "standalone": _standalone(shape, store),
        "annotations": _annotations(store),
        "serviceAccount": {"create": False, "name": shape.service_account},
        "securityContext": pod_security.pod(),
        "containerSecurityContext": pod_security.container(),
        **_mounts(store),
        "readinessProbe": {"initialDelaySeconds": _READY_AFTER_S, "periodSeconds": _READY_EVERY_S},
        "externalS3": _external_s3(store),
        "extraConfigFiles": {"user.yaml": _yaml(_user_configuration(shape, store))},
        **_etcd(shape),
        **_write_ahead_log(shape),
        "minio": {"enabled": False},
    }


def _image(reference: str) -> dict[str, str]:
    """Split for a chart that joins repository and tag with a colon: a digest travels with the tag, or a bare one with the repository."""
    found = _IMAGE.fullmatch(reference)
    if found is None or not (found["tag"] or found["digest"]):
        raise ValueError(f"image {reference!r} has neither a tag nor a digest")
    repository, tag, algorithm, digest = found.group("repository", "tag", "algorithm", "digest")
    if not digest:
        return {"repository": repository, "tag": tag}
    return (
        {"repository": repository, "tag": f"{tag}@{algorithm}:{digest}"}
        if tag
        else {"repository": f"{repository}@{algorithm}", "tag": digest}
    )


def _standalone(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    claim: dict[str, Any] = {"size": gib(shape.storage_gib), "accessModes": "ReadWriteOnce"}
    if shape.storage_class is not None:
        claim["storageClass"] = shape.storage_class
    return {
        "messageQueue": shape.wal,
        "resources": shape.resources.manifest(),
        "extraEnv": _environment(shape, store),
        "persistence": {"enabled": True, "mountPath": _DATA_DIRECTORY, "persistentVolumeClaim": claim},
    }


def _environment(shape: MilvusShape, store: MilvusStore) -> list[dict[str, Any]]:
    """Keys by reference only; an embedded etcd refuses to start unless the process knows that it is alone."""
    keys = {"MINIO_ACCESS_KEY_ID": "access_key", "MINIO_SECRET_ACCESS_KEY": "secret_key"}
    secrets: list[dict[str, Any]] = [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": store.secret_name, "key": key}}} for variable, key in keys.items()
    ]
    if shape.root_secret_name is not None:
        password = {"secretKeyRef": {"name": shape.root_secret_name, "key": "password"}}
        secrets.append({"name": "COMMON_SECURITY_DEFAULTROOTPASSWORD", "valueFrom": password})
    return [*secrets, {"name": "DEPLOY_MODE", "value": "STANDALONE"}] if shape.etcd == "embedded" else secrets


def _annotations(store: MilvusStore) -> dict[str, pulumi.Input[str]]:
    """Never a hash of a secret: it would let a guess be checked."""
    generation: dict[str, pulumi.Input[str]] = {CREDENTIAL_ANNOTATION: store.credential_generation}
    return {**generation, CA_ANNOTATION: store.ca_sha256} if store.ca_sha256 else generation


def _mounts(store: MilvusStore) -> dict[str, Any]:
    """Writable places on a read-only root, and the CA where both halves of Milvus look: its C++ half reads nothing but this file."""
    places = {"milvus-run": "/run/milvus", "milvus-tmp": "/tmp"}  # noqa: S108  a path in the container
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in places]
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": path} for name, path in places.items()]
    if store.ca_sha256:
        volumes.append({"name": "object-store-ca", "configMap": {"name": store.ca_config_map}})
        mounts.append({"name": "object-store-ca", "mountPath": _CA_BUNDLE, "subPath": CA_KEY, "readOnly": True})
    return {"volumes": volumes, "volumeMounts": mounts}


def _external_s3(store: MilvusStore) -> dict[str, Any]:
    url = urlsplit(store.endpoint)
    return {
        "enabled": True,
        "host": url.hostname,
        "port": str(url.port if url.port is not None else _HTTPS_PORT),
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


def _user_configuration(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """user.yaml: what the chart has no key for."""
    common: dict[str, Any] = {"storageType": "remote"}
    if shape.root_secret_name is not None:
        common["security"] = {"authorizationEnabled": True, "enablePublicPrivilege": False}
    configuration: dict[str, Any] = {"common": common}
    if shape.root_secret_name is not None:
        configuration["proxy"] = {"maxRoleNum": _MOST_ROLES}
    if shape.etcd == "embedded":
        configuration["etcd"] = {"use": {"embed": True}, "data": {"dir": f"{_DATA_DIRECTORY}/etcd"}}
    if store.ca_sha256:
        configuration["minio"] = {"ssl": {"tlsCACert": _CA_BUNDLE}}
    return configuration


def _etcd(shape: MilvusShape) -> dict[str, Any]:
    """Say the address of an embedded etcd aloud, or the chart names a Service that is not there."""
    if shape.etcd == "bundled":
        return {"etcd": {"enabled": True}, "externalEtcd": {"enabled": False}}
    return {"etcd": {"enabled": False}, "externalEtcd": {"enabled": True, "endpoints": ["localhost:2379"]}}


def _write_ahead_log(shape: MilvusShape) -> dict[str, Any]:
    """Tell the chart what not to install: it brings Pulsar even where nothing uses it."""
    off: dict[str, Any] = {"pulsarv3": {"enabled": False}, "kafka": {"enabled": False}}
    if shape.wal == "rocksmq":
        return {**off, "woodpecker": {"enabled": False}}
    return {
        **off,
        "woodpecker": {"enabled": True},
        "streaming": {"enabled": True, "woodpecker": {"embedded": True, "storage": {"type": "minio"}}},
    }


def _yaml(configuration: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(configuration), sort_keys=True))
