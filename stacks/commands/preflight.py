"""Look at the store from this machine with the key that Milvus will use; bucket and credential are made first where they are new.

What `rollout` and the lab's `./rag up` do before Milvus is touched; `pulumi up` asks the same once more, from inside the cluster.

Exit codes, as the gate's: 0 PASS or WARN, 1 the store would not carry Milvus, 2 wrong usage or settings, 3 not enough could be measured,
4 the store does not answer, or bucket and credential could not be made.

For example:

    ./rag preflight prod
"""

import typer

from stacks.commands import EnvironmentName, Patience, Yes, reach
from stacks.operations import steps
from stacks.operations.steps import PATIENCE_S, Progress


def run(environment: EnvironmentName, *, yes: Yes = False, patience_s: Patience = PATIENCE_S) -> None:
    """Look at the store of one environment."""
    selected, progress = reach(environment, "up"), Progress("preflight")
    steps.mend(selected, progress, yes=yes, patience_s=patience_s)
    raise typer.Exit(steps.preflight(selected, progress))
