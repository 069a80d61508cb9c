"""Milvus: chart, shape and sizes."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from components.versions import MILVUS_CHART, MILVUS_CHART_REPOSITORY, MILVUS_CHART_VERSION
from stacks.names import AdministrationUri, RootPath, YamlText
from stacks.settings.group import Group


class MilvusSettings(Group):
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

    authentication: bool = Field(
        default=False, description="whether Milvus asks who is there; the password of root is made, and lies in a Secret", examples=["true"]
    )
    root_password_generation: int = Field(
        default=1, ge=1, le=1_000_000, description="raise it by one for another password of root", examples=[2]
    )
    administration_uri: AdministrationUri | None = Field(
        default=None,
        description="Milvus as this machine reaches it, to make its users; default a way through the Kubernetes API, as a port-forward",
        examples=["http://127.0.0.1:19530"],
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
