"""Say what of an environment is half-done, what that breaks, and which pods cannot start; with --cure mend it, after asking.

Looks at Pulumi's state and locks, at Helm's record of Milvus, and whether the objects of both are in the cluster; then at the pods. A
release that was good goes back to its last good revision; one that never was is removed: volumes and the bucket stay, evidence in pods does
not. Nothing is done to a release on which another helm may still be at work.

Exit codes: 0 nothing is wrong, or it was mended; 1 something is wrong; 2 wrong usage or settings; 4 the environment was never deployed, or
the cluster does not answer.

For example:

    ./rag doctor prod; ./rag doctor prod --cure; pulumi up --stack prod
"""

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from typing import Annotated

import typer

from stacks.commands import EnvironmentName, Json, Patience, Yes, reach, show
from stacks.operations import leftovers, pod_watch
from stacks.operations.leftovers import diagnose
from stacks.operations.steps import NOT_THERE, PATIENCE_S, WRONG, Progress, mend


def run(
    environment: EnvironmentName,
    *,
    cure: Annotated[bool, typer.Option("--cure", help="Mend it, after asking.")] = False,
    yes: Yes = False,
    patience_s: Patience = PATIENCE_S,
    as_json: Json = False,
) -> None:
    """Examine one environment."""
    examined = reach(environment)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        if cure:
            mend(examined, Progress("doctor"), yes=yes, patience_s=patience_s)
    facts = leftovers.inspect(environment, examined.settings.namespace)
    findings = diagnose(facts)
    if not facts.is_ours and not findings:
        text = f"{environment!r} was never deployed by this state of Pulumi (`pulumi whoami --verbose`): nothing of it can be examined"
        show({"deployed": False}, [text], as_json=as_json)
        raise typer.Exit(NOT_THERE)
    troubles = pod_watch.look(environment, examined.settings.namespace)
    lines = [f"half-done: {finding}" for finding in findings] + [f"cannot start: {trouble}" for trouble in troubles]
    if findings and not cure:
        lines.append(f"all of it: ./rag doctor {environment} --cure")
    installed = f"revision {facts.revisions[-1].number} of Milvus is deployed" if facts.revisions else "Milvus is not installed yet"
    whole = [f"{installed}; nothing is half-done, and no pod is kept from starting"]
    data = {"deployed": True, "half_done": [asdict(each) for each in findings], "pods": [asdict(each) for each in troubles]}
    show(data, lines or whole, as_json=as_json)
    raise typer.Exit(WRONG if findings or troubles else 0)
