"""How big each component of a cluster is, where it runs, and how far it grows.

One class a component, with its sizes as defaults of its fields: a part of a group, such as more memory, keeps the rest.
"""

from typing import Annotated

from pydantic import Field

from stacks.settings.group import Group
from stacks.settings.names import Labels, ObjectName
from stacks.settings.platform import TolerationSettings


class AutoscalingSettings(Group):
    """How far a component grows by itself; `replicas` is the least."""

    most_replicas: int = Field(ge=2, le=256, description="most pods", examples=[8])
    cpu_percent: int = Field(default=70, ge=10, le=95, description="grow above this share of the cores requested", examples=[70])
    memory_percent: int | None = Field(default=None, ge=10, le=95, examples=[80])
    """grow above this share of the memory; query nodes only"""


Pods = Annotated[int, Field(ge=1, le=256, description="pods", examples=[3])]
Cores = Annotated[float, Field(gt=0, le=512, description="cores requested by a pod", examples=[6])]
MemoryGib = Annotated[float, Field(ge=0.5, le=4096, description="memory requested by a pod, and its limit", examples=[64])]


class ComponentSettings(Group):
    """What all components of a cluster share; each of them has sizes of its own."""

    replicas: Pods
    cpu_cores: Cores
    memory_gib: MemoryGib
    ephemeral_storage_gib: float | None = Field(default=None, gt=0, le=65536, examples=[200])
    """reserved on the node's own disk, for indexes and mapped files"""
    node_selector: Labels = Field(default_factory=dict, description="labels of its nodes", examples=['\'{"pool": "milvus"}\''])
    tolerations: tuple[TolerationSettings, ...] = Field(default=(), examples=['\'[{"key": "dedicated"}]\''])
    """taints of its nodes"""


class ScalingSettings(ComponentSettings):
    """A component that the chart can let grow."""

    autoscaling: AutoscalingSettings | None = Field(default=None, examples=["'{\"most_replicas\": 8}'"])
    """let it grow by itself"""


class ProxySettings(ScalingSettings):
    """Where clients come in."""

    replicas: Pods = 2
    cpu_cores: Cores = 2
    memory_gib: MemoryGib = 4


class CoordinatorSettings(ComponentSettings):
    """The coordinators in one process."""

    replicas: Pods = 2
    cpu_cores: Cores = 1
    memory_gib: MemoryGib = 4
    active_standby: bool = Field(default=True, examples=["false"])
    """let a second one stand by; needed for more than one replica"""


class QueryNodeSettings(ScalingSettings):
    """What holds the indexes and searches them."""

    replicas: Pods = 2
    cpu_cores: Cores = 8
    memory_gib: MemoryGib = 32
    gpus: int = Field(default=0, ge=0, le=16, description="nvidia.com/gpu of a pod", examples=[1])
    runtime_class: ObjectName | None = Field(default=None, description="runtimeClassName for GPUs", examples=["nvidia"])


class DataNodeSettings(ScalingSettings):
    """What builds indexes and compacts."""

    replicas: Pods = 2
    cpu_cores: Cores = 4
    memory_gib: MemoryGib = 16


class StreamingNodeSettings(ComponentSettings):
    """What takes writes in."""

    replicas: Pods = 2
    cpu_cores: Cores = 2
    memory_gib: MemoryGib = 8
