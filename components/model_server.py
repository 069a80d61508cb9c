"""A model service that speaks the OpenAI API: a Deployment and its Service. Shared by `embedding` and `llm`.

An engine says how an image is run; which model, how big and how many is the caller's. The pod holds no token of the cluster, no
writable root and no privilege; three probes ask the same path, since a model that loads slowly is not a model that is broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pod_security
from components.quantities import Resources

_PORT_NAME = "http"
_LOADING_LIMIT_S = 600
_PROBE_EVERY_S = 5


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How an image is run as a model service."""

    arguments: tuple[str, ...]
    port: int
    health_path: str
    api_path: str
    """Prefix of the OpenAI API."""


@dataclass(frozen=True, kw_only=True)
class ModelServerArgs:
    """What to run."""

    namespace: pulumi.Input[str]
    image: str
    engine: Engine
    resources: Resources
    replicas: int


class ModelServer(pulumi.ComponentResource):
    """A Deployment and its Service, both named `service`."""

    url: pulumi.Output[str]
    """Base of the OpenAI API inside the cluster."""

    def __init__(self, name: str, service: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:ModelServer", name, None, opts)
        labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "milvus-x10000"}
        self._make_deployment(name, service, labels, args)
        host = self._make_service(name, service, labels, args).metadata
        self.url = pulumi.Output.format(
            "http://{0}.{1}.svc.cluster.local:{2}{3}", host["name"], host["namespace"], args.engine.port, args.engine.api_path
        )
        self.register_outputs({"url": self.url})

    def _make_deployment(self, name: str, service: str, labels: Mapping[str, str], args: ModelServerArgs) -> None:
        template = {"metadata": {"labels": labels}, "spec": pod(service, args)}
        spec: Any = {"replicas": args.replicas, "selector": {"matchLabels": labels}, "template": template}
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata={"name": service, "namespace": args.namespace, "labels": labels},
            spec=spec,
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


def pod(service: str, args: ModelServerArgs) -> dict[str, Any]:
    """Spec of the pod, in the API's own spelling."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security.pod(),
        "containers": [
            {
                "name": service,
                "image": args.image,
                "imagePullPolicy": "IfNotPresent",
                "args": list(args.engine.arguments),
                "ports": [{"name": _PORT_NAME, "containerPort": args.engine.port}],
                "resources": args.resources.manifest(),
                "securityContext": pod_security.container(),
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  a path in the container
                **_probes(args.engine),
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _probes(engine: Engine) -> dict[str, Any]:
    probe = {"httpGet": {"path": engine.health_path, "port": _PORT_NAME}, "periodSeconds": _PROBE_EVERY_S, "timeoutSeconds": _PROBE_EVERY_S}
    starting = {**probe, "periodSeconds": 1, "failureThreshold": _LOADING_LIMIT_S}
    return {"startupProbe": starting, "readinessProbe": probe, "livenessProbe": {**probe, "failureThreshold": 6}}
