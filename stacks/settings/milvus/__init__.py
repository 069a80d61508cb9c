"""Milvus: chart, shape and sizes."""

import re
import tarfile
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import model_validator

from components.versions import MILVUS_CHART, MILVUS_CHART_REPOSITORY, MILVUS_CHART_VERSION
from stacks.problems import ConflictError, shown_as, text_of
from stacks.settings.group import Group, setting
from stacks.settings.milvus import parts, refusals
from stacks.settings.names import AdministrationUri, Labels, ObjectName, PlainText, RepositoryUrl, RootPath, TopologyKeys
from stacks.settings.platform import TolerationSettings

_OLDEST_CHART, _FIRST_CHART_NOT_TRIED = (5, 0, 8), (6, 0, 0)


class MilvusSettings(Group):
    """Milvus: how it is installed and how big."""

    mode: Literal["standalone", "cluster"] = setting("standalone", "cluster", "one process, or a cluster")
    chart: PlainText = setting(MILVUS_CHART, "oci://registry.example.net/charts/milvus", min_length=1)
    """chart: a path, oci://..., or a name in chart_repository"""
    chart_repository: RepositoryUrl | None = setting(None, MILVUS_CHART_REPOSITORY, "repository of a chart that is given by name")
    chart_version: PlainText | None = setting(None, MILVUS_CHART_VERSION, "version of the chart; a chart in a directory has its own")
    wal: Literal["woodpecker", "rocksmq", "pulsar", "kafka"] = setting("woodpecker", "woodpecker")
    """write-ahead log: on the object store (Milvus 2.6 or newer), on the pod's volume, or a broker of your own"""
    condition_write: Literal["auto", "enable", "disable"] = setting("auto", "disable")
    """fence of woodpecker: conditional PUT where the store can, or a lock in etcd (disable)"""
    pulsar: parts.PulsarSettings | None = setting(None, '\'{"address": "pulsar.example.net:6651"}\'', "your Pulsar, for wal=pulsar")
    kafka: parts.KafkaSettings | None = setting(None, '\'{"brokers": ["kafka-0.example.net:9093"]}\'', "your Kafka, for wal=kafka")
    etcd: Literal["bundled", "embedded", "external"] = setting("bundled", "bundled")
    """metadata: the chart's etcd, one inside Milvus, or one of your own"""
    etcd_cluster: parts.EtcdSettings = setting(parts.EtcdSettings(), '\'{"storage_class": "fast-nvme"}\'', "the bundled or external etcd")
    root_path: RootPath = setting("milvus", "milvus", "prefix of Milvus's objects in its bucket")
    migration: int = setting(0, 1, ge=0)
    """raise it by one after a migration that you made yourself, so that the changed setting is accepted once"""
    cpu_cores: float = setting(2, 2, "cores requested by a standalone", gt=0, le=512)
    memory_gib: float = setting(8, 8, "memory requested by a standalone, and its limit", ge=1, le=4096)
    storage_gib: float = setting(20, 20, "volume for the local log, the etcd inside Milvus and caches", ge=1, le=65536)
    storage_class: ObjectName | None = setting(None, "fast-nvme", "StorageClass of that volume; default the cluster's")
    ephemeral_storage_gib: float | None = setting(None, 100, "of a standalone, on the node's own disk, for indexes", gt=0, le=65536)
    proxy: parts.ProxySettings = setting(parts.ProxySettings(), "'{\"replicas\": 3}'", "where clients come in")
    mix_coordinator: parts.CoordinatorSettings = setting(parts.CoordinatorSettings(), "'{\"memory_gib\": 8}'", "the coordinators")
    query_node: parts.QueryNodeSettings = setting(parts.QueryNodeSettings(), "'{\"memory_gib\": 64}'", "what searches")
    data_node: parts.DataNodeSettings = setting(parts.DataNodeSettings(), "'{\"cpu_cores\": 8}'", "what builds indexes and compacts")
    streaming_node: parts.StreamingNodeSettings = setting(parts.StreamingNodeSettings(), "'{\"replicas\": 3}'", "what takes writes in")
    node_selector: Labels = setting({}, '\'{"pool": "milvus"}\'', "labels of the nodes of every component without its own")
    tolerations: tuple[TolerationSettings, ...] = setting((), '\'[{"key": "dedicated"}]\'')
    """taints of the nodes of every component without its own"""
    spread_over: TopologyKeys = setting(("kubernetes.io/hostname",), '\'["kubernetes.io/hostname", "topology.kubernetes.io/zone"]\'')
    """node labels over which the pods of a component are spread"""
    spread_strictly: bool = setting(False, "true", "rather leave a pod pending than put two on one node")
    index: parts.IndexSettings = setting(parts.IndexSettings(), '\'{"profile": "hnsw"}\'', "the vector index")
    mmap: bool = setting(False, "true", "map vectors and indexes from the node's disk instead of holding them")
    tiered_storage: bool = setting(False, "true", "load what is searched, and let go of what is not (2.6.4 or newer)")
    request_timeout_ms: int | None = setting(None, 20000, "of one request to the store; default Milvus's own, 10000", ge=1000, le=600_000)
    threads: parts.ThreadSettings | None = setting(None, "'{\"high\": 20}'", "threads for the store; default Milvus's own")
    tls: parts.TlsSettings = setting(parts.TlsSettings(), '\'{"proxy_secret": "milvus-proxy-tls", "ca_file": "/etc/ssl/milvus-ca.crt"}\'')
    """certificates"""
    user_id: int = setting(999, 1000, ge=1, le=2**31 - 1)
    """user that Milvus runs under, in the group 0: the official images' own; another one for an image of your own"""
    service: parts.ServiceSettings = setting(parts.ServiceSettings(), '\'{"type": "LoadBalancer"}\'')
    """how clients outside the cluster come in"""
    authentication: bool = setting(False, "true", "whether Milvus asks who is there; the password of root is made, and lies in a Secret")
    accept_authentication_bypass: str | None = setting(None, "'a test on one machine, without data of anybody'", min_length=10)
    """why a version whose authentication is known to be passed by is run nevertheless; by default it is refused"""
    root_password_generation: int = setting(1, 2, "raise it by one for another password of root", ge=1, le=1_000_000)
    extra_values: dict[str, Any] = setting({}, '\'{"queryNode": {"affinity": {"nodeAffinity": {}}}}\'')
    """further values of the chart, passed through; refused where they override the blueprint's or hold a key"""
    extra_config: dict[str, Any] = setting({}, '\'{"log": {"level": "debug"}}\'')
    """further keys of milvus.yaml, passed through; refused where they override the blueprint's or hold a key"""
    administration_uri: AdministrationUri | None = setting(None, "http://127.0.0.1:19530")
    """Milvus as this machine reaches it, to make its users; default a way through the Kubernetes API, as a port-forward"""

    @property
    def planned_log(self) -> str:
        """Write-ahead log in the preflight's words, which tells a woodpecker that is not fenced by conditional writes from one that is."""
        return "woodpecker-unconditional" if (self.wal, self.condition_write) == ("woodpecker", "disable") else self.wal

    @property
    def proxies(self) -> int:
        """Most proxies that there can be; a standalone is one."""
        scaling = self.proxy.autoscaling
        return 1 if self.mode == "standalone" else self.proxy.replicas if scaling is None else scaling.most_replicas

    @property
    def chart_kind(self) -> Literal["reference", "archive", "directory", "named"]:
        """Of an OCI registry, a packed file, files such as the lab's, or a name in a repository."""
        if "://" in self.chart:
            return "reference"
        return "archive" if self.chart.endswith(".tgz") else "directory" if "/" in self.chart else "named"

    @model_validator(mode="after")
    def _chart_can_be_found(self) -> "MilvusSettings":
        kind, chart = self.chart_kind, f"chart {shown_as(self.chart)}"
        if kind == "reference" and not re.fullmatch(r"oci://[^:@]+(:\d+/[^:@]+)?", self.chart):
            raise ValueError(f"{chart} is no reference: oci://HOST[:PORT]/PATH without a tag, whose version is chart_version")
        if kind == "archive" and not Path(self.chart).is_file():
            raise ValueError(f"{chart} is no file, seen from {Path.cwd()}")
        if kind != "named" and self.chart_repository is not None:
            raise ValueError(f"chart_repository would be ignored: the {chart} is not a name in it")
        if kind == "directory" and self.chart_version is not None:
            raise ValueError(f"chart_version would be ignored: the {chart} is a directory and has its own")
        if kind == "directory" and not (Path(self.chart) / "Chart.yaml").is_file():
            raise ValueError(f"{chart} is no directory with a Chart.yaml, seen from {Path.cwd()}")
        return self

    @model_validator(mode="after")
    def _chart_is_of_a_version_that_was_tried(self) -> "MilvusSettings":
        version = self.resolved_chart_version()
        if self.chart_kind == "archive" and self.chart_version not in {None, version}:
            raise ValueError(text_of("chart_of_another_version", asked=self.chart_version, chart=self.chart, version=version))
        numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version)
        if numbers is None:
            raise ValueError(f"chart_version {version!r} is no version: three numbers, such as {MILVUS_CHART_VERSION}")
        if self.chart_kind != "directory" and not _OLDEST_CHART <= tuple(map(int, numbers.groups())) < _FIRST_CHART_NOT_TRIED:
            raise ValueError(text_of("chart_untried", version=version))
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> "MilvusSettings":
        if reasons := refusals.problems(self):
            raise ConflictError(reasons)
        return self

    def resolved_chart_version(self) -> str:
        """Version that is installed: a directory's or an archive's own, the one asked for, or the one that was checked."""
        if self.chart_kind == "directory":
            return str(yaml.safe_load((Path(self.chart) / "Chart.yaml").read_text(encoding="utf-8"))["version"])
        if self.chart_kind == "archive":
            try:
                with tarfile.open(self.chart) as packed:
                    name = min((name for name in packed.getnames() if name.endswith("/Chart.yaml")), key=len)
                    content = packed.extractfile(name)
                    return str(yaml.safe_load(content.read())["version"]) if content is not None else ""
            except (tarfile.TarError, OSError, ValueError, KeyError) as error:
                raise ValueError(f"chart {self.chart!r} is no packed chart: {error}") from None
        return self.chart_version if self.chart_version is not None else MILVUS_CHART_VERSION

    def resolved_chart_repository(self) -> str | None:
        """URL for a chart by name, else None."""
        if self.chart_kind != "named":
            return None
        return self.chart_repository if self.chart_repository is not None else MILVUS_CHART_REPOSITORY
