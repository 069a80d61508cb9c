"""The service that answers questions with their sources: a Deployment of the suite's image, its Service, and a key for each database.

It holds no token of the cluster: the outputs of the stack are a ConfigMap, and of Secrets it mounts those of the user that searches, of the
documents bucket and of the model services. It makes nothing in Milvus and nothing in a bucket. Pods are replaced when the outputs or the
documents' credential change; a key of its own is read anew while it runs.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import Mounted, Served, ServedArgs, pod_of, projected
from components.flows import ASK, ASK_PORT
from components.milvus_values import CREDENTIAL_ANNOTATION
from components.random_secret import SECRET_KEY, ApiKey

NAME = "ask"
_LABELS = {**ASK.labels, **pods.PART_OF}
_TARGET, _FILE, _MOUNTED, _KEYS = "/run/ask-target", "target.json", "/run/ask-secrets", "/run/ask-keys"
_STARTING_S = 120


@dataclass(frozen=True, kw_only=True)
class AskArgs(ServedArgs):
    """What to run: the suite's own image."""

    target: pulumi.Input[str]  # outputs of the stack, as JSON text
    mounted: tuple[Mounted, ...]
    databases: tuple[pulumi.Input[str], ...]  # the stack's own first, then those of tenants: each gets a key that opens nothing else
    tenants: tuple[str, ...]
    credential_generation: pulumi.Input[str]


class Ask(Served):
    """The service, its page and its keys."""

    url: pulumi.Output[str]  # address of the page inside the cluster; the API is below /v1
    secret_name: pulumi.Output[str]
    """Secret with the key of the stack's own database under `api_key`; a tenant's is called ask-TENANT-api-key."""

    def __init__(self, name: str, args: AskArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        keys = []
        for tenant in ("", *(f"-{tenant}" for tenant in args.tenants)):
            secret, rotation = f"ask{tenant}-api-key", args.rotation
            key = ApiKey(f"{name}{tenant}-key", namespace=args.namespace, secret_name=secret, rotation=rotation, opts=self._own)
            keys.append(key.secret_name)
        self.secret_name = keys[0]
        config_map = self._make_config_map(f"{name}-target", "ask-target", args.namespace, _FILE, args.target)
        digest = pulumi.Output.from_input(args.target).apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:16])
        marks = {CREDENTIAL_ANNOTATION: args.credential_generation, "milvus-x10000/target": digest}
        template = {"metadata": args.options.metadata(_LABELS, marks), "spec": _pod(args, keys, config_map)}
        metadata: Any = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        selector = dict(ASK.labels)
        spec: Any = {"replicas": args.replicas, "selector": {"matchLabels": selector}, "template": template}
        k8s.apps.v1.Deployment(f"{name}-deployment", metadata=metadata, spec=spec, opts=self._own)
        endpoint, several = {"path": "/metrics"}, args.replicas > 1
        host = self._serve(name, args, labels=_LABELS, selector=selector, port=ASK_PORT, endpoint=endpoint, several=several)
        self.url = pulumi.Output.format("http://{0}/", host)
        self.register_outputs({"url": self.url, "secret_name": self.secret_name})


def _pod(args: AskArgs, keys: list[pulumi.Output[str]], config_map: pulumi.Output[str]) -> dict[str, Any]:
    opening = [
        Mounted(kind="secret", name=key, keys=(SECRET_KEY,), folder=database) for key, database in zip(keys, args.databases, strict=True)
    ]
    sources = {
        "target": (_TARGET, {"configMap": {"name": config_map}}),
        "secrets": (_MOUNTED, projected(args.mounted)),
        "keys": (_KEYS, projected(opening)),
    }
    listen = ["--mounted", _MOUNTED, "--keys", _KEYS, "--host", "0.0.0.0", "--port", str(ASK_PORT)]  # noqa: S104  a pod is reached from outside
    served = {"ports": [{"name": "http", "containerPort": ASK_PORT}], **pods.probes("/health", _STARTING_S)}
    return pod_of(args, {"name": NAME, "args": ["serve", f"{_TARGET}/{_FILE}", *listen], **served}, args.resources, sources)
