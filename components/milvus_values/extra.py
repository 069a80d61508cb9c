"""What an operator adds to the values of the chart and to milvus.yaml. Pure.

Passed through as it is. Refused where it would override what the blueprint sets, or take away what it promises, and where it holds a
password or a key: Helm keeps values in clear text, and the chart writes milvus.yaml into a ConfigMap.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SECRET = re.compile(
    r"passwo?r?d|secret_?(access_?)?key|access_?key|api_?key|private_?key|credential|token(?!s$|_?length|_?file|izer)|authparams",
    re.IGNORECASE,
)
_NAMES_A_PLACE = re.compile(r"(File|_FILE|_file|Ref|SecretName)$|^existingSecret.*Key$")
"""Keys whose value names a place of a secret: a file, a Secret, a key in one."""
_SECURITY = {"securityContext", "containerSecurityContext"}
_REPLACING = {"customConfigMap": "it would replace all of milvus.yaml", "nameOverride": "policies and budgets find pods by the name"}
_PROMISED = """
    minio.address minio.port minio.accessKeyID minio.secretAccessKey minio.useSSL minio.ssl minio.bucketName minio.rootPath minio.useIAM
    minio.cloudProvider minio.region minio.useVirtualHost etcd.endpoints etcd.use etcd.data etcd.rootPath etcd.auth etcd.ssl mq.type
    messageQueue pulsar.address pulsar.port pulsar.auth kafka.brokerList kafka.sasl kafka.securityProtocol kafka.ssl woodpecker.storage
    woodpecker.meta common.storageType common.security tls internaltls localStorage.path metastore.type
"""
"""Beginnings of keys of milvus.yaml that the chart writes from values of the blueprint, or that guard who may come in."""


def problems_of_values(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Why these values cannot be added to `ours`; one sentence each."""
    return [
        *(f"extra_values.{path} would override what the blueprint sets; use its own setting" for path in _overlaps(ours, extra)),
        *(f"extra_values.{path} would take away what the blueprint promises: {why}" for path, why in _taken_away(extra)),
        *_secrets("extra_values", extra),
    ]


def problems_of_config(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Why this cannot be added to milvus.yaml, in which Milvus takes `a.b`, `A_B` and nested groups for the same key."""
    kept = tuple(_plain(key) for key in _PROMISED.split())
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
        elif key in _REPLACING and not path:
            yield key, _REPLACING[key]
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
