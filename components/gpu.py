"""GPUs of a pod: which kind, how many, and whether any node can have them. Pure.

Resource names and labels are those of NVIDIA's device plugin and its feature discovery: `nvidia.com/gpu` or, with the mixed MIG strategy,
`nvidia.com/mig-<profile>`, and the node label `nvidia.com/gpu.product`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PRODUCT_LABEL = "nvidia.com/gpu.product"
MIG_PROFILE = re.compile(r"[1-7]g\.\d{1,3}gb")


@dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint of nodes that a pod tolerates."""

    key: str
    value: str | None = None
    effect: str | None = None

    def manifest(self) -> dict[str, str]:
        """As the API spells it."""
        match = {"operator": "Exists"} if self.value is None else {"operator": "Equal", "value": self.value}
        return {"key": self.key, **match, **({"effect": self.effect} if self.effect is not None else {})}

    def covers(self, taint: Mapping[str, str]) -> bool:
        """Whether it tolerates this taint."""
        same = self.key == taint.get("key") and self.value in (None, taint.get("value", ""))
        return same and self.effect in (None, taint.get("effect"))


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """GPUs of one pod."""

    product: str  # value of the node label `nvidia.com/gpu.product`
    count: int
    memory_gib: float  # of one GPU, or of one MIG instance
    memory_share: float
    mig_profile: str | None
    tolerations: tuple[Toleration, ...]
    runtime_class: str | None
    node_selector: Mapping[str, str] = field(default_factory=dict)  # further labels that the node must have

    @property
    def resource(self) -> str:
        """Name of the extended resource."""
        return "nvidia.com/gpu" if self.mig_profile is None else f"nvidia.com/mig-{self.mig_profile}"

    def pod(self) -> dict[str, Any]:
        """What the spec of a pod needs so that it lands where such GPUs are."""
        runtime = {"runtimeClassName": self.runtime_class} if self.runtime_class is not None else {}
        selector = {**self.node_selector, PRODUCT_LABEL: self.product}
        return {"nodeSelector": selector, "tolerations": [taint.manifest() for taint in self.tolerations], **runtime}

    def limits(self) -> dict[str, str]:
        """Requests equal limits: an extended resource cannot be overcommitted."""
        return {self.resource: str(self.count)}


def placing_problem(gpu: Gpu, nodes: Sequence[Mapping[str, Any]]) -> str:
    """Why no node of the cluster, as the API lists them, can ever have the pod, with what was found; "" when one can."""
    reasons = [_unfit(gpu, node) for node in nodes]
    if "" in reasons:
        return ""
    names = [node["metadata"]["name"] for node in nodes]
    seen = "; ".join(map(": ".join, zip(names, reasons, strict=True))) or "the cluster has no node"
    cure = f"choose what `kubectl get nodes -L {PRODUCT_LABEL}` shows, install the device plugin, or tolerate the taint"
    return f"no node can have {gpu.count} x {gpu.resource} of {gpu.product!r}: {seen}. Cure: {cure}"


def _unfit(gpu: Gpu, node: Mapping[str, Any]) -> str:
    labels = node["metadata"].get("labels", {})
    label = labels.get(PRODUCT_LABEL)
    if label is None:
        return f"has no label {PRODUCT_LABEL}"
    if label != gpu.product:
        return f"has {label!r}"
    missing = [f"{key}={value}" for key, value in gpu.node_selector.items() if labels.get(key) != value]
    if missing:
        return f"has no label {', '.join(missing)}"
    allocatable = int(node.get("status", {}).get("allocatable", {}).get(gpu.resource, 0))
    if allocatable < gpu.count:
        return f"has {allocatable} x {gpu.resource}"
    taints = [taint for taint in node.get("spec", {}).get("taints", []) if taint.get("effect") in {"NoSchedule", "NoExecute"}]
    kept_out = [taint["key"] for taint in taints if not any(toleration.covers(taint) for toleration in gpu.tolerations)]
    return f"is tainted {', '.join(kept_out)}" if kept_out else ""
