"""What is run: image references."""

from pydantic import Field

from stacks.names import Image
from stacks.settings.group import Group


class ImageSettings(Group):
    """Images; what may be run is the operator's decision, so none has a default."""

    milvus: Image = Field(description="image of Milvus", examples=["registry.example.net/milvusdb/milvus:v2.6.21"])
    etcd: Image | None = Field(
        default=None,
        description="image of the bundled etcd; default the chart's own",
        examples=["registry.example.net/milvusdb/etcd:3.5.25-r1"],
    )
    embedding: Image | None = Field(
        default=None, description="image of the embedding service", examples=["registry.example.net/embedding:1.2.0"]
    )
    llm: Image | None = Field(default=None, description="image of the LLM service", examples=["registry.example.net/llm:1.2.0"])
    reranker: Image | None = Field(default=None, description="image of the reranker", examples=["registry.example.net/reranker:1.2.0"])
    suite: Image | None = Field(
        default=None,
        description="the suite's own image: the preflight inside the cluster, and copying weights from a bucket",
        examples=["registry.example.net/milvus-x10000/suite:1.0.0"],
    )
