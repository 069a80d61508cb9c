"""A model service that speaks the OpenAI API: a Deployment, its Service, its key. Shared by `embedding`, `llm` and `reranker`.

An engine says how an image is run; which model, how big and how many is the caller's. The pod holds no token of the cluster, no writable
root and no privilege. The startup probe gives a model the time that its size takes to load, since one that loads slowly is not one that is
broken.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import Served, ServedArgs
from components.engines.engine import CACHE_PATH, WEIGHTS_PATH, Container
from components.pods import Gpu, Resources, Scaling, gib
from components.random_secret import SECRET_KEY, ApiKey
from components.templates import rendered
from components.weights import SCRIPT, Bucket, Cache, Source, copied_gib

GENERATION = "milvus-x10000/api-key-generation"  # annotation that restarts pods when their key changes
_STARTING_S = 600  # what an engine may take besides loading: importing, compiling kernels, capturing graphs
_LOADING_GIB_PER_S = 0.1  # as slow as one would still load a model: about what a network of 1 Gbit/s carries (0.116 GiB/s)
_SLACK_S = 300
_TEMPLATE = Path(__file__).with_suffix(".yaml.j2")
_FIXED = {
    "cache_path": CACHE_PATH,
    "weights_path": WEIGHTS_PATH,
    "key_name": SECRET_KEY,
    "loader_resources": Resources(cpu_cores=0.1, memory_gib=0.25).manifest(),
    "container_security": pods.container_security(),
}


@dataclass(frozen=True, kw_only=True)
class ModelServerArgs(ServedArgs):
    """What to run."""

    namespace_name: str  # the namespace as plain text, for a query that must name it
    engine: Container
    gpu: Gpu | None = None
    weights: Source | None = None
    size_gib: float = 0  # size of the weights; what loading them takes follows from it
    cache: Cache | None = None
    scaling: Scaling | None = None


class ModelServer(Served):
    """A Deployment and its Service, both named `service`, and the Secret `service`-api-key."""

    url: pulumi.Output[str]  # base of the OpenAI API inside the cluster
    secret_name: pulumi.Output[str]  # secret with the key of the service under `api_key`

    def __init__(self, name: str, service: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        labels = {"app.kubernetes.io/name": service, **pods.PART_OF}
        namespace, engine, rotation = args.namespace, args.engine, args.rotation
        key = ApiKey(f"{name}-key", namespace=namespace, secret_name=f"{service}-api-key", rotation=rotation, opts=self._own)
        self.secret_name = key.secret_name
        claim = self._make_cache(name, service, args, args.cache) if args.cache is not None else None
        script = None
        if isinstance(args.weights, Bucket):
            text, config_map = SCRIPT.read_text(encoding="utf-8"), f"{service}-load-weights"
            script = self._make_config_map(f"{name}-load-weights", config_map, namespace, SCRIPT.name, text)
        words = {"service": service, "args": args, "key": key.secret_name, "claim": claim, "script": script, "labels": labels}
        container, more, spec = rendered(_TEMPLATE, **words, **_numbers(args), **_FIXED)
        container |= pods.probes(engine.health_path, loading_limit_s(args.size_gib))
        place = args.gpu.pod() if args.gpu is not None else {}
        spec["template"] = {
            "metadata": args.options.metadata(labels, {GENERATION: key.generation}),
            "spec": pods.pod(args.account, args.options, container, more.pop("volumes"), **place, **more),
        }
        patience = f"{ready_within_s(args)}s"
        opts = pulumi.ResourceOptions(parent=self, custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience))
        metadata: Any = {"name": service, "namespace": namespace, "labels": labels}
        k8s.apps.v1.Deployment(f"{name}-deployment", metadata=metadata, spec=spec, opts=opts)
        if args.scaling is not None:
            self._make_scaler(f"{name}-scaler", service, args, args.scaling)
        # an engine may ask for its key at this path too; one that does not takes no notice
        authorization = {"credentials": {"name": self.secret_name, "key": SECRET_KEY}}
        endpoint = {"path": engine.metrics_path, "authorization": authorization} if engine.metrics_path else {}
        several = args.replicas > 1 or args.scaling is not None
        host = self._serve(name, args, labels=labels, selector=labels, port=engine.port, endpoint=endpoint, several=several)
        self.url = pulumi.Output.format("http://{0}{1}", host, engine.api_path)
        self.register_outputs({"url": self.url, "secret_name": self.secret_name})

    def _make_cache(self, name: str, service: str, args: ModelServerArgs, cache: Cache) -> pulumi.Output[str]:
        access = "ReadWriteMany" if cache.shared else "ReadWriteOnce"
        storage_class = {"storageClassName": cache.storage_class} if cache.storage_class is not None else {}
        spec: Any = {"accessModes": [access], "resources": {"requests": {"storage": gib(cache.size_gib)}}, **storage_class}
        # a class that binds with the first pod would otherwise be waited for until that pod, which waits for this
        marks = {"labels": {"milvus-x10000/content": "cache"}, "annotations": {"pulumi.com/skipAwait": "true"}}
        metadata: Any = {"name": f"{service}-cache", "namespace": args.namespace, **marks}
        return k8s.core.v1.PersistentVolumeClaim(f"{name}-cache", metadata=metadata, spec=spec, opts=self._own).metadata["name"]

    def _make_scaler(self, resource: str, service: str, args: ModelServerArgs, scaling: Scaling) -> None:
        metadata: Any = {"name": service, "namespace": args.namespace}
        words = {"scaling": scaling, "service": service, "engine": args.engine, "namespace": args.namespace_name}
        (spec,) = rendered(Path(__file__).with_name("scaler.yaml.j2"), **words)
        if scaling.cpu_percent is not None:
            k8s.autoscaling.v2.HorizontalPodAutoscaler(resource, metadata=metadata, spec=spec, opts=self._own)
        else:
            self._make_custom(resource, "keda.sh/v1alpha1", "ScaledObject", metadata, spec)


def ready_within_s(args: ModelServerArgs) -> int:
    """Seconds until the last pod must be ready: weights copied and loaded, one pod after the other where they cannot overlap."""
    loading = loading_limit_s(args.size_gib)
    copying = loading if isinstance(args.weights, Bucket) else 0
    rounds = args.replicas if args.gpu is not None else 1
    return math.ceil((loading + copying) * rounds + _SLACK_S)


def loading_limit_s(size_gib: float) -> int:
    """Seconds after which a model of this size counts as broken rather than slow."""
    return math.ceil(_STARTING_S + size_gib / _LOADING_GIB_PER_S)


def _numbers(args: ModelServerArgs) -> dict[str, Any]:
    """What the template is told in units of Kubernetes."""
    plain, size = args.resources.manifest(), gib(copied_gib(args.size_gib))
    # disk is requested, so that the pod lands on a node that has it, and not limited: a limit would end the pod
    disk = {"ephemeral-storage": size} if isinstance(args.weights, Bucket) and args.cache is None else {}
    limits = {**plain["limits"], **(args.gpu.limits() if args.gpu is not None else {})}
    resources = {"requests": {**plain["requests"], **disk}, "limits": limits}
    source = type(args.weights).__name__
    return {"resources": resources, "copied_size": size, "ready_within_s": ready_within_s(args), "source": source}
