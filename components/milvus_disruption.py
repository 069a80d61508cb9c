"""How many pods of Milvus a node's maintenance may take away at once: one of each component that has more than one.

The chart has none of these budgets. A component with one pod gets none: the budget would forbid every drain of its node.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s


@dataclass(frozen=True, kw_only=True)
class MilvusDisruptionArgs:
    """Whom to protect."""

    namespace: pulumi.Input[str]
    components: tuple[str, ...]
    """Values of the label `component` of those with more than one pod; at least one."""


class MilvusDisruption(pulumi.ComponentResource):
    """A PodDisruptionBudget for each component of Milvus with more than one pod."""

    def __init__(self, name: str, args: MilvusDisruptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:MilvusDisruption", name, None, opts)
        for component in args.components:
            self._make_budget(name, component, args.namespace)
        self.register_outputs({})

    def _make_budget(self, name: str, component: str, namespace: pulumi.Input[str]) -> k8s.policy.v1.PodDisruptionBudget:
        labels = {"app.kubernetes.io/name": "milvus", "app.kubernetes.io/instance": "milvus", "component": component}
        return k8s.policy.v1.PodDisruptionBudget(
            f"{name}-{component}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=f"milvus-{component}", namespace=namespace),
            spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels),
                unhealthy_pod_eviction_policy="AlwaysAllow",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
