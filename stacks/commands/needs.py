"""Print what an environment takes of a cluster, as a table: every set of pods, at its most, and the sum.

Computed from the settings, so it cannot be out of date: the pages in docs/environments hold this very table, and a test compares.

    python -m stacks needs prod
"""

from stacks.commands import EnvironmentName, chosen
from stacks.parts import tenancy
from stacks.settings import Settings


def run(environment: EnvironmentName) -> None:
    """Print the table of one environment."""
    print(table(chosen(environment).settings))


def table(settings: Settings) -> str:
    """Markdown."""
    found = tenancy.consumers(settings)
    rows = [
        f"| {each.name} | {each.replicas} | {each.resources.cpu_cores:g} | {each.resources.memory_gib:g} | {each.ephemeral_storage_gib:g} |"
        for each in found
    ]
    cores = sum(each.replicas * each.resources.cpu_cores for each in found)
    memory = sum(each.replicas * each.resources.memory_gib for each in found)
    disk = sum(each.replicas * each.ephemeral_storage_gib for each in found)
    pods = sum(each.replicas for each in found)
    head = ["| pods | at most | cores each | memory each, GiB | node's disk each, GiB |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, f"| **all** | **{pods}** | **{cores:g}** | **{memory:g}** | **{disk:g}** |"])
