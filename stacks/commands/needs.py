"""Print what an environment takes of a cluster, as a table: every set of pods, at its most, and the sum.

Computed from the settings, so it cannot be out of date: the pages in docs/environments hold this very table, and a test compares.

For example:

    ./rag needs prod
"""

from operator import mul

from stacks.commands import EnvironmentName, select
from stacks.settings import Settings


def run(environment: EnvironmentName) -> None:
    """Print the table of one environment."""
    print(table(select(environment).settings))


def table(settings: Settings) -> str:
    """Return it as Markdown."""
    from stacks.wiring import tenancy

    consumers = tenancy.consumers(settings)
    sizes = [(each.resources.cpu_cores, each.resources.memory_gib, each.ephemeral_storage_gib) for each in consumers]
    pods = [each.replicas for each in consumers]
    cores, memory, disk = (sum(map(mul, pods, column)) for column in zip(*sizes, strict=True))
    head = ["| pods | at most | cores each | memory each, GiB | node's disk each, GiB |", "|---|---|---|---|---|"]
    rows = [
        f"| {each.name} | {each.replicas} | " + " | ".join(f"{size:g}" for size in row) + " |"
        for each, row in zip(consumers, sizes, strict=True)
    ]
    return "\n".join([*head, *rows, f"| **all** | **{sum(pods)}** | **{cores:g}** | **{memory:g}** | **{disk:g}** |"])
