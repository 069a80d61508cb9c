"""The pods that send the searches of `python -m validation run --pods N`: how many at a time there must be room for, and how big."""

from pydantic import Field

from stacks.settings.group import Group


class LoadGeneratorSettings(Group):
    """Generators of the gate; they run only while it measures with them."""

    pods: int = Field(default=2, ge=0, le=64, description="most at a time, for which the quota leaves room; 0 for none", examples=[4])
    cpu_cores: float = Field(
        default=1, gt=0, le=64, description="cores requested by each; one core sends about 1,000 a second", examples=[2]
    )
    memory_gib: float = Field(default=1, ge=0.5, le=64, description="memory requested by each, and its limit", examples=[1])
