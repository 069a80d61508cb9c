"""What the gate makes its load generators from: a pod template in the namespace, which runs nothing by itself.

The gate (`run --pods N`) makes an Indexed Job of it and names the Secret with the orders of that run; image, account, security, resources
and trust are decided here, where rules, quota and network policies know of them: a generator is part of `suite`, which may reach Milvus and
the store. It gets no key of the store and no token of the cluster, and Milvus's password only where Milvus asks for one.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import CA_KEY, Component, PodArgs, pod_of
from components.flows import SUITE
from components.pods import Resources

NAME = "load-generator"
_LABELS = {**SUITE.labels, **pods.PART_OF, "app.kubernetes.io/component": NAME}
_GRACE_S = 5


@dataclass(frozen=True, kw_only=True)
class LoadGeneratorsArgs(PodArgs):
    """What one generator is: the suite's account and its image."""

    resources: Resources
    store_ca_config_map: pulumi.Input[str] | None  # ConfigMap with the private CA of the store; None where the public ones do
    milvus_ca_config_map: pulumi.Input[str] | None  # the same of Milvus
    login_secret: pulumi.Input[str] | None  # secret of Milvus's user that searches; None where Milvus asks nobody


class LoadGenerators(Component):
    """The pod template that load generators are made from."""

    template: pulumi.Output[str]

    def __init__(self, name: str, args: LoadGeneratorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Any = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        template: Any = {"metadata": args.options.metadata(_LABELS, job=True), "spec": _pod(args)}
        made = k8s.core.v1.PodTemplate(f"{name}-template", metadata=metadata, template=template, opts=self._own)
        self.template = made.metadata["name"]
        self.register_outputs({"template": self.template})


def _pod(args: LoadGeneratorsArgs) -> dict[str, Any]:
    rows = (
        ("orders", "secret", f"{NAME}-orders"),  # another one for each run: the gate fills in its name
        ("object-store-ca", "configMap", args.store_ca_config_map),
        ("milvus-ca", "configMap", args.milvus_ca_config_map),
        ("milvus-login", "secret", args.login_secret),
    )
    sources = {name: (f"/run/{name}", _source(kind, given)) for name, kind, given in rows if given is not None}
    selector = {"labelSelector": {"matchLabels": {"app.kubernetes.io/component": NAME}}}
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", **selector}
    own = {"restartPolicy": "Never", "terminationGracePeriodSeconds": _GRACE_S, "topologySpreadConstraints": [spread]}
    return pod_of(args, {"name": "generator", "args": ["pod", "/run/orders"]}, args.resources, sources, **own)


def _source(kind: str, name: pulumi.Input[str]) -> dict[str, Any]:
    if kind == "secret":
        return {"secret": {"secretName": name, "defaultMode": 0o440}}
    return {"configMap": {"name": name, "items": [{"key": CA_KEY, "path": CA_KEY}]}}
