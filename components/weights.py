"""Where the weights of a model come from, as parts of a pod: the image, a volume, a bucket or a hub. Pure.

From a bucket an init container copies them, so that the engine itself needs neither a key of the store nor a way to it. They lie on the
cache volume where there is one, else on the node's disk, and are read-only to the engine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components import pod_security
from components.engines.engine import CACHE_PATH, WEIGHTS_PATH
from components.quantities import Resources, gib
from components.trust import CA_KEY

SCRIPT = Path(__file__).with_name("load_weights.py")
"""What the init container runs; any image with a shell, Python and boto3 will do, such as the suite's own."""

_LOADER_RESOURCES = Resources(cpu_cores=0.1, memory_gib=0.25)
_ROOM = 1.25
_CACHE, _WEIGHTS, _SCRIPT_VOLUME, _CA_VOLUME = "cache", "weights", "load-weights", "object-store-ca"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Weights below a prefix of a bucket."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    secret_name: pulumi.Input[str]
    """Secret with `access_key` and `secret_key`; reading is enough."""
    ca_config_map: pulumi.Input[str] | None
    """ConfigMap with the private CA, None where the public ones do."""
    image: str
    """Image with a shell, Python and boto3."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Weights on a claim that somebody filled."""

    claim: str
    path: str
    """Folder on it, "" for all of it."""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Weights that the engine downloads itself."""

    token_secret: str
    """Secret with the token under `token`, "" for a public repository."""


Source = Bucket | Volume | Hub
"""None: they are in the image."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A volume that outlives the pod."""

    size_gib: float
    storage_class: str | None
    shared: bool
    """Several pods, on several nodes, mount it at once."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a pod gets."""

    init_containers: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    environment: list[dict[str, Any]]


def copied_gib(size_gib: float) -> float:
    """Disk for weights of this size, with room for a file that is being replaced."""
    return max(size_gib * _ROOM, 1)


def disk_gib(source: Source | None, size_gib: float, *, cached: bool) -> float:
    """What the pod puts on its node's own disk."""
    return copied_gib(size_gib) if isinstance(source, Bucket) and not cached else 0


def parts(source: Source | None, size_gib: float, cache_claim: pulumi.Input[str] | None, script: pulumi.Input[str] | None) -> Parts:
    """Parts of a pod for `source`; `cache_claim` is the claim of the cache volume, `script` the ConfigMap with SCRIPT under its name."""
    cache = {"persistentVolumeClaim": {"claimName": cache_claim}} if cache_claim is not None else {"emptyDir": {}}
    volumes: list[dict[str, Any]] = [{"name": _CACHE, **cache}]
    mounts: list[dict[str, Any]] = [{"name": _CACHE, "mountPath": CACHE_PATH}]
    if isinstance(source, Volume):
        volumes.append({"name": _WEIGHTS, "persistentVolumeClaim": {"claimName": source.claim, "readOnly": True}})
        mounts.append(_mount(_WEIGHTS, source.path))
    if isinstance(source, Bucket):
        volumes.append({"name": _SCRIPT_VOLUME, "configMap": {"name": script}})
        return _from_bucket(source, size_gib, volumes, mounts, kept=cache_claim is not None)
    environment = [_token(source)] if isinstance(source, Hub) and source.token_secret else []
    return Parts(init_containers=[], volumes=volumes, mounts=mounts, environment=environment)


def _mount(name: str, sub_path: str) -> dict[str, Any]:
    return {"name": name, "mountPath": WEIGHTS_PATH, "readOnly": True, **({"subPath": sub_path} if sub_path else {})}


def _from_bucket(source: Bucket, size_gib: float, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]], *, kept: bool) -> Parts:
    where = _CACHE if kept else _WEIGHTS
    own = [] if kept else [{"name": _WEIGHTS, "emptyDir": {"sizeLimit": gib(copied_gib(size_gib))}}]
    trust = [{"name": _CA_VOLUME, "configMap": {"name": source.ca_config_map}}] if source.ca_config_map is not None else []
    sub_path = _WEIGHTS if kept else ""
    return Parts(
        init_containers=[_loader(source, {"name": where, "mountPath": WEIGHTS_PATH, **({"subPath": sub_path} if sub_path else {})})],
        volumes=[*volumes, *own, *trust],
        mounts=[*mounts, _mount(where, sub_path)],
        environment=[],
    )


def _loader(source: Bucket, target: dict[str, Any]) -> dict[str, Any]:
    plain = {"ENDPOINT": source.endpoint, "REGION": source.region, "BUCKET": source.bucket, "PREFIX": source.prefix, "TARGET": WEIGHTS_PATH}
    trust = {"AWS_CA_BUNDLE": f"/etc/load-weights-ca/{CA_KEY}"} if source.ca_config_map is not None else {}
    keys = {"AWS_ACCESS_KEY_ID": "access_key", "AWS_SECRET_ACCESS_KEY": "secret_key"}
    secret = [{"name": name, **_from_secret(source.secret_name, key)} for name, key in keys.items()]
    ca_mount = [{"name": _CA_VOLUME, "mountPath": "/etc/load-weights-ca", "readOnly": True}] if source.ca_config_map is not None else []
    return {
        "name": "load-weights",
        "image": source.image,
        "imagePullPolicy": "IfNotPresent",
        # some images have their Python under the name of its version alone
        "command": ["sh", "-c", f'exec "$(command -v python3 || command -v python3.11)" /etc/load-weights/{SCRIPT.name}'],
        "env": [*({"name": name, "value": value} for name, value in {**plain, **trust}.items()), *secret],
        "resources": _LOADER_RESOURCES.manifest(),
        "securityContext": pod_security.container(),
        "volumeMounts": [target, {"name": _SCRIPT_VOLUME, "mountPath": "/etc/load-weights", "readOnly": True}, *ca_mount],
    }


def _token(source: Hub) -> dict[str, Any]:
    return {"name": "HF_TOKEN", **_from_secret(source.token_secret, "token")}


def _from_secret(name: pulumi.Input[str], key: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
