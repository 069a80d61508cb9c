"""The embedding service, and the reranker."""

import re
from typing import ClassVar

from pydantic import Field, field_validator

from components.engines.engine import Options, Problem, Role, Version
from stacks.names import PlainText
from stacks.settings.models.serving import Serving

_LAB_MODEL = re.compile(r"lab-char-svd-(\d+)")
_REQUEST = {"model", "input"}
_PROMPTS = ("default-prompt", "default-prompt-name")


class EmbeddingSettings(Serving):
    """The embedding service."""

    role: ClassVar[Role] = "embedding"

    model: PlainText = Field(
        default="lab-char-svd-512", min_length=1, description="model name that requests carry", examples=["lab-char-svd-512"]
    )
    dimension: int = Field(default=512, ge=2, le=32768, description="length of a vector", examples=[512])
    query_prefix: str = Field(default="", description="text before every query, as the model was trained", examples=["'query: '"])
    passage_prefix: str = Field(default="", description="text before every passage, as the model was trained", examples=["'passage: '"])
    query_options: Options = Field(
        default_factory=dict, description="further fields of a request for queries", examples=['\'{"input_type": "query"}\'']
    )
    passage_options: Options = Field(
        default_factory=dict, description="further fields of a request for passages", examples=['\'{"input_type": "passage"}\'']
    )

    @field_validator("query_options", "passage_options")
    @classmethod
    def _leaves_the_request(cls, value: Options) -> Options:
        if wrong := sorted(_REQUEST & value.keys()):
            raise ValueError(f"sets {', '.join(wrong)}, which is the request itself: other texts would be embedded; remove it")
        return value

    def problems(self, version: Version | None = None) -> list[Problem]:
        """Also a dimension that the lab's model cannot have, since it is part of its name, and a prompt that is prepended twice."""
        found = super().problems(version)
        named = _LAB_MODEL.fullmatch(self.model)
        if self.engine == "lab" and named is not None and int(named[1]) != self.dimension:
            text = f"is {self.dimension}, the model {self.model!r} makes vectors of {named[1]}: an index of another could not be searched"
            found.append(Problem(code="models.dimension", setting="dimension", text=f"{text}; write {named[1]}"))
        prompt = next((name for name in _PROMPTS if name in self.options), "")
        if prompt and (self.query_prefix or self.passage_prefix):
            text = "the engine would prepend it to queries and passages alike, besides query_prefix and passage_prefix; remove one of them"
            found.append(Problem(code="models.prompt_twice", setting=f"options.{prompt}", text=text))
        return found


class RerankerSettings(Serving):
    """The reranker: optional."""

    role: ClassVar[Role] = "reranker"

    model: PlainText = Field(default="lab-overlap", min_length=1, description="name of the model", examples=["bge-reranker-v2-m3"])
