"""Typed settings: every one, its default, its reason, an example. The only reader of the stack's configuration.

Refuses an unknown key, since a typing error would be silence; and a key or a password anywhere, since there is no field for one.
Everything is checked before anything is created.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pulumi
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.versions import MILVUS_CHART, MILVUS_CHART_REPOSITORY, MILVUS_CHART_VERSION
from stacks import problems
from stacks.names import BucketName, CaFile, Endpoint, Image, Namespace, RootPath, YamlText, require_bucket_name

PROJECT = "milvus-x10000"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageSettings(_Group):
    """Images; what may be run is the operator's decision, so none has a default."""

    milvus: Image = Field(description="image of Milvus", examples=["registry.example.net/milvusdb/milvus:v2.6.15"])
    embedding: Image = Field(description="image of the embedding service", examples=["registry.example.net/embedding:1.2.0"])
    llm: Image = Field(description="image of the LLM service", examples=["registry.example.net/llm:1.2.0"])


class ObjectStoreSettings(_Group):
    """The S3 store: where it is, who administers it, what is made on it."""

    driver: Literal["s3"] = Field(default="s3", description="how buckets and users are made", examples=["s3"])
    endpoint: Endpoint = Field(description="S3 API, as pods and this machine reach it", examples=["https://x10000.example.net:443"])
    iam_endpoint: Endpoint = Field(description="AWS-compatible IAM API, for the scoped users", examples=["https://x10000.example.net:444"])
    region: YamlText = Field(default="us-east-1", description="region that requests are signed for", examples=["us-east-1"])
    ca_file: CaFile | None = Field(default=None, description="PEM file of the store's private CA", examples=["/etc/ssl/x10000-ca.crt"])
    admin_profile: str = Field(
        min_length=1, description="AWS profile that may make buckets and users; its key stays on this machine", examples=["x10000-admin"]
    )
    milvus_bucket: BucketName | None = Field(
        default=None, description="Milvus's own bucket; default NAMESPACE-milvus", examples=["rag-milvus"]
    )
    documents_bucket: BucketName | None = Field(
        default=None, description="bucket of the originals; default NAMESPACE-documents", examples=["rag-documents"]
    )
    on_destroy: Literal["retain", "delete"] = Field(
        default="retain", description="what `pulumi destroy` does with buckets and their objects", examples=["retain"]
    )

    @property
    def ca_pem(self) -> str:
        """Text of `ca_file`, "" without one."""
        return Path(self.ca_file).expanduser().read_text(encoding="ascii") if self.ca_file is not None else ""


class MilvusSettings(_Group):
    """Milvus: how it is installed and how big."""

    mode: Literal["standalone"] = Field(default="standalone", description="one process", examples=["standalone"])
    chart: str = Field(
        default=MILVUS_CHART,
        min_length=1,
        description="chart: a path, oci://..., or a name in chart_repository",
        examples=["oci://registry.example.net/charts/milvus"],
    )
    chart_repository: str | None = Field(
        default=None, description="repository of a chart that is given by name", examples=[MILVUS_CHART_REPOSITORY]
    )
    chart_version: str | None = Field(
        default=None, description="version of the chart; a chart in a directory has its own", examples=[MILVUS_CHART_VERSION]
    )
    wal: Literal["woodpecker", "rocksmq"] = Field(
        default="woodpecker",
        description="write-ahead log: on the object store (Milvus 2.6 or newer), or on the pod's volume",
        examples=["woodpecker"],
    )
    etcd: Literal["bundled", "embedded"] = Field(
        default="bundled", description="metadata: the chart's etcd, or one inside Milvus", examples=["bundled"]
    )
    root_path: RootPath = Field(default="milvus", description="prefix of Milvus's objects in its bucket", examples=["milvus"])
    cpu_cores: float = Field(default=2, gt=0, le=512, description="cores requested", examples=[2])
    memory_gib: float = Field(default=8, ge=1, le=4096, description="memory requested, and its limit", examples=[8])
    storage_gib: float = Field(
        default=20, ge=1, le=65536, description="volume for the local log, the etcd inside Milvus and caches", examples=[20]
    )
    storage_class: YamlText | None = Field(
        default=None, description="StorageClass of that volume; default the cluster's", examples=["fast-nvme"]
    )

    @property
    def chart_is_directory(self) -> bool:
        """A chart as files, such as the lab's."""
        return "://" not in self.chart and "/" in self.chart and not self.chart.endswith(".tgz")

    @property
    def chart_is_named(self) -> bool:
        """A chart by its name in a repository."""
        return "/" not in self.chart and not self.chart.endswith(".tgz")

    @model_validator(mode="after")
    def _chart_can_be_found(self) -> "MilvusSettings":
        if self.chart_repository is not None and not self.chart_is_named:
            raise ValueError(f"chart_repository would be ignored: the chart {self.chart!r} is not a name in it")
        if self.chart_version is not None and self.chart_is_directory:
            raise ValueError(f"chart_version would be ignored: the chart {self.chart!r} is a directory and has its own")
        if self.chart_is_directory and not (Path(self.chart) / "Chart.yaml").is_file():
            raise ValueError(f"chart {self.chart!r} is no directory with a Chart.yaml, seen from {Path.cwd()}")
        return self

    def resolved_chart_version(self) -> str:
        """Version that is installed: a directory's own, or the one asked for, or the one that the values were checked against."""
        if self.chart_is_directory:
            return str(yaml.safe_load((Path(self.chart) / "Chart.yaml").read_text(encoding="utf-8"))["version"])
        return self.chart_version if self.chart_version is not None else MILVUS_CHART_VERSION

    def resolved_chart_repository(self) -> str | None:
        """URL for a chart by name, else None."""
        if not self.chart_is_named:
            return None
        return self.chart_repository if self.chart_repository is not None else MILVUS_CHART_REPOSITORY


class EmbeddingSettings(_Group):
    """The embedding service."""

    engine: Literal["lab"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(
        default="lab-char-svd-256", min_length=1, description="model name that requests carry", examples=["lab-char-svd-256"]
    )
    dimension: int = Field(default=256, ge=2, le=32768, description="length of a vector", examples=[256])
    replicas: int = Field(default=1, ge=1, le=64, description="pods", examples=[1])
    cpu_cores: float = Field(default=0.1, gt=0, le=512, description="cores requested by a pod", examples=[0.1])
    memory_gib: float = Field(default=0.5, gt=0, le=4096, description="memory requested by a pod, and its limit", examples=[0.5])


class LlmSettings(_Group):
    """The LLM service."""

    engine: Literal["lab"] = Field(default="lab", description="what serves the model", examples=["lab"])
    model: str = Field(default="lab-reader", min_length=1, description="model name that requests carry", examples=["lab-reader"])
    context_tokens: int = Field(default=4096, ge=256, le=10_000_000, description="longest prompt that the model reads", examples=[4096])
    replicas: int = Field(default=1, ge=1, le=64, description="pods", examples=[1])
    cpu_cores: float = Field(default=0.1, gt=0, le=512, description="cores requested by a pod", examples=[0.1])
    memory_gib: float = Field(default=0.5, gt=0, le=4096, description="memory requested by a pod, and its limit", examples=[0.5])


class QuotaSettings(_Group):
    """Most that all pods of the namespace may request together."""

    cpu_cores: float = Field(gt=0, le=100_000, description="cores", examples=[16])
    memory_gib: float = Field(gt=0, le=1_000_000, description="memory", examples=[64])


class Settings(_Group):
    """One environment."""

    namespace: Namespace = Field(default="rag", description="namespace that the stack makes and owns", examples=["rag"])
    images: ImageSettings = Field(description="what runs", examples=['\'{"milvus": "..."}\''])
    object_store: ObjectStoreSettings = Field(description="the S3 store", examples=['\'{"endpoint": "https://..."}\''])
    milvus: MilvusSettings = Field(default=MilvusSettings(), description="the vector database", examples=["'{\"memory_gib\": 16}'"])
    embedding: EmbeddingSettings = Field(
        default=EmbeddingSettings(), description="the embedding service", examples=["'{\"dimension\": 256}'"]
    )
    llm: LlmSettings = Field(default=LlmSettings(), description="the LLM service", examples=["'{\"context_tokens\": 4096}'"])
    quota: QuotaSettings | None = Field(
        default=None, description="limit of the namespace", examples=['\'{"cpu_cores": 16, "memory_gib": 64}\'']
    )

    @property
    def milvus_bucket(self) -> str:
        """Name of Milvus's own bucket."""
        chosen = self.object_store.milvus_bucket
        return chosen if chosen is not None else f"{self.namespace}-milvus"

    @property
    def documents_bucket(self) -> str:
        """Name of the bucket of the originals."""
        chosen = self.object_store.documents_bucket
        return chosen if chosen is not None else f"{self.namespace}-documents"

    @model_validator(mode="after")
    def _two_buckets(self) -> "Settings":
        for bucket in (self.milvus_bucket, self.documents_bucket):
            require_bucket_name(bucket)
        if self.milvus_bucket == self.documents_bucket:
            raise ValueError(f"both buckets are {self.milvus_bucket!r}: Milvus deletes every object that it does not know, documents too")
        return self


def load() -> Settings:
    """Read the settings of the stack that runs; SettingsError with every problem at once."""
    return parse(pulumi.runtime.config.CONFIG.get() or pulumi.runtime.get_config_env())


def parse(configuration: Mapping[str, Any]) -> Settings:
    """Read settings from the raw configuration, in which Pulumi has made every object a JSON text."""
    prefix = f"{PROJECT}:"
    raw = {key.removeprefix(prefix): _value(value) for key, value in configuration.items() if key.startswith(prefix)}
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise problems.explain(error, Settings, PROJECT) from None


def _value(text: Any) -> Any:  # noqa: ANN401  a configuration value has any type
    return json.loads(text) if isinstance(text, str) and text.startswith(("{", "[")) else text
