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

from components import model_pod, scaling
from components.api_key import SECRET_KEY, ApiKey
from components.engines.engine import Container
from components.gpu import Gpu
from components.pod_options import NO_OPTIONS, PodOptions
from components.quantities import Resources, gib
from components.scaling import Scaling
from components.weights import SCRIPT, Bucket, Cache, Source

_PORT_NAME = model_pod.PORT_NAME
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


class ModelServer(pulumi.ComponentResource):
    """A Deployment and its Service, both named `service`, and the Secret `service`-api-key."""

    url: pulumi.Output[str]
    """Base of the OpenAI API inside the cluster."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the service under `api_key`."""

    def __init__(self, name: str, service: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:ModelServer", name, None, opts)
        labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "milvus-x10000"}
        key = self._make_key(name, service, args)
        self.secret_name = key.secret_name
        attached = model_pod.Attached(
            key=key.secret_name,
            generation=key.generation,
            claim=self._make_cache(name, service, args),
            script=self._make_script(name, service, args),
        )
        self._make_deployment(name, service, labels, args, attached)
        self._make_scaler(name, service, args)
        self._make_budget(name, service, labels, args)
        self._make_monitor(name, service, labels, args)
        host = self._make_service(name, service, labels, args).metadata
        address = pulumi.Output.format("{0}.{1}.svc.{2}:{3}", host["name"], host["namespace"], args.cluster_domain, args.engine.port)
        self.url = pulumi.Output.format("http://{0}{1}", address, args.engine.api_path)
        self.register_outputs({"url": self.url, "secret_name": self.secret_name})

    def _make_key(self, name: str, service: str, args: ModelServerArgs) -> ApiKey:
        opts = pulumi.ResourceOptions(parent=self)
        return ApiKey(f"{name}-key", namespace=args.namespace, secret_name=f"{service}-api-key", rotation=args.rotation, opts=opts)

    def _make_cache(self, name: str, service: str, args: ModelServerArgs) -> pulumi.Output[str] | None:
        if args.cache is None:
            return None
        storage_class = {"storageClassName": args.cache.storage_class} if args.cache.storage_class is not None else {}
        access = "ReadWriteMany" if args.cache.shared else "ReadWriteOnce"
        requests = {"requests": {"storage": gib(args.cache.size_gib)}}
        spec: Any = {"accessModes": [access], "resources": requests, **storage_class}
        claim = k8s.core.v1.PersistentVolumeClaim(
            f"{name}-cache",
            # a class that binds with the first pod would otherwise be waited for until that pod, which waits for this
            metadata={
                "name": f"{service}-cache",
                "namespace": args.namespace,
                "labels": {"milvus-x10000/content": "cache"},
                "annotations": {"pulumi.com/skipAwait": "true"},
            },
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return claim.metadata.name

    def _make_script(self, name: str, service: str, args: ModelServerArgs) -> pulumi.Output[str] | None:
        if not isinstance(args.weights, Bucket):
            return None
        script = k8s.core.v1.ConfigMap(
            f"{name}-load-weights",
            metadata={"name": f"{service}-load-weights", "namespace": args.namespace},
            data={SCRIPT.name: SCRIPT.read_text(encoding="utf-8")},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return script.metadata["name"]

    def _make_deployment(
        self, name: str, service: str, labels: Mapping[str, str], args: ModelServerArgs, attached: model_pod.Attached
    ) -> None:
        patience_s = ready_within_s(args)
        timeouts = pulumi.CustomTimeouts(create=f"{patience_s}s", update=f"{patience_s}s")
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata={"name": service, "namespace": args.namespace, "labels": labels},
            spec=deployment_spec(service, labels, args, attached),
            opts=pulumi.ResourceOptions(parent=self, custom_timeouts=timeouts),
        )

    def _make_scaler(self, name: str, service: str, args: ModelServerArgs) -> None:
        wanted, opts = args.scaling, pulumi.ResourceOptions(parent=self)
        metadata: Any = {"name": service, "namespace": args.namespace}
        if wanted is None:
            return
        if wanted.cpu_percent is not None:
            by_cpu: Any = scaling.cpu_spec(service, wanted)
            k8s.autoscaling.v2.HorizontalPodAutoscaler(f"{name}-scaler", metadata=metadata, spec=by_cpu, opts=opts)
            return
        by_queue = scaling.queue_spec(service, args.namespace_name, args.engine.queue_metric, wanted)
        k8s.apiextensions.CustomResource(
            f"{name}-scaler", api_version="keda.sh/v1alpha1", kind="ScaledObject", metadata=metadata, spec=by_queue, opts=opts
        )

    def _make_budget(self, name: str, service: str, labels: Mapping[str, str], args: ModelServerArgs) -> None:
        """One pod at a time may be taken away by a node drain; a single pod is let go, or no node could ever be drained."""
        if args.replicas == 1 and args.scaling is None:
            return
        spec: Any = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
        k8s.policy.v1.PodDisruptionBudget(
            f"{name}-budget",
            metadata={"name": service, "namespace": args.namespace},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _make_monitor(self, name: str, service: str, labels: Mapping[str, str], args: ModelServerArgs) -> None:
        if args.monitor_labels is None or not args.engine.metrics_path:
            return
        # an engine may ask for its key at this path too; one that does not takes no notice
        key = {"credentials": {"name": self.secret_name, "key": SECRET_KEY}}
        endpoint = {"port": _PORT_NAME, "path": args.engine.metrics_path, "interval": _SCRAPE_EVERY, "authorization": key}
        k8s.apiextensions.CustomResource(
            f"{name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata={"name": service, "namespace": args.namespace, "labels": {**labels, **args.monitor_labels}},
            spec={"selector": {"matchLabels": labels}, "endpoints": [endpoint]},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _make_service(self, name: str, service: str, labels: Mapping[str, str], args: ModelServerArgs) -> k8s.core.v1.Service:
        spec: Any = {"selector": labels, "ports": [{"name": _PORT_NAME, "port": args.engine.port, "targetPort": _PORT_NAME}]}
        return k8s.core.v1.Service(
            f"{name}-service",
            metadata={"name": service, "namespace": args.namespace, "labels": labels},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )


def deployment_spec(service: str, labels: Mapping[str, str], args: ModelServerArgs, attached: model_pod.Attached) -> Any:  # noqa: ANN401  a plain manifest
    """Spec of the Deployment; what an autoscaler decides is left out, or each `up` would undo it."""
    metadata = args.options.metadata(labels, {model_pod.GENERATION: attached.generation})
    spec = model_pod.pod(
        service,
        account=args.account,
        image=args.image,
        engine=args.engine,
        resources=args.resources,
        options=args.options,
        gpu=args.gpu,
        weights=args.weights,
        size_gib=args.size_gib,
        attached=attached,
    )
    scarce = args.gpu is not None or (args.cache is not None and not args.cache.shared)
    return {
        **({"replicas": args.replicas} if args.scaling is None else {}),
        "selector": {"matchLabels": labels},
        "progressDeadlineSeconds": ready_within_s(args),
        # a new pod beside the old one would wait for a GPU or a volume that the old one holds
        **({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}} if scarce else {}),
        "template": {"metadata": metadata, "spec": spec},
    }


def ready_within_s(args: ModelServerArgs) -> int:
    """Seconds until the last pod must be ready: weights copied and loaded, one pod after the other where they cannot overlap."""
    loading = model_pod.loading_limit_s(args.size_gib)
    copying = loading if isinstance(args.weights, Bucket) else 0
    rounds = args.replicas if args.gpu is not None else 1
    return math.ceil((loading + copying) * rounds + _SLACK_S)
