"""What the platform asks of every pod of the stack, whatever runs in it: where it may run, how important it is, how it is marked. Pure.

What a part says of itself comes first: its own labels and its own node labels are kept, and tolerations add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components import pod_security
from components.gpu import Toleration

_NOTHING: Mapping[str, Any] = {}
_WITHOUT_SIDECARS: Mapping[str, Mapping[str, str]] = {
    "labels": {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"},
    "annotations": {
        "sidecar.istio.io/inject": "false",
        "linkerd.io/inject": "disabled",
        "consul.hashicorp.com/connect-inject": "false",
    },
}
"""How service meshes are told to leave a pod alone: a container of theirs that never ends would keep a Job from ending."""


@dataclass(frozen=True, kw_only=True)
class PodOptions:
    """Options of every pod; by default none."""

    pull_secrets: tuple[str, ...] = ()
    """Secrets of the namespace with the credentials of registries; pods of our service accounts have them already."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that are put up with."""
    priority_class: str | None = None
    """PriorityClass; None for the cluster's default."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    assign_ids: bool = True
    """State user, group and fsGroup; False where the platform assigns them, as OpenShift does."""

    def metadata(self, labels: Mapping[str, Any], annotations: Mapping[str, Any] = _NOTHING, *, job: bool = False) -> dict[str, Any]:
        """`metadata` of a pod with these labels and annotations of its own; that of a `job` keeps sidecars away."""
        kept_away = _WITHOUT_SIDECARS if job else {"labels": {}, "annotations": {}}
        marks = {
            "labels": {**self.labels, **labels, **kept_away["labels"]},
            "annotations": {**self.annotations, **annotations, **kept_away["annotations"]},
        }
        return {name: value for name, value in marks.items() if value}

    def spec(self) -> dict[str, Any]:
        """Fields of a pod's spec, in the API's own spelling; only those that are set."""
        tolerations = [toleration.manifest() for toleration in self.tolerations]
        fields = {"nodeSelector": dict(self.node_selector), "tolerations": tolerations, "priorityClassName": self.priority_class}
        return {name: value for name, value in fields.items() if value}

    def security(self) -> dict[str, Any]:
        """`securityContext` of a pod."""
        return pod_security.pod(assign_ids=self.assign_ids)


NO_OPTIONS = PodOptions()
