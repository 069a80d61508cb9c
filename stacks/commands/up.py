"""`pulumi up` that looks first and watches: what an earlier run left half-done is mended, and pods that cannot start are named in seconds.

Pulumi itself says nothing of a pod until Helm gives up on it after 30 minutes. Ctrl-C asks Pulumi to end in order, and waits for that.

Exit codes: 0 done, 1 something is half-done and nobody agreed to mend it, 2 wrong usage or settings, 4 something does not answer or did not
come up, 130 interrupted.

For example:

    ./rag deploy prod; ./rag deploy prod --yes
"""

from stacks.commands import EnvironmentName, Patience, Yes, reach
from stacks.operations import steps
from stacks.operations.steps import PATIENCE_S, Progress


def run(environment: EnvironmentName, *, yes: Yes = False, patience_s: Patience = PATIENCE_S) -> None:
    """Bring one environment up."""
    selected, progress = reach(environment, "up"), Progress("up")
    steps.mend(selected, progress, yes=yes, patience_s=patience_s)
    progress.up(selected, "what it made stays; the same command goes on")
