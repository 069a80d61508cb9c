"""The command line of the gate: which commands there are; options and help of each stand beside its code, imported when it runs."""

import importlib
import inspect
import signal
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.core import TyperGroup

from validation.run.options import command

_JUDGING = {"report", "compare", "baseline", "calibrate"}
COMMANDS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text(encoding="utf-8"))


def load(name: str) -> Any:  # noqa: ANN401  typer keeps its types private
    """Import one command, and return it as typer runs it; its help stands in help.yaml, or is its docstring."""
    path, _, attribute = COMMANDS[name].partition(":")
    act = getattr(importlib.import_module(path), attribute)
    if name in _JUDGING:
        importlib.import_module("validation.checks.gate")  # it brings the measures by which a report is read
    texts = yaml.safe_load(Path(__file__).with_name("help.yaml").read_text(encoding="utf-8"))
    if isinstance(act, typer.Typer):
        act.info.help = texts.get(name, act.info.help)
        return typer.main.get_command(act)
    text = texts.get(name) or inspect.getdoc(act)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, help=text)(command(act) if "options" in inspect.signature(act).parameters else act)
    return typer.main.get_command(alone)


class Commands(TyperGroup):
    """The commands by name."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  as above
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002  as above
        """Import one command."""
        return load(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(cls=Commands, help="The gate and the preflight.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _gate() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, so that the collection is dropped and a report written


if __name__ == "__main__":
    app(prog_name="python -m validation")
