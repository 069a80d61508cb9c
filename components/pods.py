"""What all pods of the blueprint have in common, in the Kubernetes API's own spelling. Pure.

What the platform asks of every pod (`PodOptions`): where it may run, how important it is, how it is marked; what a part says of itself
comes first. What a container may do: nothing that the pod-security standard `restricted` forbids, on a root file system that it cannot
write. Cores and GiB are written as the API server gives them back. GPUs are named as NVIDIA's device plugin and its feature discovery name
them: `nvidia.com/gpu` or, with the mixed MIG strategy, `nvidia.com/mig-<profile>`, and the node label `nvidia.com/gpu.product`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pulumi  # settings read this file too, and commands that only read settings do not wait for Pulumi

USER_ID = 10001
"""No user of a node has it, and reads by it the environment of these processes. Numeric, for the kubelet to see that it is not root."""
PRODUCT_LABEL = "nvidia.com/gpu.product"
MIG_PROFILE = re.compile(r"[1-7]g\.\d{1,3}gb")
PART_OF = {"app.kubernetes.io/part-of": "milvus-x10000"}
_MILLI = 1000
_MIB_PER_GIB = 1024
_PROBE_EVERY_S = 5
_NOTHING: Mapping[str, Any] = {}
Sources = Mapping[str, tuple[str, dict[str, Any]]]  # what a container reads: its path and the source of the volume, by name
_WITHOUT_SIDECARS: Mapping[str, Mapping[str, str]] = {
    "labels": {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"},
    "annotations": {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false"},
}
"""How service meshes are told to leave a pod alone: a container of theirs that never ends would keep a Job from ending."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one container needs."""

    cpu_cores: float  # Guaranteed share. There is no CPU limit: throttling would be measured as latency of the search.
    memory_gib: float  # guaranteed and at the same time the limit: memory that is only borrowed is taken back by killing the pod

    def manifest(self) -> dict[str, Mapping[str, str]]:
        """`resources` of a container."""
        memory = gib(self.memory_gib)
        return {"requests": {"cpu": cores(self.cpu_cores), "memory": memory}, "limits": {"memory": memory}}


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Between how many pods of a model service, and by what: CPU where the engine computes on CPU, else the requests that wait."""

    least: int
    most: int
    cpu_percent: int | None  # of the requested CPU, on average; None for scaling by queue
    waiting_requests: int | None  # a pod, on average; None for scaling by CPU
    prometheus_url: str  # where KEDA asks; "" for scaling by CPU


def cores(value: float) -> str:
    """0.25 -> 250m, 2.0 -> 2."""
    milli = round(value * _MILLI)
    return f"{milli}m" if milli % _MILLI else str(milli // _MILLI)


def gib(value: float) -> str:
    """0.5 -> 512Mi, 4.0 -> 4Gi."""
    mib = round(value * _MIB_PER_GIB)
    return f"{mib}Mi" if mib % _MIB_PER_GIB else f"{mib // _MIB_PER_GIB}Gi"


def pod_security(*, assign_ids: bool = True, user: int = USER_ID, group: int | None = None) -> dict[str, Any]:
    """`securityContext` of a pod; `fsGroup` makes its volumes writable.

    Without ids where the platform's admission assigns them from a range of its own, as OpenShift does, and refuses any other.
    """
    main = user if group is None else group
    ids = {"runAsUser": user, "runAsGroup": main, "fsGroup": user, "fsGroupChangePolicy": "OnRootMismatch"} if assign_ids else {}
    return {"runAsNonRoot": True, **ids, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security() -> dict[str, Any]:
    """`securityContext` of a container."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


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
class PodOptions:
    """Options of every pod; by default none."""

    pull_secrets: tuple[str, ...] = ()
    """Secrets of the namespace with the credentials of registries; pods of our service accounts have them already."""
    node_selector: Mapping[str, str] = field(default_factory=dict)  # labels that a node must have
    tolerations: tuple[Toleration, ...] = ()  # taints of nodes that a pod tolerates
    priority_class: str | None = None  # PriorityClass; None for the cluster's default
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    assign_ids: bool = True  # state user, group and fsGroup; False where the platform assigns them, as OpenShift does

    def metadata(self, labels: Mapping[str, Any], annotations: Mapping[str, Any] = _NOTHING, *, job: bool = False) -> dict[str, Any]:
        """`metadata` of a pod with these labels and annotations of its own; that of a `job` keeps sidecars away."""
        kept_away = _WITHOUT_SIDECARS if job else {"labels": {}, "annotations": {}}
        marks = {"labels": {**self.labels, **labels}, "annotations": {**self.annotations, **annotations}}
        return {name: {**value, **kept_away[name]} for name, value in marks.items() if value or kept_away[name]}

    def place(self) -> dict[str, Any]:
        """Fields of a pod's spec that say where it may run and how important it is; only those that are set."""
        tolerations = [toleration.manifest() for toleration in self.tolerations]
        fields = {"nodeSelector": dict(self.node_selector), "tolerations": tolerations, "priorityClassName": self.priority_class}
        return {name: value for name, value in fields.items() if value}


NO_OPTIONS = PodOptions()


def pod(
    account: "pulumi.Input[str]",
    options: PodOptions,
    container: dict[str, Any],
    volumes: Sequence[Any],
    **more: Any,  # noqa: ANN401  fields of the spec
) -> dict[str, Any]:
    """Spec of a pod of one container, which gets no token of the cluster and no address of a Service in its environment."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(assign_ids=options.assign_ids),
        **options.place(),
        **more,
        "containers": [{"imagePullPolicy": "IfNotPresent", "securityContext": container_security(), **container}],
        "volumes": list(volumes),
    }


def mounted(sources: Sources) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mounts and volumes of what a container reads, by name with path and source, and of a /tmp that it writes."""
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": path, "readOnly": True} for name, (path, _) in sources.items()]
    volumes: list[dict[str, Any]] = [{"name": name, **source} for name, (_, source) in sources.items()]
    return [{"name": "tmp", "mountPath": "/tmp"}, *mounts], [{"name": "tmp", "emptyDir": {}}, *volumes]  # noqa: S108  a path in the container


def probes(path: str, starting_s: int) -> dict[str, Any]:
    """Three probes of a container that ask the same path of its port `http`: only once it has started the other two count."""
    probe = {"httpGet": {"path": path, "port": "http"}, "periodSeconds": _PROBE_EVERY_S, "timeoutSeconds": _PROBE_EVERY_S}
    starting = {**probe, "periodSeconds": 1, "failureThreshold": starting_s}
    return {"startupProbe": starting, "readinessProbe": probe, "livenessProbe": {**probe, "failureThreshold": 6}}


def from_secret(variable: str, secret: "pulumi.Input[str]", key: str) -> dict[str, Any]:
    """Environment variable of a container whose value stays in a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


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
