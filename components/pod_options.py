"""What the platform asks of every pod of the stack, whatever runs in it: where it may run, how important it is, how it is marked. Pure.

What a part says of itself comes first: its own labels and its own node labels are kept, and tolerations add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.gpu import Toleration


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

    def spec(self) -> dict[str, Any]:
        """Fields of a pod's spec, in the API's own spelling; only those that are set."""
        tolerations = [toleration.manifest() for toleration in self.tolerations]
        fields = {"nodeSelector": dict(self.node_selector), "tolerations": tolerations, "priorityClassName": self.priority_class}
        return {name: value for name, value in fields.items() if value}

    def pull_secret_references(self) -> list[dict[str, str]]:
        """`imagePullSecrets` of a pod or a service account."""
        return [{"name": name} for name in self.pull_secrets]
