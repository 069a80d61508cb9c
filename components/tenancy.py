"""The namespace: its pod-security level, its network policies, its quota, and the accounts that its pods run under.

Everything of the blueprint lives in one namespace that it owns, so that `destroy` leaves nothing behind in the cluster. Each part has a
service account of its own, and none of them a token: no pod of ours asks the Kubernetes API for anything. Nor has the account `default`,
which Kubernetes makes in every namespace: whatever names no account runs under it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

from components import flows
from components.component import Component
from components.flows import Flow
from components.quota import CONTAINER_DEFAULTS, Quota

WHY_ANNOTATION = "milvus-x10000/why"


@dataclass(frozen=True, kw_only=True)
class TenancyArgs:
    """The frame for everything else."""

    namespace: str
    pod_security: Literal["restricted", "baseline"]
    """Pod-security standard that is enforced; whatever `restricted` would refuse is warned about in any case."""
    flows: tuple[Flow, ...]  # who may talk to whom; nobody else may
    accounts: tuple[str, ...]  # parts that get a service account, by name
    quota: Quota | None  # most that all pods together may take; None for no limit
    pull_secrets: tuple[str, ...] = ()  # secrets with the credentials of registries, which pods of these accounts pull with
    protect: bool
    """Refuse to delete the namespace: with it go all volumes, and with them the metadata without which the bucket cannot be read."""


class Tenancy(Component):
    """The namespace: its pod-security level, its network policies, its quota, its accounts."""

    namespace: pulumi.Output[str]
    uid: pulumi.Output[str]  # what makes this namespace different from one of the same name in another cluster, or after it was deleted
    resource: k8s.core.v1.Namespace  # the namespace itself: with it goes everything in it
    accounts: Mapping[str, pulumi.Output[str]]  # name of each part's service account; whoever uses it waits for it

    def __init__(self, name: str, args: TenancyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        label = "pod-security.kubernetes.io"
        levels = {f"{label}/enforce": args.pod_security, f"{label}/warn": "restricted", f"{label}/audit": "restricted"}
        opts = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self.resource = k8s.core.v1.Namespace(f"{name}-namespace", metadata={"name": args.namespace, "labels": levels}, opts=opts)
        self.namespace, self.uid = self.resource.metadata["name"], self.resource.metadata["uid"]
        self.accounts = {part: self._make_account(name, part, args.pull_secrets) for part in args.accounts}
        nobody: Any = {"name": "default", "namespace": self.namespace}
        k8s.core.v1.ServiceAccountPatch(f"{name}-account-default", metadata=nobody, automount_service_account_token=False, opts=self._own)
        for policy, (why, allowed) in flows.policies(args.flows).items():
            metadata: Any = {"name": policy, "namespace": self.namespace, "annotations": {WHY_ANNOTATION: why}}
            spec: Any = allowed
            k8s.networking.v1.NetworkPolicy(f"{name}-{policy}", metadata=metadata, spec=spec, opts=self._own)
        limits: Any = {"name": "containers", "namespace": self.namespace}
        k8s.core.v1.LimitRange(f"{name}-limits", metadata=limits, spec={"limits": [CONTAINER_DEFAULTS]}, opts=self._own)
        if args.quota is not None:
            total: Any = {"name": "all-pods", "namespace": self.namespace}
            k8s.core.v1.ResourceQuota(f"{name}-quota", metadata=total, spec={"hard": args.quota.hard()}, opts=self._own)
        self.register_outputs({"namespace": self.namespace, "uid": self.uid})

    def _make_account(self, name: str, part: str, pull_secrets: tuple[str, ...]) -> pulumi.Output[str]:
        metadata: Any = {"name": part, "namespace": self.namespace}
        options: dict[str, Any] = {"automount_service_account_token": False}
        options["image_pull_secrets"] = [{"name": secret} for secret in pull_secrets] or None
        return k8s.core.v1.ServiceAccount(f"{name}-account-{part}", metadata=metadata, opts=self._own, **options).metadata["name"]
