"""What changed, what that replaces, and what drifted: pure functions over plain data.

Inputs are compared with inputs, never with the live object, since the API server rewrites values (`1000m` becomes `1`, `stringData`
becomes `data`). Drift enters where the state is refreshed: `drifted` compares two live objects, and only where those differ
does the live value take the place of what was asked.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .wire import Object, Value

ABSENT = object()

REPLACES_ALWAYS = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
REPLACES: Mapping[str, tuple[str, ...]] = {
    "ConfigMap": ("data", "binaryData"),
    "Secret": ("data", "stringData", "type"),
    "PersistentVolumeClaim": ("spec",),
    "Pod": ("spec",),
    "Service": ("spec.clusterIP",),
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.volumeClaimTemplates",
    ),
    "Job": ("spec.selector", "spec.template", "spec.completions", "spec.parallelism"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("parameters", "provisioner"),
    "PodDisruptionBudget": ("spec",),
    "ResourceQuota": ("spec.scopes",),
}
"""Properties whose change means a new object: as in the official plugin (`provider/pkg/provider/diff.go`)."""

RELEASE_REPLACES = ("name", "namespace")


@dataclass(frozen=True)
class Difference:
    """Paths that changed, each ADD, UPDATE or DELETE, and those of them that need a new object."""

    changes: Mapping[str, str] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    delete_first: bool = False
    """The new object would have the old one's name, so the old one must go first."""


def compare(old: Object, new: Object, replacing: Iterable[str], ignored: Iterable[str] = ()) -> Difference:
    """Difference of two sets of inputs. `replacing` and `ignored` are path prefixes."""
    changes = {path: kind for path, kind in _changes(old, new, "").items() if not _under(path, ignored)}
    return Difference(changes, frozenset(path for path in changes if _under(path, replacing)))


def object_rules(kind: str) -> tuple[str, ...]:
    """Path prefixes that replace an object of this kind."""
    return REPLACES_ALWAYS + REPLACES.get(kind, ())


def _under(path: str, prefixes: Iterable[str]) -> bool:
    return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for prefix in prefixes)


def _changes(old: Value, new: Value, path: str) -> dict[str, str]:
    if isinstance(old, dict) and isinstance(new, dict):
        parts: Iterable[tuple[str, Value, Value]] = (
            (_step(path, key), old.get(key, ABSENT), new.get(key, ABSENT)) for key in dict.fromkeys([*old, *new])
        )
    elif isinstance(old, list) and isinstance(new, list):
        longest = range(max(len(old), len(new)))
        parts = ((f"{path}[{index}]", _at(old, index), _at(new, index)) for index in longest)
    else:
        return {} if old == new else {path: _kind(old, new)}
    return {where: kind for step, before, after in parts for where, kind in _changes(before, after, step).items()}


def _kind(old: Value, new: Value) -> str:
    return "ADD" if old is ABSENT else "DELETE" if new is ABSENT else "UPDATE"


def _at(items: list[Value], index: int) -> Value:
    return items[index] if index < len(items) else ABSENT


def _step(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if re.fullmatch(r"\w+", key) else f'{path}["{key}"]'


def drifted(asked: Object, before: Object, now: Object) -> Object:
    """What was asked, with the live value wherever the live object changed between two looks at it.

    A key that vanished vanishes; what others added is theirs and is left out.
    """
    if asked.get("kind") == "Secret":
        before, now = _with_string_data(before), _with_string_data(now)
    merged: Object = _drift(asked, before, now)
    return merged


def _drift(asked: Value, before: Value, now: Value) -> Value:
    if before == now:
        return asked
    if isinstance(asked, dict) and isinstance(before, dict) and isinstance(now, dict):
        merged = {key: _drift(item, before.get(key, ABSENT), now.get(key, ABSENT)) for key, item in asked.items()}
        return {key: item for key, item in merged.items() if item is not ABSENT}
    if isinstance(asked, list) and isinstance(before, list) and isinstance(now, list):
        return _drift_list(asked, before, now)
    return now


def _drift_list(asked: list[Value], before: list[Value], now: list[Value]) -> list[Value]:
    if not all(isinstance(item, dict) and "name" in item for item in asked):
        same_length = len(asked) == len(before) == len(now)
        return [_drift(*items) for items in zip(asked, before, now, strict=True)] if same_length else now
    old, live = _by_name(before), _by_name(now)
    merged = [_drift(item, old.get(item["name"], ABSENT), live.get(item["name"], ABSENT)) for item in asked]
    return [item for item in merged if item is not ABSENT]


def _by_name(items: list[Value]) -> dict[str, Value]:
    return {item["name"]: item for item in items if isinstance(item, dict) and "name" in item}


def _with_string_data(secret: Object) -> Object:
    """The API server never gives `stringData` back: it is `data`, decoded."""
    decoded = {key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()}
    return {**secret, "stringData": decoded}
