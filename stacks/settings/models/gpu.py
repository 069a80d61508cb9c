"""GPUs of one pod of a model service."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from components.gpu import MIG_PROFILE, Gpu
from components.pod_options import NO_OPTIONS, PodOptions
from stacks.names import GpuProduct, Labels, ObjectName
from stacks.settings.group import Group
from stacks.settings.platform import TolerationSettings


class GpuSettings(Group):
    """GPUs of one pod: without product and count nobody could say where it may run."""

    product: GpuProduct = Field(description="node label nvidia.com/gpu.product", examples=["NVIDIA-H100-80GB-HBM3"])
    count: int = Field(ge=1, le=16, description="GPUs of one pod; vLLM splits the model over all of them", examples=[1])
    memory_gib: float = Field(gt=0, le=1024, description="memory of one GPU or MIG instance", examples=[80])
    memory_share: float = Field(default=0.9, gt=0.1, le=0.98, description="share of it that the engine takes", examples=[0.9])
    mig_profile: str | None = Field(default=None, description="MIG profile, with the mixed strategy", examples=["3g.40gb"])
    tolerations: tuple[TolerationSettings, ...] = Field(
        default=(TolerationSettings(key="nvidia.com/gpu"),), description="taints that are put up with", examples=['\'[{"key": "gpu"}]\'']
    )
    runtime_class: ObjectName | None = Field(default=None, description="RuntimeClass of the pod", examples=["nvidia"])

    node_selector: Labels | None = Field(
        default=None,
        description="further labels of these nodes, instead of the ones of pods.node_selector, where GPUs are another pool",
        examples=['\'{"pool": "gpu"}\''],
    )

    @field_validator("mig_profile")
    @classmethod
    def _is_a_profile(cls, value: str | None) -> str | None:
        if value is not None and not MIG_PROFILE.fullmatch(value):
            raise ValueError(
                "is no MIG profile: it is written like 1g.10gb, compute slices and memory, as `nvidia-smi mig -lgip` lists them"
            )
        return value

    @model_validator(mode="after")
    def _one_instance(self) -> "GpuSettings":
        if self.mig_profile is not None and self.count > 1:
            raise ValueError(
                f"{self.count} MIG instances cannot serve one model: none reaches the memory of another; use a larger profile, or replicas"
            )
        return self

    def made(self, pods: PodOptions = NO_OPTIONS) -> Gpu:
        """As the components take it, with what every pod gets."""
        return Gpu(
            product=self.product,
            count=self.count,
            memory_gib=self.memory_gib,
            memory_share=self.memory_share,
            mig_profile=self.mig_profile,
            tolerations=(*pods.tolerations, *(taint.toleration for taint in self.tolerations)),
            runtime_class=self.runtime_class,
            node_selector=self.node_selector if self.node_selector is not None else pods.node_selector,
        )

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        return {"gpus": self.count, "gpu_memory_gib": self.memory_gib, "gpu_memory_share": self.memory_share}
