"""What a cluster asks of whatever runs in it: places, marks, ids of users, its own name, and who reads metrics."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.gpu import Toleration
from stacks.settings.group import Group
from stacks.settings.names import LabelKey, Labels, LabelValue, ObjectName, PlainText, label_key

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OURS = ("app.kubernetes.io/", "milvus-x10000/")


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value):
        raise ValueError(
            "is no domain, so no Service would be resolved: lower-case letters, digits, dashes and dots, without a dot at either end"
        )
    return value


def _marks(value: dict[str, str]) -> dict[str, str]:
    ours = sorted(key for key in map(label_key, value) if key == "component" or key.startswith(_OURS))
    if ours:
        raise ValueError(f"names {', '.join(ours)}, by which services, network policies and restarts find our pods; choose another key")
    return value


Marks = Annotated[dict[str, str], AfterValidator(_marks)]


class TolerationSettings(Group):
    """A taint of nodes that is put up with."""

    key: LabelKey = Field(description="key of the taint", examples=["dedicated"])
    value: LabelValue | None = Field(default=None, description="its value; none for any", examples=["milvus"])
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(default=None, examples=["NoSchedule"])
    """its effect; none for any"""

    @property
    def toleration(self) -> Toleration:
        """As the components take it."""
        return Toleration(**self.model_dump())


class PodSettings(Group):
    """What every pod of the stack gets: Milvus, etcd, model services, Jobs, load generators. A part's own settings come first."""

    node_selector: Labels = Field(default_factory=dict, examples=['\'{"pool": "rag"}\''])
    """labels that every node of ours must have"""
    tolerations: tuple[TolerationSettings, ...] = Field(default=(), examples=['\'[{"key": "dedicated"}]\''])
    """taints of those nodes; without them no pod is ever placed there"""
    priority_class: ObjectName | None = Field(default=None, examples=["rag-high"])
    """PriorityClass: without one any other pod may push ours off a full node"""
    labels: Annotated[Labels, AfterValidator(_marks)] = Field(default_factory=dict, examples=['\'{"cost-centre": "4711"}\''])
    """further labels, such as a cost centre"""
    annotations: Marks = Field(default_factory=dict, examples=['\'{"team": "search"}\''])
    """further annotations, such as the ones of a service mesh"""


class PodSecuritySettings(Group):
    """What the platform's admission decides by itself."""

    assign_ids: bool = Field(default=True, examples=["false"])
    """state user and group of every pod; false on OpenShift, which assigns them from the range of the namespace"""


class ClusterSettings(Group):
    """The Kubernetes cluster of this environment."""

    domain: Annotated[str, AfterValidator(_domain)] = Field(default="cluster.local", examples=["k8s.example.net"])
    """domain of the cluster's own names: another one makes every address of a Service unknown"""
    context: PlainText | None = Field(default=None, min_length=1, examples=["prod-admin@prod"])
    """context of the kubeconfig that this environment belongs to; any other is refused"""


class MonitoringSettings(Group):
    """What Prometheus's operator is told; the cluster must have its CRDs."""

    enabled: bool = Field(default=False, description="make a ServiceMonitor for Milvus and one for each model service", examples=["true"])
    labels: Labels = Field(default_factory=dict, examples=['\'{"release": "kube-prometheus-stack"}\''])
    """labels by which Prometheus selects monitors; without them most installations read none of ours"""

    @model_validator(mode="after")
    def _labels_have_a_monitor(self) -> "MonitoringSettings":
        if self.labels and not self.enabled:
            raise ValueError("labels would be ignored: no monitor is made unless monitoring.enabled is true")
        return self
