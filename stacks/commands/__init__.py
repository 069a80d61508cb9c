"""The operator's commands, one file each: a module docstring, which is its help, and `run`."""

import sys
import time
from dataclasses import dataclass, replace
from typing import Annotated, NoReturn

import typer

from stacks import cluster, environments, pins, pod_watch, pulumi_cli
from stacks.environments import Environment, Step
from stacks.pulumi_cli import INTERRUPTED, Ended

EnvironmentName = Annotated[str, typer.Argument(help="Environment: NAME of stacks/Pulumi.NAME.yaml.", metavar="ENVIRONMENT")]
Yes = Annotated[bool, typer.Option("--yes", help="Mend what an earlier run left half-done without asking: for CI.")]
NOT_THERE = 4
"""Exit code: something does not answer or did not come up."""


def chosen(name: str, *, as_named: bool = False, step: Step = "look") -> Environment:
    """Return the environment, by the digests of its lock where it has one, or with `as_named` as its settings name the images.

    Says on standard error when parts of it are only examples, which every further `step` refuses.
    """
    found = environments.load(name, step=step)
    if found.placeholders:
        places = ", ".join(f"{each.key} ({each.file}:{each.line})" for each in found.placeholders)
        print(f"warning: left from the examples, so `make rollout ENV={name}` and `pulumi up` will refuse them: {places}", file=sys.stderr)
    if found.example:
        print(
            f"note: addresses and images of {name!r} are the examples of stacks/example.{name}.yaml; "
            'for the real ones, in a shell of the lab: eval "$(make -s env)"',
            file=sys.stderr,
        )
    if as_named or pins.read(name) is None:
        return found
    return replace(found, settings=pins.pinned(found.settings, name))


def reached(name: str, step: Step = "look") -> Environment:
    """Return the environment for a command that speaks to its cluster, which is shown, and refused where it is another one."""
    environment = chosen(name, step=step)
    cluster.show(environment.settings, name)
    return environment


@dataclass(frozen=True)
class Progress:
    """Lines of a command that takes long, each with its time."""

    command: str

    def tell(self, text: str) -> None:
        """Print one step, or what was seen."""
        print(f"{self.command} {time.strftime('%H:%M:%S')}  {text}", flush=True)

    def stop(self, code: int, why: str) -> NoReturn:
        """End the command."""
        self.tell(f"stopped: {why} (exit {code})")
        raise typer.Exit(code)

    def up(self, environment: Environment, otherwise: str, *targets: str) -> None:
        """Run `pulumi up` and name pods that cannot start while it waits; where it fails, stop with its cause, and `otherwise`."""
        with pod_watch.watching(environment.name, environment.settings.namespace, self.tell) as watch:
            ended = pulumi_cli.up(environment.name, *targets)
        if ended.code:
            pods = "".join(f"\n  {trouble}" for trouble in watch.troubles)
            self.stop(*_failure(ended, f"{otherwise}{pods}"))


def _failure(ended: Ended, otherwise: str) -> tuple[int, str]:
    if ended.code == INTERRUPTED:
        return INTERRUPTED, f"`pulumi up` was interrupted and ended in order; {otherwise}"
    return NOT_THERE, f"`pulumi up` failed at {ended.cause}; {otherwise}"
