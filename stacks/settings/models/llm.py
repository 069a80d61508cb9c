"""The LLM service: also how long a prompt may be, and whether the model fits into the memory that is asked for."""

from typing import Literal

from pydantic import Field

from components.engines import llama_cpp, vllm
from components.memory import Load, Shape, problem
from stacks.settings.group import Group
from stacks.settings.models.serving import Serving

_KV_CACHE_TYPES = {"vllm": vllm.KV_CACHE_TYPES, "llama_cpp": llama_cpp.KV_CACHE_TYPES}
_BYTES_BY_DEFAULT = 2.0


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

    engine: Literal["lab", "vllm", "llama_cpp", "external"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(default="lab-reader", min_length=1, description="model name that requests carry", examples=["lab-reader"])
    context_tokens: int = Field(default=4096, ge=256, le=10_000_000, description="longest prompt and answer together", examples=[4096])
    prompt_tokens: int = Field(
        default=3072, ge=1, le=10_000_000, description="longest prompt that is sent, with its sources", examples=[3072]
    )
    answer_tokens: int = Field(default=512, ge=1, le=1_000_000, description="longest answer", examples=[512])
    sequences: int = Field(default=4, ge=1, le=4096, description="requests that are answered at once", examples=[4])
    kv_cache_type: str = Field(default="", description="type of the KV cache; default the engine's", examples=["fp8"])
    shape: ShapeSettings | None = Field(default=None, description="size of the model", examples=["'{\"layers\": 32}'"])

    def problems(self) -> list[str]:
        """Also a prompt that does not fit, an unknown type of the KV cache, too little memory, weights for the lab's reader."""
        none = ["engine 'lab' quotes without weights and would ignore them"] if self.engine == "lab" and self.weights is not None else []
        return [*super().problems(), *none, *self._prompt_problems(), *self._kv_cache_problems(), *self._memory_problems()]

    def _prompt_problems(self) -> list[str]:
        needed = self.prompt_tokens + self.answer_tokens
        if needed <= self.context_tokens:
            return []
        text = (
            f"context_tokens is {self.context_tokens}, a prompt of {self.prompt_tokens} and an answer of {self.answer_tokens} need {needed}"
        )
        why = "the service would refuse or cut the longest questions; raise context_tokens, or lower prompt_tokens and send fewer sources"
        return [f"{text}: {why}"]

    def _kv_cache_problems(self) -> list[str]:
        types = _KV_CACHE_TYPES.get(self.engine, {})
        if not self.kv_cache_type or self.kv_cache_type in types:
            return []
        return [f"kv_cache_type {self.kv_cache_type!r} is none of engine {self.engine!r}, which knows: {', '.join(types) or 'none'}"]

    def _memory_problems(self) -> list[str]:
        if self.engine not in _KV_CACHE_TYPES:
            return []
        if self.shape is None:
            return [f"engine {self.engine!r} needs shape: without it nobody can tell whether the model fits into the memory"]
        gpus = self.gpu.count if self.gpu is not None else 1
        width = _KV_CACHE_TYPES[self.engine].get(self.kv_cache_type, _BYTES_BY_DEFAULT)
        load = Load(context_tokens=self.context_tokens, sequences=self.sequences, bytes_per_value=width, gpus=gpus)
        if self.gpu is not None:
            usable, what = (
                self.gpu.made().usable_gib,
                f"{gpus} x {self.gpu.memory_gib:g} GiB of GPU, of which {self.gpu.memory_share:.0%} are used",
            )
        else:
            usable, what = self.memory_gib, "memory_gib of the pod"
        found = problem(self.shape.made(), load, usable, what)
        return [f"the model {found}"] if found else []
