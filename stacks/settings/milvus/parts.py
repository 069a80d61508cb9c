"""Parts of Milvus's settings: how big each component is, what Milvus leans on, who is let in, and what is tuned.

One class a component, with its sizes as defaults of its fields: a part of a group, such as more memory, keeps the rest.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components import milvus_index
from components.milvus_index import Metric, Name
from stacks.problems import ConflictError, text_of
from stacks.settings.group import Group, Trusting, setting
from stacks.settings.names import CaFile, HostName, HostPort, HostPorts, LabelKey, Labels, ObjectName, OperatorsSecret
from stacks.settings.platform import TolerationSettings


class AutoscalingSettings(Group):
    """How far a component grows by itself; `replicas` is the least."""

    most_replicas: int = setting(..., 8, "most pods", ge=2, le=256)
    cpu_percent: int = setting(70, 70, "grow above this share of the cores requested", ge=10, le=95)
    memory_percent: int | None = setting(None, 80, "grow above this share of the memory; query nodes only", ge=10, le=95)


Pods = Annotated[int, Field(ge=1, le=256, description="pods", examples=[3])]
Cores = Annotated[float, Field(gt=0, le=512, description="cores requested by a pod", examples=[6])]
MemoryGib = Annotated[float, Field(ge=0.5, le=4096, description="memory requested by a pod, and its limit", examples=[64])]


class ComponentSettings(Group):
    """What all components of a cluster share; each of them has sizes of its own."""

    replicas: Pods
    cpu_cores: Cores
    memory_gib: MemoryGib
    ephemeral_storage_gib: float | None = setting(None, 200, gt=0, le=65536)
    """reserved on the node's own disk, for indexes and mapped files"""
    node_selector: Labels = setting({}, '\'{"pool": "milvus"}\'', "labels of its nodes")
    tolerations: tuple[TolerationSettings, ...] = setting((), '\'[{"key": "dedicated"}]\'', "taints of its nodes")


class ScalingSettings(ComponentSettings):
    """A component that the chart can let grow."""

    autoscaling: AutoscalingSettings | None = setting(None, "'{\"most_replicas\": 8}'", "let it grow by itself")


class ProxySettings(ScalingSettings):
    """Where clients come in."""

    replicas: Pods = 2
    cpu_cores: Cores = 2
    memory_gib: MemoryGib = 4


class CoordinatorSettings(ComponentSettings):
    """The coordinators in one process."""

    replicas: Pods = 2
    cpu_cores: Cores = 1
    memory_gib: MemoryGib = 4
    active_standby: bool = setting(True, "false", "let a second one stand by; needed for more than one replica")


class QueryNodeSettings(ScalingSettings):
    """What holds the indexes and searches them."""

    replicas: Pods = 2
    cpu_cores: Cores = 8
    memory_gib: MemoryGib = 32
    gpus: int = setting(0, 1, "nvidia.com/gpu of a pod", ge=0, le=16)
    runtime_class: ObjectName | None = setting(None, "nvidia", "runtimeClassName for GPUs")


class DataNodeSettings(ScalingSettings):
    """What builds indexes and compacts."""

    replicas: Pods = 2
    cpu_cores: Cores = 4
    memory_gib: MemoryGib = 16


class StreamingNodeSettings(ComponentSettings):
    """What takes writes in."""

    replicas: Pods = 2
    cpu_cores: Cores = 2
    memory_gib: MemoryGib = 8


class KafkaSettings(Group):
    """Kafka brokers that somebody else runs."""

    brokers: HostPorts = setting(..., "'[\"kafka-0.example.net:9093\"]'", "brokers", min_length=1)
    tls: bool = setting(True, "true", "speak TLS; the authority is one of the image or of object_store.ca_file")
    login_secret: OperatorsSecret | None = setting(None, "kafka-login", "Secret of the namespace with `username` and `password`, for SASL")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting("SCRAM-SHA-512", "PLAIN", "how that login is proven")
    certificate_secret: OperatorsSecret | None = setting(None, "kafka-client-tls")
    """Secret of the namespace with `tls.crt`, `tls.key` and `ca.crt`: a client certificate and the brokers' authority"""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> "KafkaSettings":
        if self.certificate_secret is not None and not self.tls:
            raise ValueError("certificate_secret would be ignored with tls=false: the brokers are spoken to in plain text")
        if self.login_secret is None and "mechanism" in self.model_fields_set:
            raise ValueError("mechanism would be ignored without login_secret: nobody logs in")
        return self


class PulsarSettings(Group):
    """A Pulsar that somebody else runs."""

    address: HostPort = setting(..., "pulsar.example.net:6651", "broker or proxy")
    tls: bool = setting(True, "true", "speak TLS; the authority is one of the image or of object_store.ca_file")
    token_secret: OperatorsSecret | None = setting(None, "pulsar-token", "Secret of the namespace with `token`: a token of Pulsar")


class EtcdSettings(Group):
    """The chart's own etcd, or another one."""

    endpoints: HostPorts = setting((), "'[\"etcd-0.example.net:2379\"]'", "members of an external one")
    login_secret: OperatorsSecret | None = setting(None, "etcd-login")
    """Secret of the namespace with `username` and `password` of an external one"""
    certificate_secret: OperatorsSecret | None = setting(None, "etcd-client-tls")
    """Secret of the namespace with `tls.crt`, `tls.key` and `ca.crt`: TLS to an external one, which needs all three"""
    replicas: Literal[1, 3, 5] = setting(3, 3, "members of the bundled one: an even number survives no more than one less")
    cpu_cores: float = setting(0.5, 1, "cores requested by a member", gt=0, le=64)
    memory_gib: float = setting(2, 4, "memory of a member; its quota is 4 GiB of disk", ge=0.5, le=256)
    storage_gib: float = setting(10, 10, "volume of a member: twice its quota of 4 GiB", ge=8, le=1024)
    storage_class: ObjectName | None = setting(None, "fast-nvme", "StorageClass; its fsync should take less than 10 ms at p99")


class TlsSettings(Trusting):
    """Certificates, each in a Secret with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager writes them."""

    proxy_secret: OperatorsSecret | None = setting(None, "milvus-proxy-tls", "Secret of the proxy: TLS for clients")
    ca_file: CaFile | None = setting(None, "/etc/ssl/milvus-ca.crt", "PEM file of the authority of the proxy's certificate, for clients")
    client_certificates: bool = setting(False, "true", "clients must show a certificate too")
    internal_secret: OperatorsSecret | None = setting(None, "milvus-internal-tls", "Secret of the components: TLS among themselves")
    internal_name: HostName | None = setting(None, "milvus.internal", "name in the components' certificate")

    @model_validator(mode="after")
    def _whole(self) -> "TlsSettings":
        if self.proxy_secret is not None and self.proxy_secret == self.internal_secret:
            raise ConflictError(["internal_secret is the Secret of the proxy too: every client's certificate would open the components"])
        if self.proxy_secret is not None and self.ca_file is None:
            raise ValueError(text_of("no_ca_file"))
        if self.proxy_secret is None and (self.ca_file is not None or self.client_certificates):
            raise ValueError("ca_file and client_certificates would be ignored without proxy_secret: clients would speak plain text")
        if (self.internal_secret is None) != (self.internal_name is None):
            raise ValueError("internal_secret and internal_name belong together: components check the name in each other's certificate")
        return self


class ServiceSettings(Group):
    """The Service of Milvus; a Gateway or an Ingress for gRPC of your own needs none of it."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = setting("ClusterIP", "LoadBalancer")
    """LoadBalancer or NodePort let clients outside in: those of access.client_cidrs, with milvus.authentication"""
    annotations: dict[LabelKey, str] = setting({}, '\'{"metallb.universe.tf/address-pool": "rag"}\'')
    """annotations, such as the ones of a load balancer"""


class ThreadSettings(Group):
    """Threads that read and write the store, per core (`common.threadCoreCoefficient`)."""

    high: int = setting(10, 10, "loading what a search waits for", ge=1, le=100)
    middle: int = setting(5, 5, "loading ahead", ge=1, le=100)
    low: int = setting(1, 1, "everything else", ge=1, le=100)


class IndexSettings(Group):
    """The vector index."""

    profile: Name = setting("hnsw", "hnsw_sq8", "which index: in memory, compressed, on disk or on a GPU")
    metric: Metric = setting("COSINE", "IP", "what near means")

    def manifest(self) -> dict[str, Any]:
        """What Milvus is given, in its own words."""
        return milvus_index.manifest(self.profile, self.metric)
