"""user.yaml of Milvus: what the chart has no key for. Only what differs from Milvus's own choice is in it."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, TypeVar

import yaml

from components.milvus_values.shape import Cluster, MilvusShape, MilvusStore, Security
from components.milvus_values.workloads import DATA_DIRECTORY

T = TypeVar("T")
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
    etcd, kafka, wal, tuning = shape.etcd, shape.wal.kafka, shape.wal, shape.tuning
    embedded, kafka_certificate = etcd.kind == "embedded", kafka.certificate_secret if kafka is not None else None
    conditional = wal.condition_write if wal.kind == "woodpecker" and wal.condition_write != "auto" else None
    mapped = dict.fromkeys(("vectorField", "vectorIndex", "scalarField", "scalarIndex"), True)
    threads = zip(("highPriority", "middlePriority", "lowPriority"), tuning.thread_coefficients or (), strict=False)
    return nested(
        {
            **_security(shape.security),
            "common.storageType": "remote",
            "common.threadCoreCoefficient": dict(threads) or None,
            "etcd.use.embed": when(embedded, True),
            "etcd.data.dir": when(embedded, f"{DATA_DIRECTORY}/etcd"),
            "etcd.auth.enabled": when(etcd.login_secret, True),  # names and passwords come by environment (`workloads`)
            "etcd.ssl": when(etcd.certificate_secret, _client_certificate(ETCD_CERTIFICATE, authority="tlsCACert")),
            "kafka.ssl": when(kafka_certificate, _client_certificate(KAFKA_CERTIFICATE, authority="tlsCaCert")),
            "localStorage.path": when(isinstance(shape.size, Cluster), LOCAL_DIRECTORY),
            "minio.ssl.tlsCACert": when(store.ca_sha256, CA_BUNDLE),
            "minio.requestTimeoutMs": tuning.request_timeout_ms,
            "queryNode.mmap": when(tuning.mmap, mapped),
            "queryNode.segcore.tieredStorage.evictionEnabled": when(tuning.tiered_storage, True),
            "queryNode.segcore.tieredStorage.backgroundEvictionEnabled": when(tuning.tiered_storage, True),
            "woodpecker.logstore.fencePolicy.conditionWrite": conditional,
        }
    )


def _security(security: Security) -> dict[str, Any]:
    root, proxy, internal = security.root_secret_name is not None, security.proxy_secret, security.internal_secret
    return {
        "common.security.authorizationEnabled": when(root, True),
        "common.security.enablePublicPrivilege": when(root, False),
        "common.security.tlsMode": when(proxy, 2 if security.client_certificates else 1),
        "common.security.internaltlsEnabled": when(internal, True),
        "internaltls": when(internal, {**_certificate(INTERNAL_CERTIFICATE), "sni": security.internal_name}),
        "proxy.maxRoleNum": when(root, _MOST_ROLES),
        "proxy.http.port": when(proxy, _HTTP_PORT),
        "tls": when(proxy, _certificate(PROXY_CERTIFICATE)),
    }


def _certificate(folder: str) -> dict[str, str]:
    return {"serverPemPath": f"{folder}/tls.crt", "serverKeyPath": f"{folder}/tls.key", "caPemPath": f"{folder}/ca.crt"}


def _client_certificate(folder: str, authority: str) -> dict[str, Any]:
    """Milvus spells the authority's key in two ways."""
    return {"enabled": True, "tlsCert": f"{folder}/tls.crt", "tlsKey": f"{folder}/tls.key", authority: f"{folder}/ca.crt"}


def when(condition: object, value: T) -> T | None:
    """Return the value of a key that is set only then; None leaves the key out."""
    return value if condition else None


def nested(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"a.b": 1, "a.c": None}` as `{"a": {"b": 1}}`: a key that is None is left out."""
    whole: dict[str, Any] = {}
    for key, value in keys.items():
        *groups, name = key.split(".")
        if value is not None:
            reduce(lambda group, each: group.setdefault(each, {}), groups, whole)[name] = value
    return whole


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay `over` upon `base`, group by group; `base` is changed."""
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
