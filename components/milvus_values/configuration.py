"""user.yaml of Milvus: what the chart has no key for. Only what differs from Milvus's own choice is in it."""

from collections.abc import Mapping
from typing import Any

import yaml

from components.milvus_values.shape import Cluster, MilvusShape, MilvusStore, Security, Tuning
from components.milvus_values.workloads import DATA_DIRECTORY

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PROXY_CERTIFICATE = "/etc/milvus/tls/proxy"
INTERNAL_CERTIFICATE = "/etc/milvus/tls/internal"
ETCD_CERTIFICATE = "/etc/milvus/tls/etcd"
KAFKA_CERTIFICATE = "/etc/milvus/tls/kafka"
LOCAL_DIRECTORY = "/var/lib/milvus-local"
"""Indexes and mapped files of a component: its own path, since the chart mounts different things below /var/lib/milvus in each."""
_MOST_ROLES = 1000  # the default of 10 is less than what three tenants need
_HTTP_PORT = 8080
"""With TLS the REST interface cannot share the port of gRPC (Milvus's manual, "Encryption in Transit")."""


def text(shape: MilvusShape, store: MilvusStore) -> str:
    """Return the file, with what the operator adds."""
    whole = tree(shape, store)
    merge(whole, shape.extra_config)
    return str(yaml.safe_dump(whole, sort_keys=True))


def tree(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Return what the blueprint sets."""
    parts = (_places(shape), _store(shape.tuning, store), _security(shape.security), _neighbours(shape), _tuning(shape.tuning), _log(shape))
    whole: dict[str, Any] = {}
    for part in parts:
        merge(whole, part)
    return whole


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay `over` upon `base`, group by group; `base` is changed."""
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def _places(shape: MilvusShape) -> dict[str, Any]:
    places: dict[str, Any] = {"common": {"storageType": "remote"}}
    if shape.etcd.kind == "embedded":
        places["etcd"] = {"use": {"embed": True}, "data": {"dir": f"{DATA_DIRECTORY}/etcd"}}
    if isinstance(shape.size, Cluster):
        places["localStorage"] = {"path": LOCAL_DIRECTORY}
    return places


def _store(tuning: Tuning, store: MilvusStore) -> dict[str, Any]:
    minio: dict[str, Any] = {}
    if store.ca_sha256:
        minio["ssl"] = {"tlsCACert": CA_BUNDLE}
    if tuning.request_timeout_ms is not None:
        minio["requestTimeoutMs"] = tuning.request_timeout_ms
    return {"minio": minio} if minio else {}


def _security(security: Security) -> dict[str, Any]:
    common: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if security.root_secret_name is not None:
        common |= {"authorizationEnabled": True, "enablePublicPrivilege": False}
        config["proxy"] = {"maxRoleNum": _MOST_ROLES}
    if security.proxy_secret is not None:
        common["tlsMode"] = 2 if security.client_certificates else 1
        config["tls"] = _certificate(PROXY_CERTIFICATE)
        config["proxy"] = {**config.get("proxy", {}), "http": {"port": _HTTP_PORT}}
    if security.internal_secret is not None:
        common["internaltlsEnabled"] = True
        config["internaltls"] = {**_certificate(INTERNAL_CERTIFICATE), "sni": security.internal_name}
    return {**config, "common": {"security": common}} if common else config


def _certificate(folder: str) -> dict[str, str]:
    return {"serverPemPath": f"{folder}/tls.crt", "serverKeyPath": f"{folder}/tls.key", "caPemPath": f"{folder}/ca.crt"}


def _neighbours(shape: MilvusShape) -> dict[str, Any]:
    """Login and TLS of an external etcd and of Kafka; names and passwords come by environment (`workloads`)."""
    config: dict[str, Any] = {}
    if shape.etcd.login_secret is not None:
        config["etcd"] = {"auth": {"enabled": True}}
    if shape.etcd.certificate_secret is not None:
        config.setdefault("etcd", {})["ssl"] = {"enabled": True, **_client_certificate(ETCD_CERTIFICATE, authority="tlsCACert")}
    if shape.wal.kafka is not None and shape.wal.kafka.certificate_secret is not None:
        config["kafka"] = {"ssl": {"enabled": True, **_client_certificate(KAFKA_CERTIFICATE, authority="tlsCaCert")}}
    return config


def _client_certificate(folder: str, authority: str) -> dict[str, str]:
    """Paths; Milvus spells the authority's key in two ways."""
    return {"tlsCert": f"{folder}/tls.crt", "tlsKey": f"{folder}/tls.key", authority: f"{folder}/ca.crt"}


def _tuning(tuning: Tuning) -> dict[str, Any]:
    config: dict[str, Any] = {}
    node: dict[str, Any] = {}
    if tuning.mmap:
        node["mmap"] = dict.fromkeys(("vectorField", "vectorIndex", "scalarField", "scalarIndex"), True)
    if tuning.tiered_storage:
        node["segcore"] = {"tieredStorage": {"evictionEnabled": True, "backgroundEvictionEnabled": True}}
    if node:
        config["queryNode"] = node
    if tuning.thread_coefficients is not None:
        names = ("highPriority", "middlePriority", "lowPriority")
        config["common"] = {"threadCoreCoefficient": dict(zip(names, tuning.thread_coefficients, strict=True))}
    return config


def _log(shape: MilvusShape) -> dict[str, Any]:
    if shape.wal.kind != "woodpecker" or shape.wal.condition_write == "auto":
        return {}
    return {"woodpecker": {"logstore": {"fencePolicy": {"conditionWrite": shape.wal.condition_write}}}}
