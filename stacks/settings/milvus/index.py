"""The vector index that collections of this environment get; the gate makes its own from it."""

from pydantic import Field

from components.milvus_index import Index, Metric, Name
from stacks.settings.group import Group


class IndexSettings(Group):
    """The vector index."""

    profile: Name = Field(default="hnsw", description="which index: in memory, compressed, on disk or on a GPU", examples=["hnsw_sq8"])
    metric: Metric = Field(default="COSINE", description="what near means", examples=["IP"])

    @property
    def index(self) -> Index:
        """As a component wants it."""
        return Index(profile=self.profile, metric=self.metric)
