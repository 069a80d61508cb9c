"""What all model services share: who serves, what, on what, how many; and which of these belong together.

One group for all engines. What an engine can do, and which settings it would ignore, is a matter of its class in `components.engines`.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from components.engines import ENGINES, serving
from components.engines.engine import Model, Options, Problem, Role, Version, model_problem
from stacks.problems import ConflictError, WrongValueError
from stacks.settings.group import Group, setting
from stacks.settings.models.resources import CacheSettings, ExternalSettings, GpuSettings, ScalingSettings, WeightsSettings
from stacks.settings.names import PlainText


class Serving(Group):
    """A model service."""

    role: ClassVar[Role]
    engine: str = setting("lab", "lab", "what serves the model")
    model: PlainText = setting(..., "bge-m3", "model name that requests carry", min_length=1)
    replicas: int = setting(1, 1, "pods", ge=1, le=64)
    cpu_cores: float = setting(0.1, 0.1, "cores requested by a pod", gt=0, le=512)
    memory_gib: float = setting(0.5, 0.5, "memory requested by a pod, and its limit", gt=0, le=4096)
    gpu: GpuSettings | None = setting(None, '\'{"product": "NVIDIA-L4", "count": 1, "memory_gib": 24}\'', "GPUs of a pod")
    weights: WeightsSettings | None = setting(None, '\'{"source": "bucket", "bucket": "weights", "size_gib": 2.3}\'', "where the model is")
    cache: CacheSettings | None = setting(None, "'{\"size_gib\": 40}'", "volume that outlives the pod")
    options: Options = setting({}, '\'{"dtype": "float16"}\'', "further options of the engine")
    scaling: ScalingSettings | None = setting(None, '\'{"most": 4, "cpu_percent": 70}\'', "pods by load")
    external: ExternalSettings | None = setting(None, '\'{"url": "https://models.example.net/v1"}\'', "the service of engine external")
    key_rotation: int = setting(1, 2, "another number makes another key", ge=1)

    @field_validator("engine")
    @classmethod
    def _can_serve(cls, value: str) -> str:
        if value not in (able := serving(cls.role)):
            reason = f"should be {' or '.join(map(repr, able))}"
            raise WrongValueError("settings.choice", reason, f"no other engine serves {cls.role}")
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if reasons := self.problems():
            raise ConflictError(reasons)
        return self

    def problems(self, version: Version | None = None) -> list[Problem]:
        """What does not belong together; with the version of the engine's image, also what that version cannot do."""
        return [*self._ignored(), *ENGINES[self.engine].problems(self.served(version)), *self._fits()]

    def _ignored(self) -> Iterator[Problem]:
        """Settings that the engine would not use, and an external service without an address."""
        ignores = ENGINES[self.engine].ignores
        for name in sorted(self.model_fields_set & ignores.keys()):
            if getattr(self, name) is not None:
                yield model_problem("ignored_by_engine", name=name, engine=self.engine, why=ignores[name])
        if self.external is None and self.engine == "external":
            yield model_problem("external_missing")
        if self.external is not None and self.engine != "external":
            yield model_problem("ignored_by_engine", name="external", engine=self.engine, why="it belongs to the engine 'external'")

    @property
    def runs_here(self) -> bool:
        """Whether the stack starts it."""
        return self.engine != "external"

    @property
    def most_replicas(self) -> int:
        """Pods at most, whatever decides how many."""
        return self.scaling.most if self.scaling is not None else self.replicas

    @property
    def old_pod_goes_first(self) -> bool:
        """Whether a new pod could not be beside the old one, which holds a GPU or a volume."""
        return self.gpu is not None or (self.cache is not None and not self.cache.shared)

    @property
    def ca_pem(self) -> str:
        """Text of external.ca_file, "" without one."""
        return self.external.ca_pem if self.external is not None else ""

    def served(self, version: Version | None = None) -> Model:
        """The model as the engine is told of it."""
        return Model(
            role=self.role,
            name=self.model,
            version=version,
            cpu_cores=self.cpu_cores,
            memory_gib=self.memory_gib,
            options=self.options,
            scales_by_queue=self.scaling is not None and self.scaling.waiting_requests is not None,
            **(self.weights.facts() if self.weights is not None else {}),
            **(self.gpu.facts() if self.gpu is not None else {}),
            **self.limits(),
        )

    def limits(self) -> dict[str, Any]:
        """What bounds the model's memory; a language model says it."""
        return {}

    def _fits(self) -> Iterator[Problem]:
        cache, weights = self.cache, self.weights
        if cache is not None and self.most_replicas > 1 and not cache.shared:
            yield model_problem("cache_shared", pods=self.most_replicas)
        if weights is not None and weights.source == "hub" and cache is None:
            yield model_problem("cache_missing")
        if cache is not None and weights is not None and cache.size_gib < weights.size_gib:
            yield model_problem("cache_size", is_=cache.size_gib, needed=weights.size_gib)
        if self.scaling is not None and "replicas" in self.model_fields_set:
            yield model_problem("ignored_by_scaling")
        if self.scaling is not None and self.scaling.cpu_percent is not None and self.gpu is not None:
            yield model_problem("scaling_by_cpu")
        if self.scaling is not None and self.scaling.waiting_requests is not None and not ENGINES[self.engine].queue_metric:
            yield model_problem("scaling_by_queue", engine=self.engine)
