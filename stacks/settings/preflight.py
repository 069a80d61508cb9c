"""The preflight inside the cluster: what it looks at besides whether the store can be used at all."""

from pydantic import Field

from stacks.settings.group import Group


class PreflightSettings(Group):
    """The preflight inside the cluster."""

    performance: bool = Field(
        default=False, description="measure the store's latency and throughput too, in minutes instead of seconds", examples=["true"]
    )
