"""Parts of Milvus's settings: how big each component is, what Milvus leans on, who is let in, and what is tuned.

One class a component, with its sizes as defaults of its fields: a part of a group, such as more memory, keeps the rest.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.milvus_index import Index, Metric, Name
from stacks.problems import PROJECT, ConflictError
from stacks.settings.addresses import HostName, HostPort, HostPorts
from stacks.settings.group import Group
from stacks.settings.names import CaFile, LabelKey, Labels, ObjectName, OperatorsSecret
from stacks.settings.platform import TolerationSettings


class AutoscalingSettings(Group):
    """How far a component grows by itself; `replicas` is the least."""

    most_replicas: int = Field(ge=2, le=256, description="most pods", examples=[8])
    cpu_percent: int = Field(default=70, ge=10, le=95, description="grow above this share of the cores requested", examples=[70])
    memory_percent: int | None = Field(default=None, ge=10, le=95, examples=[80])
    """grow above this share of the memory; query nodes only"""


Pods = Annotated[int, Field(ge=1, le=256, description="pods", examples=[3])]
Cores = Annotated[float, Field(gt=0, le=512, description="cores requested by a pod", examples=[6])]
MemoryGib = Annotated[float, Field(ge=0.5, le=4096, description="memory requested by a pod, and its limit", examples=[64])]


class ComponentSettings(Group):
    """What all components of a cluster share; each of them has sizes of its own."""

    replicas: Pods
    cpu_cores: Cores
    memory_gib: MemoryGib
    ephemeral_storage_gib: float | None = Field(default=None, gt=0, le=65536, examples=[200])
    """reserved on the node's own disk, for indexes and mapped files"""
    node_selector: Labels = Field(default_factory=dict, description="labels of its nodes", examples=['\'{"pool": "milvus"}\''])
    tolerations: tuple[TolerationSettings, ...] = Field(default=(), examples=['\'[{"key": "dedicated"}]\''])
    """taints of its nodes"""


class ScalingSettings(ComponentSettings):
    """A component that the chart can let grow."""

    autoscaling: AutoscalingSettings | None = Field(default=None, examples=["'{\"most_replicas\": 8}'"])
    """let it grow by itself"""


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
    active_standby: bool = Field(default=True, examples=["false"])
    """let a second one stand by; needed for more than one replica"""


class QueryNodeSettings(ScalingSettings):
    """What holds the indexes and searches them."""

    replicas: Pods = 2
    cpu_cores: Cores = 8
    memory_gib: MemoryGib = 32
    gpus: int = Field(default=0, ge=0, le=16, description="nvidia.com/gpu of a pod", examples=[1])
    runtime_class: ObjectName | None = Field(default=None, description="runtimeClassName for GPUs", examples=["nvidia"])


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

    brokers: HostPorts = Field(min_length=1, description="brokers", examples=["'[\"kafka-0.example.net:9093\"]'"])
    tls: bool = Field(default=True, examples=["true"])
    """speak TLS; the authority is one of the image or of object_store.ca_file"""
    login_secret: OperatorsSecret | None = Field(default=None, examples=["kafka-login"])
    """Secret of the namespace with `username` and `password`, for SASL"""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(default="SCRAM-SHA-512", examples=["PLAIN"])
    """how that login is proven"""
    certificate_secret: OperatorsSecret | None = Field(default=None, examples=["kafka-client-tls"])
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

    address: HostPort = Field(description="broker or proxy", examples=["pulsar.example.net:6651"])
    tls: bool = Field(default=True, examples=["true"])
    """speak TLS; the authority is one of the image or of object_store.ca_file"""
    token_secret: OperatorsSecret | None = Field(default=None, examples=["pulsar-token"])
    """Secret of the namespace with `token`: a token of Pulsar"""


class EtcdSettings(Group):
    """The chart's own etcd, or another one."""

    endpoints: HostPorts = Field(default=(), description="members of an external one", examples=["'[\"etcd-0.example.net:2379\"]'"])
    login_secret: OperatorsSecret | None = Field(default=None, examples=["etcd-login"])
    """Secret of the namespace with `username` and `password` of an external one"""
    certificate_secret: OperatorsSecret | None = Field(default=None, examples=["etcd-client-tls"])
    """Secret of the namespace with `tls.crt`, `tls.key` and `ca.crt`: TLS to an external one, which needs all three"""
    replicas: Literal[1, 3, 5] = Field(default=3, examples=[3])
    """members of the bundled one: an even number survives no more than one less"""
    cpu_cores: float = Field(default=0.5, gt=0, le=64, description="cores requested by a member", examples=[1])
    memory_gib: float = Field(default=2, ge=0.5, le=256, description="memory of a member; its quota is 4 GiB of disk", examples=[4])
    storage_gib: float = Field(default=10, ge=8, le=1024, description="volume of a member: twice its quota of 4 GiB", examples=[10])
    storage_class: ObjectName | None = Field(default=None, examples=["fast-nvme"])
    """StorageClass; its fsync should take less than 10 ms at p99"""


class TlsSettings(Group):
    """Certificates, each in a Secret with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager writes them."""

    proxy_secret: OperatorsSecret | None = Field(default=None, examples=["milvus-proxy-tls"])
    """Secret of the proxy: TLS for clients"""
    ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/milvus-ca.crt"])
    """PEM file of the authority of the proxy's certificate, for clients"""
    client_certificates: bool = Field(default=False, description="clients must show a certificate too", examples=["true"])
    internal_secret: OperatorsSecret | None = Field(default=None, examples=["milvus-internal-tls"])
    """Secret of the components: TLS among themselves"""
    internal_name: HostName | None = Field(default=None, description="name in the components' certificate", examples=["milvus.internal"])

    @property
    def ca_pem(self) -> str:
        """Text of `ca_file`, "" without one."""
        return Path(self.ca_file).expanduser().read_text(encoding="ascii") if self.ca_file is not None else ""

    @model_validator(mode="after")
    def _whole(self) -> "TlsSettings":
        if self.proxy_secret is not None and self.proxy_secret == self.internal_secret:
            raise ConflictError(["internal_secret is the Secret of the proxy too: every client's certificate would open the components"])
        if self.proxy_secret is not None and self.ca_file is None:
            why = "no client, the gate among them, could tell this Milvus from another"
            raise ValueError(f"ca_file is missing: {why}. Cure: pulumi config set --path {PROJECT}:milvus.tls.ca_file FILE")
        if self.proxy_secret is None and (self.ca_file is not None or self.client_certificates):
            raise ValueError("ca_file and client_certificates would be ignored without proxy_secret: clients would speak plain text")
        if (self.internal_secret is None) != (self.internal_name is None):
            raise ValueError("internal_secret and internal_name belong together: components check the name in each other's certificate")
        return self


class ServiceSettings(Group):
    """The Service of Milvus; a Gateway or an Ingress for gRPC of your own needs none of it."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = Field(default="ClusterIP", examples=["LoadBalancer"])
    """LoadBalancer or NodePort let clients outside in: those of access.client_cidrs, with milvus.authentication"""
    annotations: dict[LabelKey, str] = Field(default_factory=dict, examples=['\'{"metallb.universe.tf/address-pool": "rag"}\''])
    """annotations, such as the ones of a load balancer"""


class ThreadSettings(Group):
    """Threads that read and write the store, per core (`common.threadCoreCoefficient`)."""

    high: int = Field(default=10, ge=1, le=100, description="loading what a search waits for", examples=[10])
    middle: int = Field(default=5, ge=1, le=100, description="loading ahead", examples=[5])
    low: int = Field(default=1, ge=1, le=100, description="everything else", examples=[1])


class IndexSettings(Group):
    """The vector index."""

    profile: Name = Field(default="hnsw", description="which index: in memory, compressed, on disk or on a GPU", examples=["hnsw_sq8"])
    metric: Metric = Field(default="COSINE", description="what near means", examples=["IP"])

    @property
    def index(self) -> Index:
        """As a component wants it."""
        return Index(profile=self.profile, metric=self.metric)
