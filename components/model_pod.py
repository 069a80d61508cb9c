"""The pod of a model service: engine, weights, GPUs, key and probes put together. Pure but for the names of what it hangs on."""

import math
from dataclasses import dataclass
from typing import Any

import pulumi

from components import pods
from components import weights as weights_parts
from components.engines.engine import Container
from components.gpu import Gpu
from components.pods import NO_OPTIONS, PodOptions, Resources, gib
from components.random_secret import SECRET_KEY
from components.weights import Source

PORT_NAME = "http"
GENERATION = "milvus-x10000/api-key-generation"
"""Annotation that restarts pods when their key changes."""

_STARTING_S = 600
"""What an engine may take besides loading: importing, compiling kernels, capturing graphs."""

_LOADING_GIB_PER_S = 0.1
"""As slow as one would still load a model: about what a network of 1 Gbit/s carries (0.116 GiB/s)."""

_PROBE_EVERY_S = 5


@dataclass(frozen=True, kw_only=True)
class Attached:
    """Other resources that the pod names."""

    key: pulumi.Input[str]
    """Secret with the key of the service under `api_key`."""
    generation: pulumi.Input[str]
    """Changes with the key."""
    claim: pulumi.Input[str] | None = None
    """Claim of the cache volume."""
    script: pulumi.Input[str] | None = None
    """ConfigMap with the script that copies weights from a bucket."""


def loading_limit_s(size_gib: float) -> int:
    """Seconds after which a model of this size counts as broken rather than slow."""
    return math.ceil(_STARTING_S + size_gib / _LOADING_GIB_PER_S)


def pod(
    service: str,
    *,
    account: pulumi.Input[str],
    image: str,
    engine: Container,
    resources: Resources,
    attached: Attached,
    options: PodOptions = NO_OPTIONS,
    gpu: Gpu | None = None,
    weights: Source | None = None,
    size_gib: float = 0,
) -> dict[str, Any]:
    """Spec of the pod, in the API's own spelling."""
    loaded = weights_parts.parts(weights, size_gib, attached.claim, attached.script)
    shared = {"shared-memory": {"emptyDir": {"medium": "Memory"}}} if engine.shared_memory else {}
    volumes = [{"name": "tmp", "emptyDir": {}}, *({"name": name, **source} for name, source in shared.items()), *loaded.volumes]
    places = {"tmp": "/tmp", **dict.fromkeys(shared, "/dev/shm")}  # noqa: S108  paths in the container
    container = {
        "name": service,
        "image": image,
        **({"command": list(engine.command)} if engine.command else {}),
        "args": list(engine.arguments),
        "env": [*_environment(engine, attached), *loaded.environment],
        "ports": [{"name": PORT_NAME, "containerPort": engine.port}],
        "resources": _resources(resources, gpu, weights_parts.disk_gib(weights, size_gib, cached=attached.claim is not None)),
        "volumeMounts": [*({"name": name, "mountPath": path} for name, path in places.items()), *loaded.mounts],
        **_probes(engine, loading_limit_s(size_gib)),
    }
    more = {**(gpu.pod() if gpu is not None else {}), **({"initContainers": loaded.init_containers} if loaded.init_containers else {})}
    return pods.pod(account, options, container, volumes, **more)


def _environment(engine: Container, attached: Attached) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(engine.environment.items())]
    return [*plain, pods.from_secret(engine.key_variable, attached.key, SECRET_KEY)]


def _resources(resources: Resources, gpu: Gpu | None, disk_gib: float) -> dict[str, Any]:
    """Disk is requested, so that the pod lands on a node that has it, and not limited: a limit would end the pod."""
    plain = resources.manifest()
    requests = {**plain["requests"], **({"ephemeral-storage": gib(disk_gib)} if disk_gib else {})}
    limits = {**plain["limits"], **(gpu.limits() if gpu is not None else {})}
    return {"requests": requests, "limits": limits}


def _probes(engine: Container, limit_s: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": engine.health_path, "port": PORT_NAME}, "periodSeconds": _PROBE_EVERY_S, "timeoutSeconds": _PROBE_EVERY_S}
    starting = {**probe, "periodSeconds": 1, "failureThreshold": limit_s}
    return {"startupProbe": starting, "readinessProbe": probe, "livenessProbe": {**probe, "failureThreshold": 6}}
