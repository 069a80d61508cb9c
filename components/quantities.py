"""Cores and GiB as Kubernetes writes them, so that what is declared equals what the API server gives back."""

from collections.abc import Mapping
from dataclasses import dataclass

_MILLI = 1000
_MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one container needs."""

    cpu_cores: float
    """Guaranteed share. There is no CPU limit: throttling would be measured as latency of the search."""
    memory_gib: float
    """Guaranteed and at the same time the limit: memory that is only borrowed is taken back by killing the pod."""

    def manifest(self) -> dict[str, Mapping[str, str]]:
        """`resources` of a container."""
        memory = gib(self.memory_gib)
        return {"requests": {"cpu": cores(self.cpu_cores), "memory": memory}, "limits": {"memory": memory}}


def cores(value: float) -> str:
    """0.25 -> 250m, 2.0 -> 2."""
    milli = round(value * _MILLI)
    return f"{milli}m" if milli % _MILLI else str(milli // _MILLI)


def gib(value: float) -> str:
    """0.5 -> 512Mi, 4.0 -> 4Gi."""
    mib = round(value * _MIB_PER_GIB)
    return f"{mib}Mi" if mib % _MIB_PER_GIB else f"{mib // _MIB_PER_GIB}Gi"
