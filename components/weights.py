"""Where the weights of a model come from, as parts of a pod: the image, a volume, a bucket or a hub; and a user that may read that bucket.

From a bucket an init container copies them, so that the engine itself needs neither a key of the store nor a way to it. They lie on the
cache volume where there is one, else on the node's disk, and are read-only to the engine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components import pods
from components.component import CA_KEY, Component
from components.engines.engine import CACHE_PATH, WEIGHTS_PATH
from components.pods import Resources, gib
from components.stores import READER
from components.stores.s3 import S3Store

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
    secret_name: pulumi.Input[str]  # secret with `access_key` and `secret_key`; reading is enough
    ca_config_map: pulumi.Input[str] | None  # ConfigMap with the private CA, None where the public ones do
    image: str  # image with a shell, Python and boto3


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Weights on a claim that somebody filled."""

    claim: str
    path: str  # folder on it, "" for all of it


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Weights that the engine downloads itself."""

    token_secret: str  # secret with the token under `token`, "" for a public repository


Source = Bucket | Volume | Hub  # None: they are in the image


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A volume that outlives the pod."""

    size_gib: float
    storage_class: str | None
    shared: bool  # several pods, on several nodes, mount it at once


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


def parts(source: Source | None, size_gib: float, cache_claim: pulumi.Input[str] | None, script: pulumi.Input[str] | None) -> Parts:
    """Parts of a pod for `source`; `cache_claim` is the claim of the cache volume, `script` the ConfigMap with SCRIPT under its name."""
    cache = {"persistentVolumeClaim": {"claimName": cache_claim}} if cache_claim is not None else {"emptyDir": {}}
    volumes: list[dict[str, Any]] = [{"name": _CACHE, **cache}]
    mounts: list[dict[str, Any]] = [{"name": _CACHE, "mountPath": CACHE_PATH}]
    loaders, environment = list[dict[str, Any]](), list[dict[str, Any]]()
    if isinstance(source, Volume):
        volumes.append({"name": _WEIGHTS, "persistentVolumeClaim": {"claimName": source.claim, "readOnly": True}})
        sub_path = {"subPath": source.path} if source.path else {}
        mounts.append({"name": _WEIGHTS, "mountPath": WEIGHTS_PATH, "readOnly": True, **sub_path})
    elif isinstance(source, Bucket):
        target = {"name": _WEIGHTS, "mountPath": WEIGHTS_PATH}
        volumes.append({"name": _SCRIPT_VOLUME, "configMap": {"name": script}})
        if cache_claim is not None:
            target |= {"name": _CACHE, "subPath": _WEIGHTS}
        else:
            volumes.append({"name": _WEIGHTS, "emptyDir": {"sizeLimit": gib(copied_gib(size_gib))}})
        if source.ca_config_map is not None:
            volumes.append({"name": _CA_VOLUME, "configMap": {"name": source.ca_config_map}})
        loaders.append(_loader(source, target))
        mounts.append({**target, "readOnly": True})
    elif isinstance(source, Hub) and source.token_secret:
        environment.append(pods.from_secret("HF_TOKEN", source.token_secret, "token"))
    return Parts(init_containers=loaders, volumes=volumes, mounts=mounts, environment=environment)


def _loader(source: Bucket, target: dict[str, Any]) -> dict[str, Any]:
    variables = {"ENDPOINT": source.endpoint, "REGION": source.region, "BUCKET": source.bucket, "PREFIX": source.prefix}
    variables["TARGET"] = WEIGHTS_PATH
    keys = {"AWS_ACCESS_KEY_ID": "access_key", "AWS_SECRET_ACCESS_KEY": "secret_key"}
    mounts = [target, {"name": _SCRIPT_VOLUME, "mountPath": "/etc/load-weights", "readOnly": True}]
    if source.ca_config_map is not None:
        variables["AWS_CA_BUNDLE"] = f"/etc/load-weights-ca/{CA_KEY}"
        mounts.append({"name": _CA_VOLUME, "mountPath": "/etc/load-weights-ca", "readOnly": True})
    plain = [{"name": name, "value": value} for name, value in variables.items()]
    return {
        "name": "load-weights",
        "image": source.image,
        "imagePullPolicy": "IfNotPresent",
        # some images have their Python under the name of its version alone
        "command": ["sh", "-c", f'exec "$(command -v python3 || command -v python3.11)" /etc/load-weights/{SCRIPT.name}'],
        "env": [*plain, *(pods.from_secret(name, source.secret_name, key) for name, key in keys.items())],
        "resources": _LOADER_RESOURCES.manifest(),
        "securityContext": pods.container_security(),
        "volumeMounts": mounts,
    }


class WeightsAccess(Component):
    """A user that may read one bucket and nothing else, and the Secret that carries its key.

    The bucket itself is not the stack's: weights are put there once by whoever chose them, and several stacks may serve them. `owner` is
    the mark on the user; whatever carries another one is left alone.
    """

    secret_name: pulumi.Output[str]  # Kubernetes Secret with `access_key` and `secret_key`, named like the component

    def __init__(
        self, name: str, *, store: S3Store, bucket: str, user: str, owner: pulumi.Input[str], namespace: pulumi.Input[str]
    ) -> None:
        super().__init__(name)
        key = store.credential(f"{name}-credential", user=user, bucket=bucket, permissions=READER, owner=owner, opts=self._own)
        self.secret_name = self._make_secret(f"{name}-secret", name, namespace, access_key=key.access_key, secret_key=key.secret_key)
        self.register_outputs({"secret_name": self.secret_name})
