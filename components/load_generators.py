"""What the gate makes its load generators from: a pod template in the namespace, which runs nothing by itself.

The gate (`run --pods N`) makes an Indexed Job of it and names the Secret with the orders of that run; image, account, security, resources
and trust are decided here, where rules, quota and network policies know of them: a generator is part of `suite`, which may reach Milvus
and the store. It gets no key of the store and no token of the cluster, and Milvus's password only where Milvus asks for one.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pod_security
from components.flows import SUITE
from components.pod_options import NO_OPTIONS, PodOptions
from components.quantities import Resources
from components.trust import CA_KEY

NAME = "load-generator"
_LABELS = {**SUITE.labels, "app.kubernetes.io/part-of": "milvus-x10000", "app.kubernetes.io/component": NAME}
_ORDERS = "/run/orders"
_GRACE_S = 5


@dataclass(frozen=True, kw_only=True)
class LoadGeneratorsArgs:
    """What one generator is."""

    namespace: pulumi.Input[str]
    account: pulumi.Input[str]
    """Service account of the suite."""
    image: str
    """The suite's own image."""
    resources: Resources
    store_ca_config_map: pulumi.Input[str] | None
    """ConfigMap with the private CA of the store; None where the public ones do."""
    milvus_ca_config_map: pulumi.Input[str] | None
    """The same of Milvus."""
    login_secret: pulumi.Input[str] | None
    """Secret of Milvus's user that searches; None where Milvus asks nobody."""
    options: PodOptions = NO_OPTIONS


class LoadGenerators(pulumi.ComponentResource):
    """The pod template that load generators are made from."""

    template: pulumi.Output[str]
    """Name of the PodTemplate."""

    def __init__(self, name: str, args: LoadGeneratorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:LoadGenerators", name, None, opts)
        self.template = self._make_template(name, args).metadata["name"]
        self.register_outputs({"template": self.template})

    def _make_template(self, name: str, args: LoadGeneratorsArgs) -> k8s.core.v1.PodTemplate:
        metadata: Any = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        template: Any = {"metadata": args.options.metadata(_LABELS, job=True), "spec": _pod(args)}
        return k8s.core.v1.PodTemplate(f"{name}-template", metadata=metadata, template=template, opts=pulumi.ResourceOptions(parent=self))


def _pod(args: LoadGeneratorsArgs) -> dict[str, Any]:
    mounted = _mounted(args)
    return {
        "restartPolicy": "Never",
        "serviceAccountName": args.account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": args.options.security(),
        **args.options.spec(),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": NAME}},
            }
        ],
        "containers": [
            {
                "name": "generator",
                "image": args.image,
                "imagePullPolicy": "IfNotPresent",
                "args": ["pod", _ORDERS],
                "resources": args.resources.manifest(),
                "securityContext": pod_security.container(),
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a path in the container
                    *({"name": name, "mountPath": path, "readOnly": True} for name, (path, _) in mounted.items()),
                ],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *({"name": name, **source} for name, (_, source) in mounted.items())],
    }


def _mounted(args: LoadGeneratorsArgs) -> dict[str, tuple[str, dict[str, Any]]]:
    """Path and source of each volume; the Secret of the orders is another one for each run, and the gate fills in its name."""
    found: dict[str, tuple[str, dict[str, Any]]] = {"orders": (_ORDERS, {"secret": {"secretName": f"{NAME}-orders", "defaultMode": 0o440}})}
    if args.store_ca_config_map is not None:
        found["object-store-ca"] = ("/run/object-store-ca", _authority(args.store_ca_config_map))
    if args.milvus_ca_config_map is not None:
        found["milvus-ca"] = ("/run/milvus-ca", _authority(args.milvus_ca_config_map))
    if args.login_secret is not None:
        found["milvus-login"] = ("/run/milvus-login", {"secret": {"secretName": args.login_secret, "defaultMode": 0o440}})
    return found


def _authority(name: pulumi.Input[str]) -> dict[str, Any]:
    return {"configMap": {"name": name, "items": [{"key": CA_KEY, "path": CA_KEY}]}}
