"""user.yaml of Milvus: what the chart has no key for, only what differs from Milvus's choice; what an operator adds, there and in values.

That is passed through as it is. Refused where it would override what the blueprint sets, or take away what it promises, and where it holds
a password or a key: Helm keeps values in clear text, and the chart writes milvus.yaml into a ConfigMap. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.milvus_values.shape import MilvusShape, MilvusStore
from components.templates import rendered

PLACES = {
    "data_directory": "/var/lib/milvus",
    "local_directory": "/var/lib/milvus-local",  # indexes and mapped files: the chart mounts different things below data_directory in each
    "ca_bundle": "/etc/ssl/certs/ca-certificates.crt",
    "folder": "/etc/milvus/tls",  # with one folder for each certificate: proxy, internal, etcd, kafka
}


def text(shape: MilvusShape, store: MilvusStore) -> str:
    """Return the file, with what the operator adds."""
    whole = tree(shape, store)
    merge(whole, shape.extra_config)
    return str(yaml.safe_dump(whole, sort_keys=True))


def tree(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Return what the blueprint sets, as user.yaml.j2 has it."""
    return dict(rendered(Path(__file__).with_name("user.yaml.j2"), shape=shape, store=store, **PLACES)[0])


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
