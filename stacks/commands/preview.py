"""Show what `pulumi up` would change, after the settings, the lock and the cluster were checked. Nothing is changed.

Exit codes: 0 shown, 2 wrong usage or settings, 4 the cluster does not answer, or the preview failed.

For example:

    ./rag preview prod
"""

import typer

from stacks.commands import EnvironmentName, Json, reach
from stacks.operations import pulumi_cli
from stacks.operations.steps import NOT_THERE


def run(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Preview one environment."""
    reach(environment, "up")
    if pulumi_cli.preview(environment, as_json=as_json):
        raise typer.Exit(NOT_THERE)
