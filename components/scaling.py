"""How many pods of a model service there are when load changes: by CPU, or by the requests that wait. Pure.

CPU is a fair measure where the engine computes on CPU. On a GPU it says nothing: there the queue does, which only Prometheus knows,
and KEDA is what scales on that.
"""

from dataclasses import dataclass
from typing import Any

_QUIET_S = 300  # before pods are taken away: loading a model again costs more than an idle pod


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Between how many pods, and by what."""

    least: int
    most: int
    cpu_percent: int | None  # of the requested CPU, on average; None for scaling by queue
    waiting_requests: int | None  # a pod, on average; None for scaling by CPU
    prometheus_url: str  # where KEDA asks; "" for scaling by CPU


def cpu_spec(service: str, scaling: Scaling) -> dict[str, Any]:
    """Spec of an autoscaling/v2 HorizontalPodAutoscaler."""
    target = {"type": "Utilization", "averageUtilization": scaling.cpu_percent}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service},
        "minReplicas": scaling.least,
        "maxReplicas": scaling.most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": _QUIET_S}},
    }


def queue_spec(service: str, namespace: str, metric: str, scaling: Scaling) -> dict[str, Any]:
    """Spec of a keda.sh/v1alpha1 ScaledObject; KEDA divides the sum by the pods and compares with the threshold."""
    query = f'sum({metric}{{namespace="{namespace}", pod=~"{service}-.*"}})'
    metadata = {"serverAddress": scaling.prometheus_url, "query": query, "threshold": str(scaling.waiting_requests)}
    return {
        "scaleTargetRef": {"name": service},
        "minReplicaCount": scaling.least,
        "maxReplicaCount": scaling.most,
        "cooldownPeriod": _QUIET_S,
        "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": metadata}],
    }
