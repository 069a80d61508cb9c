"""How big each component of a cluster is, where it runs, and how far it grows."""

from pydantic import Field

from stacks.names import YamlText
from stacks.settings.group import Group
from stacks.settings.platform import TolerationSettings


class AutoscalingSettings(Group):
    """How far a component grows by itself; `replicas` is the least."""

    most_replicas: int = Field(ge=2, le=256, description="most pods", examples=[8])
    cpu_percent: int = Field(default=70, ge=10, le=95, description="grow above this share of the cores requested", examples=[70])
    memory_percent: int | None = Field(
        default=None, ge=10, le=95, description="grow above this share of the memory; query nodes only", examples=[80]
    )


class ComponentSettings(Group):
    """One component."""

    replicas: int = Field(default=1, ge=1, le=256, description="pods", examples=[2])
    cpu_cores: float = Field(default=1, gt=0, le=512, description="cores requested by a pod", examples=[4])
    memory_gib: float = Field(default=4, ge=0.5, le=4096, description="memory requested by a pod, and its limit", examples=[16])
    ephemeral_storage_gib: float | None = Field(
        default=None, gt=0, le=65536, description="reserved on the node's own disk, for indexes and mapped files", examples=[200]
    )
    node_selector: dict[str, str] = Field(default_factory=dict, description="labels of its nodes", examples=['\'{"pool": "milvus"}\''])
    tolerations: tuple[TolerationSettings, ...] = Field(
        default=(), description="taints of its nodes", examples=['\'[{"key": "dedicated"}]\'']
    )


class ScalingSettings(ComponentSettings):
    """A component that the chart can let grow."""

    autoscaling: AutoscalingSettings | None = Field(
        default=None, description="let it grow by itself", examples=["'{\"most_replicas\": 8}'"]
    )


class CoordinatorSettings(ComponentSettings):
    """The coordinators in one process."""

    active_standby: bool = Field(
        default=False, description="let a second one stand by; needed for more than one replica", examples=["true"]
    )


class QueryNodeSettings(ScalingSettings):
    """What holds the indexes and searches them."""

    gpus: int = Field(default=0, ge=0, le=16, description="nvidia.com/gpu of a pod", examples=[1])
    runtime_class: YamlText | None = Field(default=None, description="runtimeClassName for GPUs", examples=["nvidia"])
