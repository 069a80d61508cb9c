"""user.yaml of Milvus: what the chart has no key for, only what differs from Milvus's choice; what an operator adds, there and in values.

That is passed through as it is. Refused where it would override what the blueprint sets, or take away what it promises, and where it holds
a password or a key: Helm keeps values in clear text, and the chart writes milvus.yaml into a ConfigMap. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import yaml

from components.milvus_values.shape import Cluster, MilvusShape, MilvusStore, Security
from components.milvus_values.workloads import DATA_DIRECTORY

T = TypeVar("T")
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
LOCAL_DIRECTORY = "/var/lib/milvus-local"
"""Indexes and mapped files of a component: its own path, since the chart mounts different things below /var/lib/milvus in each."""
_MOST_ROLES = 1000  # the default of 10 is less than what three tenants need
_HTTP_PORT = 8080  # with TLS the REST interface cannot share the port of gRPC (Milvus's manual, "Encryption in Transit")


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
            "etcd.ssl": when(etcd.certificate_secret, _client_certificate("etcd", authority="tlsCACert")),
            "kafka.ssl": when(kafka_certificate, _client_certificate("kafka", authority="tlsCaCert")),
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
        "internaltls": when(internal, {**_certificate("internal"), "sni": security.internal_name}),
        "proxy.maxRoleNum": when(root, _MOST_ROLES),
        "proxy.http.port": when(proxy, _HTTP_PORT),
        "tls": when(proxy, _certificate("proxy")),
    }


def certificate_folder(part: str) -> str:
    """Return where the certificate of proxy, internal, etcd or kafka is mounted."""
    return f"/etc/milvus/tls/{part}"


def _certificate(part: str) -> dict[str, str]:
    folder = certificate_folder(part)
    return {"serverPemPath": f"{folder}/tls.crt", "serverKeyPath": f"{folder}/tls.key", "caPemPath": f"{folder}/ca.crt"}


def _client_certificate(part: str, authority: str) -> dict[str, Any]:
    """Milvus spells the authority's key in two ways."""
    folder = certificate_folder(part)
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


_GUARDED = yaml.safe_load(Path(__file__).with_name("guarded.yaml").read_text(encoding="utf-8"))
_SECRET, _NAMES_A_PLACE = re.compile(_GUARDED["secret"]), re.compile(_GUARDED["names_a_place"])
_SECURITY = {"securityContext", "containerSecurityContext"}


def problems_of_values(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Why these values cannot be added to `ours`; one sentence each."""
    return [
        *(f"extra_values.{path} would override what the blueprint sets; use its own setting" for path in _overlaps(ours, extra)),
        *(f"extra_values.{path} would take away what the blueprint promises: {why}" for path, why in _taken_away(extra)),
        *_secrets("extra_values", extra),
    ]


def problems_of_config(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Why this cannot be added to milvus.yaml, in which Milvus takes `a.b`, `A_B` and nested groups for the same key."""
    kept = tuple(_plain(key) for key in _GUARDED["promised"].split())
    mine = {_plain(key) for key in _paths(ours)}
    clashes = [key for key in _paths(extra) if _plain(key) in mine or _plain(key).startswith(kept)]
    return [
        *(f"extra_config.{key} would override what the blueprint sets; use its own setting" for key in clashes),
        *_secrets("extra_config", extra),
    ]


def _plain(key: str) -> str:
    return re.sub(r"[/_.]", "", key).lower()


def _overlaps(ours: Mapping[str, Any], extra: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in extra.items():
        if key not in ours:
            continue
        if isinstance(value, Mapping) and isinstance(ours[key], Mapping) and ours[key]:
            yield from _overlaps(ours[key], value, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def _taken_away(extra: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in extra.items():
        if key in _SECURITY:
            yield f"{path}{key}", "its pods give up every right that they do not need"
        elif key in _GUARDED["replacing"] and not path:
            yield key, _GUARDED["replacing"][key]
        elif isinstance(value, Mapping):
            yield from _taken_away(value, f"{path}{key}.")


def _secrets(group: str, tree: Mapping[str, Any]) -> Iterator[str]:
    """Paths alone: the values must not be shown."""
    cure = "put it into a Secret, and name that one where the part takes it: env with valueFrom.secretKeyRef, or its existingSecret"
    for path in _secret_paths(tree):
        yield f"{group}.{path} holds a password or a key, and everybody who may read ConfigMaps could read it. Cure: {cure}"


def _secret_paths(tree: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  values of a chart have any type
    if isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from _secret_paths(item, f"{path}{number}.")
    if not isinstance(tree, Mapping):
        return
    variable = {str(tree["name"]): tree["value"]} if isinstance(tree.get("name"), str) and "value" in tree else {}
    for key, value in {**tree, **variable}.items():
        if isinstance(value, str) and value and _SECRET.search(key) and not _NAMES_A_PLACE.search(key):
            yield f"{path}{key}"
        yield from _secret_paths(value, f"{path}{key}.")


def _paths(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{path}{key}.")
        else:
            yield f"{path}{key}"
