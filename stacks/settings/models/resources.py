"""What a model service runs on and from: GPUs, weights, a cache volume, how many pods; or the address of one that somebody else runs."""

import re
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.engines.engine import WEIGHTS_PATH
from components.gpu import MIG_PROFILE, Gpu
from components.pods import NO_OPTIONS, PodOptions
from components.scaling import Scaling
from stacks.settings.addresses import ServiceUrl
from stacks.settings.group import Group
from stacks.settings.names import BucketName, CaFile, GpuProduct, Labels, ObjectName, OptionalSecretName, PlainText, SecretName
from stacks.settings.platform import TolerationSettings

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEEDED = {"image": ("path",), "volume": ("claim",), "bucket": ("bucket",), "hub": ("repository", "revision")}
_ALLOWED = {
    "image": {"path"},
    "volume": {"claim", "folder", "file"},
    "bucket": {"bucket", "prefix", "secret_name", "file"},
    "hub": {"repository", "revision", "token_secret", "offline"},
}
_COMMON = {"source", "size_gib"}


class GpuSettings(Group):
    """GPUs of one pod: without product and count nobody could say where it may run."""

    product: GpuProduct = Field(description="node label nvidia.com/gpu.product", examples=["NVIDIA-H100-80GB-HBM3"])
    count: int = Field(ge=1, le=16, description="GPUs of one pod; vLLM splits the model over all of them", examples=[1])
    memory_gib: float = Field(gt=0, le=1024, description="memory of one GPU or MIG instance", examples=[80])
    memory_share: float = Field(default=0.9, gt=0.1, le=0.98, description="share of it that the engine takes", examples=[0.9])
    mig_profile: str | None = Field(default=None, description="MIG profile, with the mixed strategy", examples=["3g.40gb"])
    tolerations: tuple[TolerationSettings, ...] = Field(
        default=(TolerationSettings(key="nvidia.com/gpu"),), examples=['\'[{"key": "gpu"}]\'']
    )
    """taints that are put up with"""
    runtime_class: ObjectName | None = Field(default=None, description="RuntimeClass of the pod", examples=["nvidia"])
    node_selector: Labels | None = Field(default=None, examples=['\'{"pool": "gpu"}\''])
    """further labels of these nodes, instead of the ones of pods.node_selector, where GPUs are another pool"""

    @field_validator("mig_profile")
    @classmethod
    def _is_a_profile(cls, value: str | None) -> str | None:
        if value is not None and not MIG_PROFILE.fullmatch(value):
            written = "it is written like 1g.10gb, compute slices and memory, as `nvidia-smi mig -lgip` lists them"
            raise ValueError(f"is no MIG profile: {written}")
        return value

    @model_validator(mode="after")
    def _one_instance(self) -> "GpuSettings":
        if self.mig_profile is not None and self.count > 1:
            why = "none reaches the memory of another; use a larger profile, or replicas"
            raise ValueError(f"{self.count} MIG instances cannot serve one model: {why}")
        return self

    def to_args(self, pods: PodOptions = NO_OPTIONS) -> Gpu:
        """As the components take it, with what every pod gets."""
        own = self.model_dump(exclude={"tolerations", "node_selector"})
        tolerations = (*pods.tolerations, *(taint.toleration for taint in self.tolerations))
        return Gpu(
            **own, tolerations=tolerations, node_selector=self.node_selector if self.node_selector is not None else pods.node_selector
        )

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        return {"gpus": self.count, "gpu_memory_gib": self.memory_gib, "gpu_memory_share": self.memory_share}


class WeightsSettings(Group):
    """Weights of a model."""

    source: Literal["image", "volume", "bucket", "hub"] = Field(description="where they are", examples=["bucket"])
    size_gib: float = Field(gt=0, le=4096, description="size of the files; how long loading may take follows from it", examples=[2.3])
    path: str | None = Field(default=None, pattern=r"^/", description="path in the image", examples=["/models/bge-m3"])
    claim: ObjectName | None = Field(default=None, description="PersistentVolumeClaim that holds them", examples=["models"])
    folder: PlainText = Field(default="", description="folder on that volume", examples=["bge-m3"])
    bucket: BucketName | None = Field(default=None, description="bucket of the object store, which is there", examples=["weights"])
    prefix: PlainText = Field(default="", description="prefix of the keys, up to and with its slash", examples=["bge-m3/"])
    secret_name: SecretName | None = Field(default=None, examples=["weights"])
    """Secret with access_key and secret_key; default a user is made"""
    file: PlainText = Field(default="", description="the one file that is the model, for llama_cpp", examples=["model-q4_k_m.gguf"])
    repository: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$", examples=["BAAI/bge-m3"])
    """repository on the hub"""
    revision: str | None = Field(default=None, description="commit on the hub", examples=["0123456789abcdef0123456789abcdef01234567"])
    token_secret: OptionalSecretName = Field(default="", description="Secret with the hub's token under token", examples=["hub-token"])
    offline: bool = Field(default=False, description="use only what the cache volume holds already", examples=["true"])

    @model_validator(mode="after")
    def _is_one_place(self) -> "WeightsSettings":
        missing = [name for name in _NEEDED[self.source] if getattr(self, name) is None]
        ignored = sorted(self.model_fields_set - _COMMON - _ALLOWED[self.source])
        if missing:
            raise ValueError(f"source {self.source!r} needs {' and '.join(missing)}")
        if ignored:
            raise ValueError(f"source {self.source!r} would ignore {', '.join(ignored)}; leave it out, or choose another source")
        if self.source == "hub" and not _COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                f"revision {self.revision!r} can move, and two pods would serve two models: name the commit, 40 hexadecimal digits, that "
                "the hub shows under Files"
            )
        for name in (self.folder, self.prefix, self.file):
            if ".." in PurePosixPath(name).parts or name.startswith("/"):
                raise ValueError(f"{name!r} must be a path below the volume or the bucket, without .. and without a slash in front")
        return self

    @property
    def downloads(self) -> bool:
        """Whether the engine asks a hub."""
        return self.source == "hub" and not self.offline

    @property
    def location(self) -> str:
        """What the engine is told."""
        if self.source == "hub":
            return self.repository or ""
        if self.source == "image":
            return self.path or ""
        return f"{WEIGHTS_PATH}/{self.file}" if self.file else WEIGHTS_PATH

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        own = self.model_dump(include={"source", "file", "size_gib"})
        return {**own, "location": self.location, "revision": self.revision or "", "offline": not self.downloads}


class CacheSettings(Group):
    """A volume that outlives the pod, so that a restart neither downloads nor compiles again."""

    size_gib: float = Field(gt=0, le=65536, description="size of the volume", examples=[40])
    storage_class: ObjectName | None = Field(default=None, description="StorageClass; default the cluster's", examples=["fast-nvme"])
    shared: bool = Field(default=False, description="ReadWriteMany: all pods mount it at once", examples=["true"])


class ExternalSettings(Group):
    """A service that somebody else runs."""

    url: ServiceUrl = Field(description="base of its API, up to and with /v1", examples=["https://models.example.net/v1"])
    plain_http: bool = Field(default=False, description="allow http://, where the network itself is trusted", examples=["true"])
    secret_name: OptionalSecretName = Field(default="", examples=["models-api-key"])
    """Secret with its key under api_key; none for no key"""
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

    def to_args(self, prometheus_url: str) -> Scaling:
        """As the components take it."""
        return Scaling(**self.model_dump(), prometheus_url=prometheus_url)
