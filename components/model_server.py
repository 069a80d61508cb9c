"""A model service that speaks the OpenAI API: a Deployment, its Service, its key. Shared by `embedding`, `llm` and `reranker`.

An engine says how an image is run; which model, how big and how many is the caller's. The pod holds no token of the cluster, no
writable root and no privilege. Three probes ask the same path: the startup probe gives a model the time that its size takes to load,
since one that loads slowly is not one that is broken; only then do the other two count.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods, scaling
from components import weights as weights_parts
from components.component import Component
from components.engines.engine import Container
from components.gpu import Gpu
from components.pods import NO_OPTIONS, PodOptions, Resources, gib
from components.random_secret import SECRET_KEY, ApiKey
from components.scaling import Scaling
from components.weights import SCRIPT, Bucket, Cache, Source

_PORT_NAME = "http"
GENERATION = "milvus-x10000/api-key-generation"  # annotation that restarts pods when their key changes
_STARTING_S = 600  # what an engine may take besides loading: importing, compiling kernels, capturing graphs
_LOADING_GIB_PER_S = 0.1  # as slow as one would still load a model: about what a network of 1 Gbit/s carries (0.116 GiB/s)
_PROBE_EVERY_S = 5
_SLACK_S = 300
_SCRAPE_EVERY = "30s"


@dataclass(frozen=True, kw_only=True)
class ModelServerArgs:
    """What to run."""

    namespace: pulumi.Input[str]
    namespace_name: str
    """The same as plain text, for a query that must name it."""
    account: pulumi.Input[str]
    """Service account of the pods."""
    image: str
    engine: Container
    resources: Resources
    replicas: int
    gpu: Gpu | None = None
    weights: Source | None = None
    size_gib: float = 0
    """Size of the weights; what loading them takes follows from it."""
    cache: Cache | None = None
    scaling: Scaling | None = None
    rotation: int = 1
    """Another number makes another key."""
    options: PodOptions = NO_OPTIONS
    monitor_labels: Mapping[str, str] | None = None
    """Labels of a ServiceMonitor for Prometheus's operator; None for no monitor."""
    cluster_domain: str = "cluster.local"


@dataclass(frozen=True, kw_only=True)
class Attached:
    """Other resources that the pod names."""

    key: pulumi.Input[str]  # secret with the key of the service under `api_key`
    generation: pulumi.Input[str]  # changes with the key
    claim: pulumi.Input[str] | None = None  # claim of the cache volume
    script: pulumi.Input[str] | None = None  # ConfigMap with the script that copies weights from a bucket


class ModelServer(Component):
    """A Deployment and its Service, both named `service`, and the Secret `service`-api-key."""

    url: pulumi.Output[str]
    """Base of the OpenAI API inside the cluster."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the service under `api_key`."""

    def __init__(self, name: str, service: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self._name_in_cluster, self._args = service, args
        self._labels = {"app.kubernetes.io/name": service, **pods.PART_OF}
        secret, namespace = f"{service}-api-key", args.namespace
        key = ApiKey(f"{name}-key", namespace=namespace, secret_name=secret, rotation=args.rotation, opts=self._own)
        self.secret_name = key.secret_name
        claim, script = self._make_cache(name), self._make_script(name)
        self._make_deployment(name, Attached(key=key.secret_name, generation=key.generation, claim=claim, script=script))
        self._make_scaler(name)
        self._make_budget(name)
        self._make_monitor(name)
        host = self._make_service(name).metadata
        address = pulumi.Output.format("{0}.{1}.svc.{2}:{3}", host["name"], host["namespace"], args.cluster_domain, args.engine.port)
        self.url = pulumi.Output.format("http://{0}{1}", address, args.engine.api_path)
        self.register_outputs({"url": self.url, "secret_name": self.secret_name})

    def _metadata(self, **more: Any) -> Any:  # noqa: ANN401  plain data in a typed API
        return {"name": self._name_in_cluster, "namespace": self._args.namespace, **more}

    def _make_cache(self, name: str) -> pulumi.Output[str] | None:
        cache = self._args.cache
        if cache is None:
            return None
        access = "ReadWriteMany" if cache.shared else "ReadWriteOnce"
        storage_class = {"storageClassName": cache.storage_class} if cache.storage_class is not None else {}
        spec: Any = {"accessModes": [access], "resources": {"requests": {"storage": gib(cache.size_gib)}}, **storage_class}
        # a class that binds with the first pod would otherwise be waited for until that pod, which waits for this
        marks = {"labels": {"milvus-x10000/content": "cache"}, "annotations": {"pulumi.com/skipAwait": "true"}}
        metadata: Any = {**self._metadata(**marks), "name": f"{self._name_in_cluster}-cache"}
        return k8s.core.v1.PersistentVolumeClaim(f"{name}-cache", metadata=metadata, spec=spec, opts=self._own).metadata["name"]

    def _make_script(self, name: str) -> pulumi.Output[str] | None:
        if not isinstance(self._args.weights, Bucket):
            return None
        config_map, text = f"{self._name_in_cluster}-load-weights", SCRIPT.read_text(encoding="utf-8")
        return self._make_config_map(f"{name}-load-weights", config_map, self._args.namespace, SCRIPT.name, text)

    def _make_deployment(self, name: str, attached: Attached) -> None:
        patience = f"{ready_within_s(self._args)}s"
        opts = pulumi.ResourceOptions(parent=self, custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience))
        spec = deployment_spec(self._name_in_cluster, self._labels, self._args, attached)
        k8s.apps.v1.Deployment(f"{name}-deployment", metadata=self._metadata(labels=self._labels), spec=spec, opts=opts)

    def _make_scaler(self, name: str) -> None:
        service, bounds, engine = self._name_in_cluster, self._args.scaling, self._args.engine
        if bounds is None:
            return
        resource, metadata = f"{name}-scaler", self._metadata()
        if bounds.cpu_percent is not None:
            by_cpu: Any = scaling.cpu_spec(service, bounds)
            k8s.autoscaling.v2.HorizontalPodAutoscaler(resource, metadata=metadata, spec=by_cpu, opts=self._own)
            return
        by_queue = scaling.queue_spec(service, self._args.namespace_name, engine.queue_metric, bounds)
        k8s.apiextensions.CustomResource(
            resource, api_version="keda.sh/v1alpha1", kind="ScaledObject", metadata=metadata, spec=by_queue, opts=self._own
        )

    def _make_budget(self, name: str) -> None:
        """One pod at a time may be taken away by a node drain; a single pod is let go, or no node could ever be drained."""
        if self._args.replicas == 1 and self._args.scaling is None:
            return
        spec: Any = {"maxUnavailable": 1, "selector": {"matchLabels": self._labels}}
        k8s.policy.v1.PodDisruptionBudget(f"{name}-budget", metadata=self._metadata(), spec=spec, opts=self._own)

    def _make_monitor(self, name: str) -> None:
        labels, path = self._args.monitor_labels, self._args.engine.metrics_path
        if labels is None or not path:
            return
        # an engine may ask for its key at this path too; one that does not takes no notice
        key = {"credentials": {"name": self.secret_name, "key": SECRET_KEY}}
        endpoint = {"port": _PORT_NAME, "path": path, "interval": _SCRAPE_EVERY, "authorization": key}
        k8s.apiextensions.CustomResource(
            f"{name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=self._metadata(labels={**self._labels, **labels}),
            spec={"selector": {"matchLabels": self._labels}, "endpoints": [endpoint]},
            opts=self._own,
        )

    def _make_service(self, name: str) -> k8s.core.v1.Service:
        port = {"name": _PORT_NAME, "port": self._args.engine.port, "targetPort": _PORT_NAME}
        spec: Any = {"selector": self._labels, "ports": [port]}
        return k8s.core.v1.Service(f"{name}-service", metadata=self._metadata(labels=self._labels), spec=spec, opts=self._own)


def deployment_spec(service: str, labels: Mapping[str, str], args: ModelServerArgs, attached: Attached) -> Any:  # noqa: ANN401  a plain manifest
    """Spec of the Deployment; what an autoscaler decides is left out, or each `up` would undo it."""
    metadata = args.options.metadata(labels, {GENERATION: attached.generation})
    scarce = args.gpu is not None or (args.cache is not None and not args.cache.shared)
    return {
        **({"replicas": args.replicas} if args.scaling is None else {}),
        "selector": {"matchLabels": labels},
        "progressDeadlineSeconds": ready_within_s(args),
        # a new pod beside the old one would wait for a GPU or a volume that the old one holds
        **({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}} if scarce else {}),
        "template": {"metadata": metadata, "spec": pod(service, args, attached)},
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


def pod(service: str, args: ModelServerArgs, attached: Attached) -> dict[str, Any]:
    """Spec of the pod, in the API's own spelling."""
    engine, size_gib = args.engine, args.size_gib
    loaded = weights_parts.parts(args.weights, size_gib, attached.claim, attached.script)
    places = {"tmp": "/tmp", **({"shared-memory": "/dev/shm"} if engine.shared_memory else {})}  # noqa: S108  paths in the container
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {} if name == "tmp" else {"medium": "Memory"}} for name in places]
    container = {
        "name": service,
        "image": args.image,
        **({"command": list(engine.command)} if engine.command else {}),
        "args": list(engine.arguments),
        "env": [*_environment(engine, attached), *loaded.environment],
        "ports": [{"name": _PORT_NAME, "containerPort": engine.port}],
        "resources": _resources(args, weights_parts.disk_gib(args.weights, size_gib, cached=attached.claim is not None)),
        "volumeMounts": [*({"name": name, "mountPath": path} for name, path in places.items()), *loaded.mounts],
        **_probes(engine, loading_limit_s(size_gib)),
    }
    init = {"initContainers": loaded.init_containers} if loaded.init_containers else {}
    place = args.gpu.pod() if args.gpu is not None else {}
    return pods.pod(args.account, args.options, container, [*volumes, *loaded.volumes], **place, **init)


def _environment(engine: Container, attached: Attached) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(engine.environment.items())]
    return [*plain, pods.from_secret(engine.key_variable, attached.key, SECRET_KEY)]


def _resources(args: ModelServerArgs, disk_gib: float) -> dict[str, Any]:
    """Disk is requested, so that the pod lands on a node that has it, and not limited: a limit would end the pod."""
    plain, gpu = args.resources.manifest(), args.gpu
    requests = {**plain["requests"], **({"ephemeral-storage": gib(disk_gib)} if disk_gib else {})}
    limits = {**plain["limits"], **(gpu.limits() if gpu is not None else {})}
    return {"requests": requests, "limits": limits}


def _probes(engine: Container, limit_s: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": engine.health_path, "port": _PORT_NAME}, "periodSeconds": _PROBE_EVERY_S, "timeoutSeconds": _PROBE_EVERY_S}
    starting = {**probe, "periodSeconds": 1, "failureThreshold": limit_s}
    return {"startupProbe": starting, "readinessProbe": probe, "livenessProbe": {**probe, "failureThreshold": 6}}
