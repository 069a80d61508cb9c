"""What is to be installed, as plain data: the store, the sizes, where the log and the metadata are, what is protected and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import pulumi

from components.pods import NO_OPTIONS, PodOptions, Resources, Toleration, gib

Log = Literal["woodpecker", "rocksmq", "pulsar", "kafka"]
Metadata = Literal["bundled", "embedded", "external"]
_HTTPS_PORT = 443


@dataclass(frozen=True, kw_only=True)
class MilvusStore:
    """Where Milvus keeps its data."""

    endpoint: str  # https://host[:port]
    region: str
    bucket: pulumi.Input[str]
    root_path: pulumi.Input[str]  # prefix of every object of this installation
    secret_name: pulumi.Input[str]  # secret with `access_key` and `secret_key`
    credential_generation: pulumi.Input[str]  # restarts the pods when the key changes
    ca_config_map: pulumi.Input[str]  # ConfigMap with the private CA; used only if there is a `ca_sha256`
    ca_sha256: str
    """Fingerprint of the private CA, "" for none; restarts the pods when the CA changes, since a file mounted by subPath never does."""

    @property
    def host(self) -> str:
        """Host of the endpoint."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def port(self) -> str:
        """Port of the endpoint."""
        port = urlsplit(self.endpoint).port
        return str(port if port is not None else _HTTPS_PORT)


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """How far a component may grow, and when."""

    most_replicas: int
    cpu_percent: int  # of the cores requested
    memory_percent: int | None  # of the memory requested; the chart knows it for query nodes only


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One component of a cluster, or the standalone process."""

    replicas: int
    resources: Resources
    ephemeral_storage_gib: float | None = None  # on the node's own disk: indexes on disk, mapped files, caches. None for no reservation
    node_selector: Mapping[str, str]
    tolerations: tuple[Toleration, ...]
    autoscaling: Autoscaling | None = None
    gpus: int = 0
    runtime_class: str | None = None

    def manifest(self) -> dict[str, dict[str, str]]:
        """`resources` of its container; GPUs and the node's disk are requested and limited alike: neither is lent."""
        both = {"ephemeral-storage": gib(self.ephemeral_storage_gib)} if self.ephemeral_storage_gib is not None else {}
        both |= {"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}
        return {group: {**amounts, **both} for group, amounts in self.resources.manifest().items()}


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """One process."""

    process: Workload
    storage_gib: float  # volume for the local write-ahead log, the embedded etcd and the cache of indexes
    storage_class: str | None  # None for the cluster's default


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Five components; a second coordinator stands by."""

    proxy: Workload
    mix_coordinator: Workload
    active_standby: bool
    query_node: Workload
    data_node: Workload
    streaming_node: Workload
    spread_over: tuple[str, ...]  # node labels over which the replicas of each component are spread
    spread_strictly: bool  # rather leave a pod pending than put two on one node

    @property
    def workloads(self) -> dict[str, Workload]:
        """Each component by its label `component`."""
        nodes = {"querynode": self.query_node, "datanode": self.data_node, "streamingnode": self.streaming_node}
        return {"proxy": self.proxy, "mixcoord": self.mix_coordinator, **nodes}


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """Brokers that somebody else runs."""

    brokers: tuple[str, ...]  # host:port of each
    tls: bool = True
    login_secret: str | None = None  # secret with `username` and `password`
    mechanism: str = ""
    certificate_secret: str | None = None  # secret with `tls.crt`, `tls.key` and `ca.crt`


@dataclass(frozen=True, kw_only=True)
class Pulsar:
    """A Pulsar that somebody else runs."""

    address: str  # host:port
    tls: bool = True
    token_secret: str | None = None  # secret with `token`


@dataclass(frozen=True, kw_only=True)
class WriteAheadLog:
    """Where writes are acknowledged."""

    kind: Log
    condition_write: Literal["auto", "enable", "disable"] = "auto"
    """Woodpecker: whether its fence is a conditional PUT of the store or a lock in etcd."""
    kafka: Kafka | None = None
    pulsar: Pulsar | None = None


@dataclass(frozen=True, kw_only=True)
class Etcd:
    """Where metadata are."""

    kind: Metadata
    endpoints: tuple[str, ...] = ()  # host:port of each member of an external one
    login_secret: str | None = None  # secret with `username` and `password` of an external one
    certificate_secret: str | None = None  # secret with `tls.crt`, `tls.key` and `ca.crt` for an external one
    replicas: int = 3
    resources: Resources | None = None
    storage_gib: float | None = None
    storage_class: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    image: str | None = None  # None for the chart's own choice
    service_account: pulumi.Input[str] | None = None  # account without a token that the pods of the chart's own run under


@dataclass(frozen=True, kw_only=True)
class Security:
    """Who is let in, and by which certificates."""

    root_secret_name: pulumi.Input[str] | None = None
    """Secret with the `password` of root, for a Milvus that asks who is there; None for one that does not."""
    proxy_secret: str | None = None  # secret with `tls.crt`, `tls.key` and `ca.crt` of the proxy; None for plain text
    client_certificates: bool = False  # clients must show a certificate of that `ca.crt`
    internal_secret: str | None = None  # the same for the components among themselves
    internal_name: str = ""  # name in the components' certificate


@dataclass(frozen=True, kw_only=True)
class Service:
    """How clients outside the cluster come in."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    annotations: Mapping[str, str] = field(default_factory=dict)
    source_ranges: tuple[str, ...] = ()  # addresses that a load balancer lets in


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What differs from Milvus's own choice; None leaves that."""

    disk_index: bool = False  # indexes on the node's disk may be built and searched
    mmap: bool = False
    tiered_storage: bool = False
    request_timeout_ms: int | None = None  # of one request to the store
    thread_coefficients: tuple[int, int, int] | None = None
    """Threads for reading and writing the store, per core: high, middle and low priority."""


@dataclass(frozen=True, kw_only=True)
class MilvusShape:
    """What runs, and how big."""

    image: str  # reference with a tag, a digest or both
    size: Standalone | Cluster
    wal: WriteAheadLog
    etcd: Etcd
    security: Security
    tuning: Tuning
    monitor_labels: Mapping[str, str] | None
    """Labels of a PodMonitor for Prometheus's operator, which needs its CRD; None for no monitor."""
    user_id: int = 999  # user that the processes run under; its files belong to the group of the same number
    options: PodOptions = NO_OPTIONS
    cluster_domain: str = "cluster.local"
    service: Service = Service()
    extra_values: Mapping[str, Any] = field(default_factory=dict)  # values of the chart that the operator adds; judged by `problems`
    extra_config: Mapping[str, Any] = field(default_factory=dict)  # the same for milvus.yaml
    service_account: pulumi.Input[str]  # account without a token that the pods run under

    @property
    def is_cluster(self) -> bool:
        """Whether it is several processes."""
        return isinstance(self.size, Cluster)
