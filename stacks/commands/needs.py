"""Print what an environment takes of a cluster, as a table: every set of pods, at its most, and the sum.

Computed from the settings, so it cannot be out of date: the pages in docs/environments hold this very table, and a test compares.

For example:

    ./rag needs prod
"""

from operator import mul
from typing import TYPE_CHECKING

from stacks.commands import EnvironmentName, Json, select, show
from stacks.settings import Settings

if TYPE_CHECKING:
    from components.quota import Consumer


def run(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Print the table of one environment."""
    settings = select(environment).settings
    rows = (
        []
        if not as_json
        else [
            {
                "pods": each.name,
                "at_most": each.replicas,
                "cpu_cores": each.resources.cpu_cores,
                "memory_gib": each.resources.memory_gib,
                "disk_gib": each.ephemeral_storage_gib,
            }
            for each in _consumers(settings)
        ]
    )
    show(rows, [table(settings)], as_json=as_json)


def _consumers(settings: Settings) -> "list[Consumer]":
    from stacks.wiring import tenancy

    return tenancy.consumers(settings)


def table(settings: Settings) -> str:
    """Return it as Markdown."""
    consumers = _consumers(settings)
    sizes = [(each.resources.cpu_cores, each.resources.memory_gib, each.ephemeral_storage_gib) for each in consumers]
    pods = [each.replicas for each in consumers]
    cores, memory, disk = (sum(map(mul, pods, column)) for column in zip(*sizes, strict=True))
    head = ["| pods | at most | cores each | memory each, GiB | node's disk each, GiB |", "|---|---|---|---|---|"]
    rows = [
        f"| {each.name} | {each.replicas} | " + " | ".join(f"{size:g}" for size in row) + " |"
        for each, row in zip(consumers, sizes, strict=True)
    ]
    return "\n".join([*head, *rows, f"| **all** | **{sum(pods)}** | **{cores:g}** | **{memory:g}** | **{disk:g}** |"])
