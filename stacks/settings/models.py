"""The model services: embedding and LLM."""

from typing import Literal

from pydantic import Field

from stacks.settings.group import Group


class EmbeddingSettings(Group):
    """The embedding service."""

    engine: Literal["lab"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(
        default="lab-char-svd-256", min_length=1, description="model name that requests carry", examples=["lab-char-svd-256"]
    )
    dimension: int = Field(default=256, ge=2, le=32768, description="length of a vector", examples=[256])
    replicas: int = Field(default=1, ge=1, le=64, description="pods", examples=[1])
    cpu_cores: float = Field(default=0.1, gt=0, le=512, description="cores requested by a pod", examples=[0.1])
    memory_gib: float = Field(default=0.5, gt=0, le=4096, description="memory requested by a pod, and its limit", examples=[0.5])


class LlmSettings(Group):
    """The LLM service."""

    engine: Literal["lab"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(default="lab-reader", min_length=1, description="model name that requests carry", examples=["lab-reader"])
    context_tokens: int = Field(default=4096, ge=256, le=10_000_000, description="longest prompt that the model reads", examples=[4096])
    replicas: int = Field(default=1, ge=1, le=64, description="pods", examples=[1])
    cpu_cores: float = Field(default=0.1, gt=0, le=512, description="cores requested by a pod", examples=[0.1])
    memory_gib: float = Field(default=0.5, gt=0, le=4096, description="memory requested by a pod, and its limit", examples=[0.5])
