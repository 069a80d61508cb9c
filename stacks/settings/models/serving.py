"""What all model services share: who serves, what, on what, how many; and which of these belong together.

One group for all engines, and a table of what each can use: a setting that the chosen engine would ignore is refused.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from components.engines import options
from components.engines.engine import Options
from components.scaling import Scaling
from components.weights import copied_gib
from stacks.names import CaFile, ServiceUrl
from stacks.settings.group import Group
from stacks.settings.models.gpu import GpuSettings
from stacks.settings.models.weights import CacheSettings, WeightsSettings

_RUN_HERE = {"replicas", "cpu_cores", "memory_gib", "gpu", "weights", "cache", "options", "scaling", "key_rotation"}


class ExternalSettings(Group):
    """A service that somebody else runs."""

    url: ServiceUrl = Field(description="base of its API, up to and with /v1", examples=["https://models.example.net/v1"])
    plain_http: bool = Field(default=False, description="allow http://, where the network itself is trusted", examples=["true"])
    secret_name: str = Field(default="", description="Secret with its key under api_key; none for no key", examples=["models-api-key"])
    ca_file: CaFile | None = Field(default=None, description="PEM file of its private CA", examples=["/etc/ssl/models-ca.crt"])

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if self.url.startswith("http://") and not self.plain_http:
            raise ValueError(
                f"{self.url!r} would carry documents and the key in clear text; use https://, or, where the network itself is trusted, "
                "plain_http: true"
            )
        if self.url.startswith("http://") and self.ca_file is not None:
            raise ValueError("ca_file would be ignored: there is no TLS at an address that begins with http://")
        return self


class ScalingSettings(Group):
    """How many pods, by load."""

    least: int = Field(default=1, ge=1, le=64, description="pods at least", examples=[1])
    most: int = Field(ge=2, le=256, description="pods at most", examples=[4])
    cpu_percent: int | None = Field(default=None, ge=10, le=100, description="of the requested CPU, on average", examples=[70])
    waiting_requests: int | None = Field(default=None, ge=1, le=10_000, description="that wait in a pod, on average; by KEDA", examples=[4])

    @model_validator(mode="after")
    def _by_one_measure(self) -> Self:
        if (self.cpu_percent is None) == (self.waiting_requests is None):
            raise ValueError("needs one measure: cpu_percent or waiting_requests")
        if self.least >= self.most:
            raise ValueError(f"least is {self.least} and most {self.most}: nothing would ever be scaled")
        return self

    def made(self, prometheus_url: str) -> Scaling:
        """As the components take it."""
        return Scaling(
            least=self.least,
            most=self.most,
            cpu_percent=self.cpu_percent,
            waiting_requests=self.waiting_requests,
            prometheus_url=prometheus_url,
        )


class Serving(Group):
    """A model service."""

    engine: Literal["lab", "tei", "vllm", "llama_cpp", "external"] = Field(
        default="lab", description="what serves the model", examples=["lab"]
    )
    model: str = Field(min_length=1, description="model name that requests carry", examples=["bge-m3"])
    replicas: int = Field(default=1, ge=1, le=64, description="pods", examples=[1])
    cpu_cores: float = Field(default=0.1, gt=0, le=512, description="cores requested by a pod", examples=[0.1])
    memory_gib: float = Field(default=0.5, gt=0, le=4096, description="memory requested by a pod, and its limit", examples=[0.5])
    gpu: GpuSettings | None = Field(default=None, description="GPUs of a pod", examples=['\'{"product": "NVIDIA-L4", "count": 1}\''])
    weights: WeightsSettings | None = Field(default=None, description="where the model is", examples=['\'{"source": "bucket"}\''])
    cache: CacheSettings | None = Field(default=None, description="volume that outlives the pod", examples=["'{\"size_gib\": 40}'"])
    options: Options = Field(default_factory=dict, description="further options of the engine", examples=['\'{"dtype": "float16"}\''])
    scaling: ScalingSettings | None = Field(default=None, description="pods by load", examples=['\'{"most": 4, "cpu_percent": 70}\''])
    external: ExternalSettings | None = Field(default=None, description="the service of engine external", examples=['\'{"url": "..."}\''])
    key_rotation: int = Field(default=1, ge=1, description="another number makes another key", examples=[2])

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if found := self.problems():
            raise ValueError("; ".join(found))
        return self

    def problems(self) -> list[str]:
        """What does not belong together, one sentence each."""
        if self.engine == "external":
            return self._external_problems()
        found = ["external would be ignored: it belongs to the engine 'external'"] if self.external is not None else []
        return [
            *found,
            *self._engine_problems(),
            *options.problems(self.engine, self.options),
            *self._volume_problems(),
            *self._scaling_problems(),
        ]

    def _external_problems(self) -> list[str]:
        if self.external is None:
            return ["engine 'external' needs external.url"]
        ignored = sorted(self.model_fields_set & _RUN_HERE)
        return [f"engine 'external' would ignore {', '.join(ignored)}: who runs the service decides that"] if ignored else []

    def _engine_problems(self) -> list[str]:
        checks = {"lab": self._lab_problems, "tei": self._tei_problems, "vllm": self._vllm_problems, "llama_cpp": self._llama_problems}
        return checks[self.engine]()

    def _lab_problems(self) -> list[str]:
        hub = self.weights is not None and self.weights.source == "hub"
        return [
            *(["engine 'lab' computes on CPU and would ignore gpu"] if self.gpu is not None else []),
            *(["engine 'lab' knows no hub: its model is in its image, on a volume or in a bucket"] if hub else []),
        ]

    @property
    def most_replicas(self) -> int:
        """Pods at most, whatever decides how many."""
        return self.scaling.most if self.scaling is not None else self.replicas

    @property
    def old_pod_goes_first(self) -> bool:
        """Whether a new pod could not be beside the old one, which holds a GPU or a volume."""
        return self.gpu is not None or (self.cache is not None and not self.cache.shared)

    @property
    def disk_gib(self) -> float:
        """What a pod puts on its node's own disk: weights from a bucket without a cache."""
        weights = self.weights
        return copied_gib(weights.size_gib) if weights is not None and weights.source == "bucket" and self.cache is None else 0

    @property
    def ca_pem(self) -> str:
        """Text of external.ca_file, "" without one."""
        chosen = self.external.ca_file if self.external is not None else None
        return Path(chosen).expanduser().read_text(encoding="ascii") if chosen is not None else ""

    def _weights_needed(self) -> list[str]:
        return [f"engine {self.engine!r} needs weights: nobody but you can know which model"] if self.weights is None else []

    def _tei_problems(self) -> list[str]:
        found, weights = self._weights_needed(), self.weights
        if weights is not None and weights.file:
            found.append(f"engine 'tei' loads a folder, and weights.file is {weights.file!r}; leave it out")
        if weights is not None and weights.offline:
            found.append("engine 'tei' asks the hub at every start, whatever its cache holds; without the hub, take a bucket or a volume")
        return found

    def _vllm_problems(self) -> list[str]:
        gpu = ["engine 'vllm' needs gpu, with product, count and memory_gib"] if self.gpu is None else []
        return [*self._weights_needed(), *gpu]

    def _llama_problems(self) -> list[str]:
        found = self._weights_needed()
        if self.gpu is not None:
            found.append("engine 'llama_cpp' computes on CPU here and would ignore gpu; use 'vllm'")
        if self.weights is not None and self.weights.source == "hub":
            found.append("engine 'llama_cpp' cannot pin the revision of a hub, so the model could change; put the file into a bucket")
        if self.weights is not None and not self.weights.location.endswith(".gguf"):
            found.append(
                f"engine 'llama_cpp' loads one GGUF file, {self.weights.location!r} is none; name it in weights.file or weights.path"
            )
        return found

    def _volume_problems(self) -> list[str]:
        found = []
        if self.cache is not None and self.most_replicas > 1 and not self.cache.shared:
            pods = self.most_replicas
            found.append(f"cache is one volume for one node, and {pods} pods may run on several; say cache.shared, or leave it out")
        if self.weights is not None and self.weights.source == "hub" and self.cache is None:
            found.append("weights from a hub without a cache are downloaded again at each restart; give it a cache")
        if self.cache is not None and self.weights is not None and self.cache.size_gib < self.weights.size_gib:
            found.append(f"cache of {self.cache.size_gib:g} GiB is smaller than the weights of {self.weights.size_gib:g} GiB")
        return found

    def _scaling_problems(self) -> list[str]:
        if self.scaling is None:
            return []
        found = ["replicas would be ignored: scaling decides"] if "replicas" in self.model_fields_set else []
        if self.scaling.cpu_percent is not None and self.gpu is not None:
            found.append("scaling.cpu_percent says nothing of a GPU's load; use scaling.waiting_requests")
        if self.scaling.waiting_requests is not None and self.engine == "lab":
            found.append("engine 'lab' has no metric of waiting requests; use scaling.cpu_percent")
        return found
