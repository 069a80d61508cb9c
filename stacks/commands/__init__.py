"""The operator's commands, one function each, and what they share."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer

from stacks import environments
from stacks.environments import Environment, Step
from stacks.images import lock
from stacks.problems import Line, text_of

EnvironmentName = Annotated[str, typer.Argument(help="Environment: NAME of stacks/Pulumi.NAME.yaml.", metavar="ENV")]
Yes = Annotated[bool, typer.Option("--yes", help="Mend what an earlier run left half-done without asking: for CI.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output.")]
Patience = Annotated[int, typer.Option(min=0, help="Seconds after which a pending release is left by its helm; its own time-out is 1800.")]


def select(name: str, *, as_named: bool = False, step: Step = "look") -> Environment:
    """Return the environment, its images as the lock or with `as_named` the settings have them; say which of it are only examples."""
    environment = environments.load(name, step=step)
    if environment.placeholders:
        places = ", ".join(f"{each.key} ({each.file}:{each.line})" for each in environment.placeholders)
        print(f"warning: left from the examples, so `./rag rollout {name}` and `pulumi up` will refuse them: {places}", file=sys.stderr)
    if environment.example:
        print(text_of("only_examples", name=name), file=sys.stderr)
    return environment if as_named else replace(environment, settings=lock.pinned(environment.settings, name))


def show(data: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print what a command reports: as JSON, else line by line."""
    print(*([json.dumps(data, indent=2, ensure_ascii=False, default=str)] if as_json else lines), sep="\n")


def report(lines: Sequence[Line], *, as_json: bool) -> None:
    """Print lines of an examination, and how many of them are good; or all as JSON."""
    counts = ", ".join(f"{sum(line.level == level for line in lines)} {level}" for level in ("OK", "WARN", "FAIL"))
    show([asdict(line) for line in lines], [*(line.text for line in lines), f"in all: {counts}"], as_json=as_json)
    sys.stdout.flush()


def reach(name: str, step: Step = "look") -> Environment:
    """Return the environment for a command that speaks to its cluster, which is shown, and refused where it is another one."""
    environment = select(name, step=step)
    from stacks.operations import cluster

    cluster.show(environment.settings, name)
    return environment
