"""The model services: embedding, LLM and reranker, and what they need of other settings."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import field_validator

from components.engines import ENGINES
from components.engines.engine import Options, Problem, Role, Version, model_problem
from components.memory import Shape
from stacks import images as image_references
from stacks.settings.group import Group, setting
from stacks.settings.models.serving import Serving
from stacks.settings.names import PlainText, ServiceUrl
from stacks.settings.platform import ImageSettings

_LAB_MODEL, _LAB_DIMENSION = "multilingual-e5-small-q4", 384  # what lab/services serves
_REQUEST = {"model", "input"}
_PROMPTS = ("default-prompt", "default-prompt-name")


class EmbeddingSettings(Serving):
    """The embedding service."""

    role: ClassVar[Role] = "embedding"
    model: PlainText = setting(_LAB_MODEL, "bge-m3", "model name that requests carry", min_length=1)
    dimension: int = setting(_LAB_DIMENSION, _LAB_DIMENSION, "length of a vector", ge=2, le=32768)
    query_prefix: str = setting("", "'query: '", "text before every query, as the model was trained")
    passage_prefix: str = setting("", "'passage: '", "text before every passage, as the model was trained")
    query_options: Options = setting({}, '\'{"input_type": "query"}\'', "further fields of a request for queries")
    passage_options: Options = setting({}, '\'{"input_type": "passage"}\'', "further fields of a request for passages")

    @field_validator("query_options", "passage_options")
    @classmethod
    def _leaves_the_request(cls, value: Options) -> Options:
        if wrong := sorted(_REQUEST & value.keys()):
            raise ValueError(f"sets {', '.join(wrong)}, which is the request itself: other texts would be embedded; remove it")
        return value

    def problems(self, version: Version | None = None) -> list[Problem]:
        """Also a dimension that the lab's model cannot have, and a prompt that is prepended twice."""
        reasons = super().problems(version)
        if self.engine == "lab" and self.model == _LAB_MODEL and self.dimension != _LAB_DIMENSION:
            reasons.append(model_problem("dimension", is_=self.dimension, model=_LAB_MODEL, made=_LAB_DIMENSION))
        prompt = next((name for name in _PROMPTS if name in self.options), "")
        if prompt and (self.query_prefix or self.passage_prefix):
            reasons.append(model_problem("prompt_twice", name=prompt))
        return reasons


class RerankerSettings(Serving):
    """The reranker: optional."""

    role: ClassVar[Role] = "reranker"
    model: PlainText = setting("lab-overlap", "bge-reranker-v2-m3", "name of the model", min_length=1)


class ShapeSettings(Group):
    """Numbers of the model's configuration, from which its memory is estimated; in its config.json under the names given."""

    parameters_billion: float = setting(..., 8.03, "parameters", gt=0, le=10_000)
    bytes_per_parameter: float = setting(..., 2, "2 for bfloat16, 1 for fp8, about 0.57 for 4 bits", gt=0.1, le=4)
    layers: int = setting(..., 32, "num_hidden_layers", ge=1, le=1000)
    kv_heads: int = setting(..., 8, "num_key_value_heads", ge=1, le=1000)
    head_dimension: int = setting(..., 128, "head_dim, or hidden_size / num_attention_heads", ge=8, le=1024)

    def to_args(self) -> Shape:
        """As the components take it."""
        return Shape(**self.model_dump())


class LlmSettings(Serving):
    """The LLM service."""

    role: ClassVar[Role] = "llm"
    model: PlainText = setting("lab-reader", "lab-reader", "model name that requests carry", min_length=1)
    context_tokens: int = setting(4096, 4096, "longest prompt and answer together", ge=256, le=10_000_000)
    prompt_tokens: int = setting(3072, 3072, "longest prompt that is sent, with its sources", ge=1, le=10_000_000)
    answer_tokens: int = setting(512, 512, "longest answer, sent as max_tokens", ge=1, le=1_000_000)
    temperature: float | None = setting(0, "0.6", "sent with every question; null for a model that refuses it", ge=0, le=2)
    sequences: int = setting(4, 4, "requests that are answered at once", ge=1, le=4096)
    kv_cache_type: str = setting("", "fp8", "type of the KV cache; default the engine's")
    shape: ShapeSettings | None = setting(
        None, '\'{"parameters_billion": 8.03, "bytes_per_parameter": 2, "layers": 32, "kv_heads": 8, "head_dimension": 128}\''
    )
    """size of the model"""

    def problems(self, version: Version | None = None) -> list[Problem]:
        """Also a prompt that does not fit."""
        reasons, needed = super().problems(version), self.prompt_tokens + self.answer_tokens
        if needed > self.context_tokens:
            sizes = {"is_": self.context_tokens, "prompt": self.prompt_tokens, "answer": self.answer_tokens, "needed": needed}
            reasons.append(model_problem("context", **sizes))
        return reasons

    def limits(self) -> dict[str, Any]:
        """Context, sequences, KV cache and shape."""
        own = self.model_dump(include={"context_tokens", "sequences", "kv_cache_type"})
        return {**own, "shape": self.shape.to_args() if self.shape is not None else None}


class KedaSettings(Group):
    """KEDA is installed in the cluster; without it nothing can scale by a queue."""

    prometheus_url: ServiceUrl = setting(..., "http://prometheus.monitoring.svc:9090", "Prometheus that scrapes the model services")


def version(service: Serving, image: str | None) -> Version | None:
    """Version of a service's engine, by the tag of its image; None where it shows none."""
    if image is None:
        return None
    name = image_references.parse(image)
    return ENGINES[service.engine].version(name.repository, name.tag)


def problems(
    services: Mapping[str, Serving | None], images: ImageSettings, keda: KedaSettings | None, *, makes_users: bool
) -> Iterator[Problem]:
    """Everything that is missing or too old."""
    for name, service in ((name, service) for name, service in services.items() if service is not None):
        weights, scaling = service.weights, service.scaling
        if service.runs_here and getattr(images, name) is None:
            yield model_problem("image_missing", name=name, engine=service.engine)
        if weights is not None and weights.source == "bucket" and images.suite is None:
            yield model_problem("suite_missing", name=name)
        own = service.problems(version(service, getattr(images, name)))
        if scaling is not None and scaling.waiting_requests is not None and keda is None:
            own.append(model_problem("keda"))
        if weights is not None and weights.source == "bucket" and weights.secret_name is None and not makes_users:
            own.append(model_problem("weights_secret"))
        yield from (replace(each, setting=f"{name}.{each.setting}") for each in own)
