"""The embedding service, and the reranker."""

import re
from typing import Literal

from pydantic import Field

from stacks.settings.models.serving import Serving

_LAB_MODEL = re.compile(r"lab-char-svd-(\d+)")


class EmbeddingSettings(Serving):
    """The embedding service."""

    engine: Literal["lab", "tei", "vllm", "external"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(
        default="lab-char-svd-512", min_length=1, description="model name that requests carry", examples=["lab-char-svd-512"]
    )
    dimension: int = Field(default=512, ge=2, le=32768, description="length of a vector", examples=[512])

    def problems(self) -> list[str]:
        """Also a dimension that the lab's model cannot have: it is part of its name."""
        named = _LAB_MODEL.fullmatch(self.model)
        wrong = self.engine == "lab" and named is not None and int(named[1]) != self.dimension
        text = f"dimension is {self.dimension}, the model {self.model!r} makes vectors of {named[1] if named else ''}: an index of another "
        return [*super().problems(), *([text + "dimension could not be searched"] if wrong else []), *self._lab_file_problems()]

    def _lab_file_problems(self) -> list[str]:
        place = self.weights.location if self.engine == "lab" and self.weights is not None else ".npz"
        return [] if place.endswith(".npz") else [f"engine 'lab' loads one fitted file, {place!r} is none; name it in weights.file (.npz)"]


class RerankerSettings(Serving):
    """The reranker: optional."""

    engine: Literal["lab", "tei", "external"] = Field(default="lab", description="what serves the model", examples=["tei"])
    model: str = Field(default="lab-overlap", min_length=1, description="name of the model", examples=["bge-reranker-v2-m3"])

    def problems(self) -> list[str]:
        """Also weights for the lab's, which has none."""
        none = self.engine == "lab" and self.weights is not None
        return [*super().problems(), *(["engine 'lab' reranks without weights and would ignore them"] if none else [])]
