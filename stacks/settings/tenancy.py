"""The frame: what all pods of the namespace may take together."""

from pydantic import Field

from stacks.settings.group import Group


class QuotaSettings(Group):
    """Most that all pods of the namespace may request together."""

    cpu_cores: float = Field(gt=0, le=100_000, description="cores", examples=[16])
    memory_gib: float = Field(gt=0, le=1_000_000, description="memory", examples=[64])
