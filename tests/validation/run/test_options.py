"""Options as dataclasses: what a factory makes is a default as any other."""

from dataclasses import dataclass, field
from typing import Annotated

import typer
from typer.testing import CliRunner

from validation.run.options import command


@dataclass(frozen=True, kw_only=True)
class Options:
    names: Annotated[list[str], typer.Option()] = field(default_factory=list)


def act(options: Options) -> int:
    print(options.names)
    return 0


def test_an_option_that_is_not_given_is_what_its_factory_makes() -> None:
    alone = typer.Typer()
    alone.command("go")(command(act))
    assert CliRunner().invoke(alone, []).output == "[]\n"
    assert CliRunner().invoke(alone, ["--names", "a", "--names", "b"]).output == "['a', 'b']\n"
