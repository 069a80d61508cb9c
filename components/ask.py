"""The service that answers questions with their sources: a Deployment of the suite's image, its Service, and a key for each database.

It holds no token of the cluster: the outputs of the stack are a ConfigMap, and of Secrets it mounts those of the user that searches, of the
documents bucket and of the model services. It makes nothing in Milvus and nothing in a bucket. Pods are replaced when the outputs or the
documents' credential change; a key of its own is read anew while it runs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import Component
from components.flows import ASK, ASK_PORT
from components.milvus_values import CREDENTIAL_ANNOTATION
from components.pods import NO_OPTIONS, PodOptions, Resources
from components.random_secret import SECRET_KEY, ApiKey

NAME = "ask"
_LABELS = {**ASK.labels, **pods.PART_OF}
_TARGET, _FILE, _MOUNTED, _KEYS = "/run/ask-target", "target.json", "/run/ask-secrets", "/run/ask-keys"
_READY_S = 5


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """What the service reads of a Secret or a ConfigMap."""

    kind: str
    """secret or configMap."""
    name: pulumi.Input[str]
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AskArgs:
    """What to run."""

    namespace: pulumi.Input[str]
    account: pulumi.Input[str]
    image: str
    """The suite's own image."""
    replicas: int
    resources: Resources
    target: pulumi.Input[str]
    """Outputs of the stack, as JSON text."""
    mounted: tuple[Mounted, ...]
    databases: tuple[pulumi.Input[str], ...]
    """The stack's own first, then those of tenants: each gets a key that opens nothing else."""
    tenants: tuple[str, ...]
    credential_generation: pulumi.Input[str]
    rotation: int = 1
    """Another number makes other keys."""
    options: PodOptions = NO_OPTIONS
    monitor_labels: Mapping[str, str] | None = None
    """Labels of a ServiceMonitor for Prometheus's operator; None for no monitor."""
    cluster_domain: str = "cluster.local"


class Ask(Component):
    """The service, its page and its keys."""

    url: pulumi.Output[str]
    """Address of the page inside the cluster; the API is below /v1."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the stack's own database under `api_key`; a tenant's is called ask-TENANT-api-key."""

    def __init__(self, name: str, args: AskArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self._args = args
        keys = [self._make_key(f"{name}-{suffix}" if suffix else name, suffix) for suffix in ("", *args.tenants)]
        self.secret_name = keys[0]
        config_map = self._make_config_map(f"{name}-target", "ask-target", args.namespace, _FILE, args.target)
        metadata: Any = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        k8s.apps.v1.Deployment(f"{name}-deployment", metadata=metadata, spec=self._deployment(keys, config_map), opts=self._own)
        self._make_budget(name)
        self._make_monitor(name)
        spec: Any = {"selector": dict(ASK.labels), "ports": [{"name": "http", "port": ASK_PORT, "targetPort": "http"}]}
        host = k8s.core.v1.Service(f"{name}-service", metadata=metadata, spec=spec, opts=self._own).metadata
        self.url = pulumi.Output.format("http://{0}.{1}.svc.{2}:{3}/", host["name"], host["namespace"], args.cluster_domain, ASK_PORT)
        self.register_outputs({"url": self.url, "secret_name": self.secret_name})

    def _make_key(self, name: str, tenant: str) -> pulumi.Output[str]:
        secret, args = f"ask-{tenant}-api-key" if tenant else "ask-api-key", self._args
        return ApiKey(f"{name}-key", namespace=args.namespace, secret_name=secret, rotation=args.rotation, opts=self._own).secret_name

    def _deployment(self, keys: list[pulumi.Output[str]], config_map: pulumi.Output[str]) -> Any:  # noqa: ANN401  a plain manifest
        digest = pulumi.Output.from_input(self._args.target).apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:16])
        marks = {CREDENTIAL_ANNOTATION: self._args.credential_generation, "milvus-x10000/target": digest}
        template = {"metadata": self._args.options.metadata(_LABELS, marks), "spec": self._pod(keys, config_map)}
        return {"replicas": self._args.replicas, "selector": {"matchLabels": dict(ASK.labels)}, "template": template}

    def _pod(self, keys: list[pulumi.Output[str]], config_map: pulumi.Output[str]) -> dict[str, Any]:
        args = self._args
        opening = [_source("secret", key, {SECRET_KEY: database}) for key, database in zip(keys, args.databases, strict=True)]
        held = [_source(each.kind, each.name, dict.fromkeys(each.keys, each.name)) for each in args.mounted]
        sources: dict[str, tuple[str, dict[str, Any]]] = {
            "target": (_TARGET, {"configMap": {"name": config_map}}),
            "secrets": (_MOUNTED, {"projected": {"defaultMode": 0o440, "sources": held}}),
            "keys": (_KEYS, {"projected": {"defaultMode": 0o440, "sources": opening}}),
        }
        mounts, volumes = pods.mounted(sources)
        probe = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": _READY_S, "timeoutSeconds": _READY_S}
        listen = ["--mounted", _MOUNTED, "--keys", _KEYS, "--host", "0.0.0.0", "--port", str(ASK_PORT)]  # noqa: S104  a pod is reached from outside
        container = {
            "name": NAME,
            "image": args.image,
            "args": ["serve", f"{_TARGET}/{_FILE}", *listen],
            "ports": [{"name": "http", "containerPort": ASK_PORT}],
            "resources": args.resources.manifest(),
            "volumeMounts": mounts,
            "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 120},
            "readinessProbe": probe,
            "livenessProbe": {**probe, "failureThreshold": 6},
        }
        return pods.pod(args.account, args.options, container, volumes)

    def _make_budget(self, name: str) -> None:
        """One pod at a time may be taken away by a node drain; a single pod is let go, or no node could ever be drained."""
        if self._args.replicas > 1:
            metadata: Any = {"name": NAME, "namespace": self._args.namespace}
            spec: Any = {"maxUnavailable": 1, "selector": {"matchLabels": dict(ASK.labels)}}
            k8s.policy.v1.PodDisruptionBudget(f"{name}-budget", metadata=metadata, spec=spec, opts=self._own)

    def _make_monitor(self, name: str) -> None:
        if self._args.monitor_labels is not None:
            metadata: Any = {"name": NAME, "namespace": self._args.namespace, "labels": {**_LABELS, **self._args.monitor_labels}}
            endpoint = {"port": "http", "path": "/metrics", "interval": "30s"}
            k8s.apiextensions.CustomResource(
                f"{name}-monitor",
                api_version="monitoring.coreos.com/v1",
                kind="ServiceMonitor",
                metadata=metadata,
                spec={"selector": {"matchLabels": dict(ASK.labels)}, "endpoints": [endpoint]},
                opts=self._own,
            )


def _source(kind: str, name: pulumi.Input[str], keys: Mapping[str, pulumi.Input[str]]) -> dict[str, Any]:
    """Source of a projected volume: each key as a file in the folder that belongs to it."""
    items = [{"key": key, "path": pulumi.Output.concat(folder, "/", key)} for key, folder in keys.items()]
    return {kind: {"name": name, "items": items}}
