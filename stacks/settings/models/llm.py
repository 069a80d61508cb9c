"""The LLM service: also how long a prompt may be, and how an answer is asked for."""

from typing import Any, ClassVar

from pydantic import Field

from components.engines.engine import Problem, Role, Version
from components.memory import Shape
from stacks.names import PlainText
from stacks.settings.group import Group
from stacks.settings.models.serving import Serving


class ShapeSettings(Group):
    """Numbers of the model's configuration, from which its memory is estimated; in its config.json under the names given."""

    parameters_billion: float = Field(gt=0, le=10_000, description="parameters", examples=[8.03])
    bytes_per_parameter: float = Field(gt=0.1, le=4, description="2 for bfloat16, 1 for fp8, about 0.57 for 4 bits", examples=[2])
    layers: int = Field(ge=1, le=1000, description="num_hidden_layers", examples=[32])
    kv_heads: int = Field(ge=1, le=1000, description="num_key_value_heads", examples=[8])
    head_dimension: int = Field(ge=8, le=1024, description="head_dim, or hidden_size / num_attention_heads", examples=[128])

    def made(self) -> Shape:
        """As the components take it."""
        return Shape(**self.model_dump())


class LlmSettings(Serving):
    """The LLM service."""

    role: ClassVar[Role] = "llm"

    model: PlainText = Field(default="lab-reader", min_length=1, description="model name that requests carry", examples=["lab-reader"])
    context_tokens: int = Field(default=4096, ge=256, le=10_000_000, description="longest prompt and answer together", examples=[4096])
    prompt_tokens: int = Field(
        default=3072, ge=1, le=10_000_000, description="longest prompt that is sent, with its sources", examples=[3072]
    )
    answer_tokens: int = Field(default=512, ge=1, le=1_000_000, description="longest answer, sent as max_tokens", examples=[512])
    temperature: float | None = Field(
        default=0, ge=0, le=2, description="sent with every question; null for a model that refuses it", examples=["0.6"]
    )
    sequences: int = Field(default=4, ge=1, le=4096, description="requests that are answered at once", examples=[4])
    kv_cache_type: str = Field(default="", description="type of the KV cache; default the engine's", examples=["fp8"])
    shape: ShapeSettings | None = Field(
        default=None,
        description="size of the model",
        examples=['\'{"parameters_billion": 8.03, "bytes_per_parameter": 2, "layers": 32, "kv_heads": 8, "head_dimension": 128}\''],
    )

    def problems(self, version: Version | None = None) -> list[Problem]:
        """Also a prompt that does not fit."""
        found, needed = super().problems(version), self.prompt_tokens + self.answer_tokens
        if needed > self.context_tokens:
            text = (
                f"is {self.context_tokens}, a prompt of {self.prompt_tokens} and an answer of {self.answer_tokens} need {needed}: long "
                "questions would be refused or cut; raise context_tokens, or lower prompt_tokens and send fewer sources"
            )
            found.append(Problem(code="models.context", setting="context_tokens", text=text))
        return found

    def limits(self) -> dict[str, Any]:
        """Context, sequences, KV cache and shape."""
        return {
            "context_tokens": self.context_tokens,
            "sequences": self.sequences,
            "kv_cache_type": self.kv_cache_type,
            "shape": self.shape.made() if self.shape is not None else None,
        }
