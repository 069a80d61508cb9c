"""The Helm release of Milvus as a stack declares it: chart and values."""

from dataclasses import dataclass
from typing import Any

from stacks import blueprint
from stacks.declared import Declared, declare
from stacks.environments import Environment

TYPE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What Helm is asked for."""

    name: str
    namespace: str
    chart: str
    """Path, OCI reference, or name in `repository`."""
    version: str
    repository: str | None
    """URL; None for a path or an OCI reference."""
    values: dict[str, Any]


def declared(environment: Environment) -> list[Declared]:
    """Everything that the environment declares."""
    return declare(environment.name, lambda: blueprint.build(environment.settings))


def of(environment: Environment) -> Release:
    """Return the release of Milvus; the blueprint has exactly one."""
    (found,) = (item for item in declared(environment) if item.type == TYPE)
    return from_inputs(found)


def from_inputs(found: Declared) -> Release:
    """Read a release from what was declared."""
    given = found.inputs
    return Release(
        name=given["name"],
        namespace=given["namespace"],
        chart=given["chart"],
        version=given["version"],
        repository=given.get("repositoryOpts", {}).get("repo"),
        values=dict(given["values"]),
    )
