"""What runs: images, the registries that they come from, and what the suite's own image does in the cluster."""

from pydantic import Field

from stacks.settings.group import Group
from stacks.settings.names import CaFile, Image, Mirrors, OperatorsSecret


class ImageSettings(Group):
    """Images; what may be run is the operator's decision, so none has a default."""

    milvus: Image = Field(description="image of Milvus", examples=["registry.example.net/milvusdb/milvus:v2.6.21"])
    etcd: Image | None = Field(default=None, examples=["registry.example.net/milvusdb/etcd:3.5.25-r1"])
    """image of the bundled etcd; default the chart's own"""
    embedding: Image | None = Field(default=None, examples=["registry.example.net/embedding:1.2.0"])
    """image of the embedding service"""
    llm: Image | None = Field(default=None, description="image of the LLM service", examples=["registry.example.net/llm:1.2.0"])
    reranker: Image | None = Field(default=None, description="image of the reranker", examples=["registry.example.net/reranker:1.2.0"])
    suite: Image | None = Field(default=None, examples=["registry.example.net/milvus-x10000/suite:1.0.0"])
    """the suite's own image: the preflight inside the cluster, and copying weights from a bucket"""


class RegistrySettings(Group):
    """Registries: where images are really pulled from, and whom to trust there."""

    mirrors: Mirrors = Field(default={}, examples=['\'{"docker.io": "registry.example.net/dockerhub"}\''])
    """mirror of each registry, as HOST or HOST/PATH: `./rag pin` asks it, and pods pull from it"""
    ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/registry-ca.crt"])
    """PEM file of the registries' private CA, besides the public ones"""
    pull_secrets: tuple[OperatorsSecret, ...] = Field(default=(), examples=["'[\"mirror\"]'"])
    """Secrets of the namespace, of type kubernetes.io/dockerconfigjson, for registries that ask who pulls"""


class PreflightSettings(Group):
    """The preflight inside the cluster."""

    performance: bool = Field(default=False, examples=["true"])
    """measure the store's latency and throughput too, in minutes instead of seconds"""


class AskSettings(Group):
    """The service that answers questions with their sources, in the suite's image: a page, and the API of OpenAI."""

    replicas: int = Field(default=1, ge=1, le=50, description="pods", examples=[2])
    cpu_cores: float = Field(default=0.25, gt=0, le=64, examples=[1])
    """cores requested by each pod"""
    memory_gib: float = Field(default=1, ge=0.5, le=64, description="memory requested by each pod, and its limit", examples=[2])
    key_rotation: int = Field(default=1, ge=1, le=1_000_000, examples=[2])
    """raise it by one for new keys of all databases"""


class LoadGeneratorSettings(Group):
    """Generators of the gate; they run only while it measures with them."""

    pods: int = Field(default=2, ge=0, le=64, description="most at a time, for which the quota leaves room; 0 for none", examples=[4])
    cpu_cores: float = Field(default=1, gt=0, le=64, examples=[2])
    """cores requested by each; one core sends about 1,000 a second"""
    memory_gib: float = Field(default=1, ge=0.5, le=64, description="memory requested by each, and its limit", examples=[1])
