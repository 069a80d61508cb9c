"""The operator's commands, one file each: a module docstring, which is its help, and `run`."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from stacks import environments, pins
from stacks.environments import Environment

EnvironmentName = Annotated[str, typer.Argument(help="Environment: NAME of stacks/Pulumi.NAME.yaml.", metavar="ENVIRONMENT")]


def chosen(name: str, *, as_named: bool = False) -> Environment:
    """Return the environment, by the digests of its lock where it has one, or with `as_named` as its settings name the images.

    Says on standard error when parts of it are only examples.
    """
    found = environments.load(name)
    if found.example:
        print(
            f"note: addresses and images of {name!r} are the examples of stacks/example.{name}.yaml; "
            'for the real ones, in a shell of the lab: eval "$(make -s env)"',
            file=sys.stderr,
        )
    if as_named or pins.read(name) is None:
        return found
    return replace(found, settings=pins.pinned(found.settings, name))
