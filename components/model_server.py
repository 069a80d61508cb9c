"""A model service that speaks the OpenAI API: a Deployment, its Service, its key. Shared by `embedding`, `llm` and `reranker`.

An engine says how an image is run; which model, how big and how many is the caller's. The pod holds no token of the cluster, no writable
root and no privilege. The startup probe gives a model the time that its size takes to load, since one that loads slowly is not one that is
broken.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import Served, ServedArgs
from components.engines.engine import Container
from components.pods import Gpu, Scaling, gib
from components.random_secret import SECRET_KEY, ApiKey
from components.weights import SCRIPT, Bucket, Cache, Parts, Source, copied_gib, parts

GENERATION = "milvus-x10000/api-key-generation"  # annotation that restarts pods when their key changes
_STARTING_S = 600  # what an engine may take besides loading: importing, compiling kernels, capturing graphs
_LOADING_GIB_PER_S = 0.1  # as slow as one would still load a model: about what a network of 1 Gbit/s carries (0.116 GiB/s)
_SLACK_S = 300
_QUIET_S = 300  # before pods are taken away: loading a model again costs more than an idle pod


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
        pod = _pod(service, args, key.secret_name, parts(args.weights, args.size_gib, claim, script))
        template = {"metadata": args.options.metadata(labels, {GENERATION: key.generation}), "spec": pod}
        patience = f"{ready_within_s(args)}s"
        opts = pulumi.ResourceOptions(parent=self, custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience))
        metadata: Any = {"name": service, "namespace": namespace, "labels": labels}
        k8s.apps.v1.Deployment(f"{name}-deployment", metadata=metadata, spec=_deployment(args, labels, template), opts=opts)
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
        """By CPU, or by what waits: on a GPU only the queue says something, which Prometheus alone knows, and KEDA scales on that."""
        metadata: Any = {"name": service, "namespace": args.namespace}
        if scaling.cpu_percent is not None:
            target = {"type": "Utilization", "averageUtilization": scaling.cpu_percent}
            by_cpu: Any = {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service},
                "minReplicas": scaling.least,
                "maxReplicas": scaling.most,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": _QUIET_S}},
            }
            k8s.autoscaling.v2.HorizontalPodAutoscaler(resource, metadata=metadata, spec=by_cpu, opts=self._own)
            return
        # KEDA divides the sum by the pods and compares with the threshold
        query = f'sum({args.engine.queue_metric}{{namespace="{args.namespace_name}", pod=~"{service}-.*"}})'
        asked = {"serverAddress": scaling.prometheus_url, "query": query, "threshold": str(scaling.waiting_requests)}
        bounds = {"minReplicaCount": scaling.least, "maxReplicaCount": scaling.most, "cooldownPeriod": _QUIET_S}
        triggers = [{"type": "prometheus", "metricType": "AverageValue", "metadata": asked}]
        by_queue = {"scaleTargetRef": {"name": service}, **bounds, "triggers": triggers}
        self._make_custom(resource, "keda.sh/v1alpha1", "ScaledObject", metadata, by_queue)


def _deployment(args: ModelServerArgs, labels: Mapping[str, str], template: Mapping[str, Any]) -> Any:  # noqa: ANN401  a plain manifest
    """Spec of the Deployment; what an autoscaler decides is left out, or each `up` would undo it."""
    scarce = args.gpu is not None or (args.cache is not None and not args.cache.shared)
    return {
        **({"replicas": args.replicas} if args.scaling is None else {}),
        "selector": {"matchLabels": labels},
        "progressDeadlineSeconds": ready_within_s(args),
        # a new pod beside the old one would wait for a GPU or a volume that the old one holds
        **({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}} if scarce else {}),
        "template": template,
    }


def ready_within_s(args: ModelServerArgs) -> int:
    """Seconds until the last pod must be ready: weights copied and loaded, one pod after the other where they cannot overlap."""
    loading = loading_limit_s(args.size_gib)
    copying = loading if isinstance(args.weights, Bucket) else 0
    rounds = args.replicas if args.gpu is not None else 1
    return math.ceil((loading + copying) * rounds + _SLACK_S)


def loading_limit_s(size_gib: float) -> int:
    """Seconds after which a model of this size counts as broken rather than slow."""
    return math.ceil(_STARTING_S + size_gib / _LOADING_GIB_PER_S)


def _pod(service: str, args: ModelServerArgs, key: pulumi.Input[str], loaded: Parts) -> dict[str, Any]:
    engine, gpu, plain = args.engine, args.gpu, args.resources.manifest()
    # disk is requested, so that the pod lands on a node that has it, and not limited: a limit would end the pod
    on_node = isinstance(args.weights, Bucket) and args.cache is None
    requests = {**plain["requests"], **({"ephemeral-storage": gib(copied_gib(args.size_gib))} if on_node else {})}
    limits = {**plain["limits"], **(gpu.limits() if gpu is not None else {})}
    environment: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(engine.environment.items())]
    places = {"tmp": "/tmp", **({"shared-memory": "/dev/shm"} if engine.shared_memory else {})}  # noqa: S108  paths in the container
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {} if name == "tmp" else {"medium": "Memory"}} for name in places]
    container = {
        "name": service,
        "image": args.image,
        **({"command": list(engine.command)} if engine.command else {}),
        "args": list(engine.arguments),
        "env": [*environment, pods.from_secret(engine.key_variable, key, SECRET_KEY), *loaded.environment],
        "ports": [{"name": "http", "containerPort": engine.port}],
        "resources": {"requests": requests, "limits": limits},
        "volumeMounts": [*({"name": name, "mountPath": path} for name, path in places.items()), *loaded.mounts],
        **pods.probes(engine.health_path, loading_limit_s(args.size_gib)),
    }
    init = {"initContainers": loaded.init_containers} if loaded.init_containers else {}
    place = gpu.pod() if gpu is not None else {}
    return pods.pod(args.account, args.options, container, [*volumes, *loaded.volumes], **place, **init)
