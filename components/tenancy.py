"""The namespace: its pod-security level, its network policies, its quota.

Everything of the blueprint lives in one namespace that it owns, so that `destroy` leaves nothing behind in the cluster.
"""

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s

from components import network
from components.quantities import Resources


@dataclass(frozen=True, kw_only=True)
class TenancyArgs:
    """The frame for everything else."""

    namespace: str
    """Name of the namespace."""
    pod_security: Literal["restricted", "baseline"]
    """Pod-security standard that is enforced; whatever `restricted` would refuse is warned about in any case."""
    store_endpoint: str
    """https://host[:port] of the object store, the one place outside that Milvus may reach."""
    quota: Resources | None
    """Most that all pods together may request; None for no limit."""


class Tenancy(pulumi.ComponentResource):
    """The namespace: its pod-security level, its network policies, its quota."""

    namespace: pulumi.Output[str]
    """Name of the namespace."""
    uid: pulumi.Output[str]
    """What makes this namespace different from one of the same name in another cluster, or after it was deleted."""

    def __init__(self, name: str, args: TenancyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Tenancy", name, None, opts)
        namespace = self._make_namespace(name, args)
        self.namespace = namespace.metadata["name"]
        self.uid = namespace.metadata["uid"]
        self._make_policies(name, args)
        if args.quota is not None:
            self._make_quota(name, args.quota)
        self.register_outputs({"namespace": self.namespace, "uid": self.uid})

    def _make_namespace(self, name: str, args: TenancyArgs) -> k8s.core.v1.Namespace:
        label = "pod-security.kubernetes.io"
        levels = {f"{label}/enforce": args.pod_security, f"{label}/warn": "restricted", f"{label}/audit": "restricted"}
        return k8s.core.v1.Namespace(
            f"{name}-namespace", metadata={"name": args.namespace, "labels": levels}, opts=pulumi.ResourceOptions(parent=self)
        )

    def _make_policies(self, name: str, args: TenancyArgs) -> None:
        for policy, spec in network.policies(args.store_endpoint).items():
            k8s.networking.v1.NetworkPolicy(
                f"{name}-{policy}",
                metadata={"name": policy, "namespace": self.namespace},
                spec=spec,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _make_quota(self, name: str, quota: Resources) -> None:
        requests = {f"requests.{resource}": amount for resource, amount in quota.manifest()["requests"].items()}
        k8s.core.v1.ResourceQuota(
            f"{name}-quota",
            metadata={"name": "requests", "namespace": self.namespace},
            spec={"hard": requests},
            opts=pulumi.ResourceOptions(parent=self),
        )
