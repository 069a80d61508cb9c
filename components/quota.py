"""What the pods of a namespace may take together, what a container gets that says nothing, and whether all that is declared fits. Pure.

A quota that is too small shows itself late: pods are not created, and an installation waits for them until it times out. So the sum of what
is declared is compared first. It counts every replica that scaling may ask for, and the extra pods of a rolling update, since an update
that does not fit stands still halfway.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.pods import Resources, cores, gib

_SURGE = 0.25  # share of its replicas that a Deployment may have besides them during an update, rounded up (Kubernetes' default)
_REQUEST = {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"}
CONTAINER_DEFAULTS: dict[str, Any] = {"type": "Container", "defaultRequest": _REQUEST, "default": {"memory": "2Gi"}}
"""For containers that say nothing, such as a sidecar that somebody injects: with a quota they would be refused. No default limit of CPU (it
would throttle) and none of ephemeral storage (it would end pods that cache on the node's disk)."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """Most that all pods may take together."""

    cpu_cores: float
    memory_gib: float  # both requested and limited: no part of ours borrows memory
    pods: int | None  # None for no limit
    ephemeral_storage_gib: float | None  # requested on the nodes' own disks; None for no limit

    def hard(self) -> dict[str, str]:
        """`spec.hard` of a ResourceQuota."""
        memory = gib(self.memory_gib)
        limits = {"requests.cpu": cores(self.cpu_cores), "requests.memory": memory, "limits.memory": memory}
        if self.pods is not None:
            limits["pods"] = str(self.pods)
        if self.ephemeral_storage_gib is not None:
            limits["requests.ephemeral-storage"] = gib(self.ephemeral_storage_gib)
        return limits


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """One set of equal pods."""

    name: str
    replicas: int  # the most that scaling may ask for
    resources: Resources
    ephemeral_storage_gib: float = 0
    surge: int | None = None  # pods besides them during an update; None for a Deployment's default, 0 where the old pod goes first

    @property
    def pods(self) -> int:
        """Pods at the worst moment."""
        return self.replicas + (math.ceil(self.replicas * _SURGE) if self.surge is None else self.surge)


def excess(quota: Quota, consumers: Iterable[Consumer]) -> str:
    """Why the consumers do not fit, with what each of them takes; "" if they do."""
    consumers = list(consumers)
    declared = {
        "cpu_cores": sum(each.pods * each.resources.cpu_cores for each in consumers),
        "memory_gib": sum(each.pods * each.resources.memory_gib for each in consumers),
        "pods": sum(each.pods for each in consumers),
        "ephemeral_storage_gib": sum(each.pods * each.ephemeral_storage_gib for each in consumers),
    }
    limits = {name: getattr(quota, name) for name in declared}
    totals = {name: round(total, 3) for name, total in declared.items()}
    over = [f"{name}: {totals[name]:g} of {limit:g}" for name, limit in limits.items() if limit is not None and totals[name] > limit]
    if not over:
        return ""
    lines = [
        f"  {each.name}: {each.pods} pods of {each.resources.cpu_cores:g} cores and {each.resources.memory_gib:g} GiB" for each in consumers
    ]
    return "\n".join([f"is too small for what is declared ({', '.join(over)}), and pods beyond it are never made:", *lines])
