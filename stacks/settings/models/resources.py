"""What a model service runs on and from: GPUs, weights, a cache volume, how many pods; or the address of one that somebody else runs."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from components.engines.engine import WEIGHTS_PATH
from components.pods import MIG_PROFILE, NO_OPTIONS, Gpu, PodOptions, Scaling
from stacks.problems import text_of
from stacks.settings import names
from stacks.settings.group import Group, Trusting, setting
from stacks.settings.names import BucketName, CaFile, GpuProduct, Labels, ObjectName, OptionalSecretName, PlainText, SecretName, ServiceUrl
from stacks.settings.platform import TolerationSettings

_COMMIT = re.compile(r"[0-9a-f]{40}")
MigProfile = Annotated[str, AfterValidator(names.unless(MIG_PROFILE.fullmatch, "mig_profile"))]


class GpuSettings(Group):
    """GPUs of one pod: without product and count nobody could say where it may run."""

    product: GpuProduct = setting(..., "NVIDIA-H100-80GB-HBM3", "node label nvidia.com/gpu.product")
    count: int = setting(..., 1, "GPUs of one pod; vLLM splits the model over all of them", ge=1, le=16)
    memory_gib: float = setting(..., 80, "memory of one GPU or MIG instance", gt=0, le=1024)
    memory_share: float = setting(0.9, 0.9, "share of it that the engine takes", gt=0.1, le=0.98)
    mig_profile: MigProfile | None = setting(None, "3g.40gb", "MIG profile, with the mixed strategy")
    tolerations: tuple[TolerationSettings, ...] = setting((TolerationSettings(key="nvidia.com/gpu"),), '\'[{"key": "gpu"}]\'')
    """taints that are put up with"""
    runtime_class: ObjectName | None = setting(None, "nvidia", "RuntimeClass of the pod")
    node_selector: Labels | None = setting(None, '\'{"pool": "gpu"}\'')
    """further labels of these nodes, instead of the ones of pods.node_selector, where GPUs are another pool"""

    @model_validator(mode="after")
    def _one_instance(self) -> "GpuSettings":
        if self.mig_profile is not None and self.count > 1:
            raise ValueError(text_of("mig_instances", count=self.count))
        return self

    def to_args(self, pods: PodOptions = NO_OPTIONS) -> Gpu:
        """As the components take it, with what every pod gets."""
        own, nodes = self.model_dump(exclude={"tolerations", "node_selector"}), self.node_selector
        tolerations = (*pods.tolerations, *(taint.toleration for taint in self.tolerations))
        return Gpu(**own, tolerations=tolerations, node_selector=nodes if nodes is not None else pods.node_selector)

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        return {"gpus": self.count, "gpu_memory_gib": self.memory_gib, "gpu_memory_share": self.memory_share}


class WeightsSettings(Group):
    """Weights of a model."""

    source: Literal["image", "volume", "bucket", "hub"] = setting(..., "bucket", "where they are")
    size_gib: float = setting(..., 2.3, "size of the files; how long loading may take follows from it", gt=0, le=4096)
    path: str | None = setting(None, "/models/bge-m3", "path in the image", pattern=r"^/")
    claim: ObjectName | None = setting(None, "models", "PersistentVolumeClaim that holds them")
    folder: PlainText = setting("", "bge-m3", "folder on that volume")
    bucket: BucketName | None = setting(None, "weights", "bucket of the object store, which is there")
    prefix: PlainText = setting("", "bge-m3/", "prefix of the keys, up to and with its slash")
    secret_name: SecretName | None = setting(None, "weights", "Secret with access_key and secret_key; default a user is made")
    file: PlainText = setting("", "model-q4_k_m.gguf", "the one file that is the model, for llama_cpp")
    repository: str | None = setting(None, "BAAI/bge-m3", "repository on the hub", pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str | None = setting(None, "0123456789abcdef0123456789abcdef01234567", "commit on the hub")
    token_secret: OptionalSecretName = setting("", "hub-token", "Secret with the hub's token under token")
    offline: bool = setting(False, "true", "use only what the cache volume holds already")

    @model_validator(mode="after")
    def _is_one_place(self) -> "WeightsSettings":
        missing = [name for name in names.TABLES["weights"][self.source]["needs"] if getattr(self, name) is None]
        ignored = sorted(self.model_fields_set.difference(names.TABLES["weights"][self.source]["may"]))
        if missing:
            raise ValueError(f"source {self.source!r} needs {' and '.join(missing)}")
        if ignored:
            raise ValueError(f"source {self.source!r} would ignore {', '.join(ignored)}; leave it out, or choose another source")
        if self.source == "hub" and not _COMMIT.fullmatch(self.revision or ""):
            raise ValueError(text_of("revision_moves", revision=self.revision))
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
        there = f"{WEIGHTS_PATH}/{self.file}" if self.file else WEIGHTS_PATH
        return {"hub": self.repository or "", "image": self.path or ""}.get(self.source, there)

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        own = self.model_dump(include={"source", "file", "size_gib"})
        return {**own, "location": self.location, "revision": self.revision or "", "offline": not self.downloads}


class CacheSettings(Group):
    """A volume that outlives the pod, so that a restart neither downloads nor compiles again."""

    size_gib: float = setting(..., 40, "size of the volume", gt=0, le=65536)
    storage_class: ObjectName | None = setting(None, "fast-nvme", "StorageClass; default the cluster's")
    shared: bool = setting(False, "true", "ReadWriteMany: all pods mount it at once")


class ExternalSettings(Trusting):
    """A service that somebody else runs."""

    url: ServiceUrl = setting(..., "https://models.example.net/v1", "base of its API, up to and with /v1")
    plain_http: bool = setting(False, "true", "allow http://, where the network itself is trusted")
    secret_name: OptionalSecretName = setting("", "models-api-key", "Secret with its key under api_key; none for no key")
    ca_file: CaFile | None = setting(None, "/etc/ssl/models-ca.crt", "PEM file of its private CA")

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if self.url.startswith("http://") and not self.plain_http:
            raise ValueError(text_of("plain_http", url=self.url))
        if self.url.startswith("http://") and self.ca_file is not None:
            raise ValueError("ca_file would be ignored: there is no TLS at an address that begins with http://")
        return self


class ScalingSettings(Group):
    """How many pods, by load."""

    least: int = setting(1, 1, "pods at least", ge=1, le=64)
    most: int = setting(..., 4, "pods at most", ge=2, le=256)
    cpu_percent: int | None = setting(None, 70, "of the requested CPU, on average", ge=10, le=100)
    waiting_requests: int | None = setting(None, 4, "that wait in a pod, on average; by KEDA", ge=1, le=10_000)

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
