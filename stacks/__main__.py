"""The operator's commands: where the code of each is, imported when it runs. The door is `./rag`.

Standard output carries the result and nothing else; notes and errors go to standard error.
"""

import importlib
import signal
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from stacks.problems import SettingsError

COMMANDS, _HELP = (
    yaml.safe_load((Path(__file__).parent / "commands" / name).read_text(encoding="utf-8")) for name in ("commands.yaml", "help.yaml")
)


def app(name: str) -> typer.Typer:
    """Import one command."""
    module = next(module for module, names in COMMANDS.items() if name in names)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, help=_HELP[name])(getattr(importlib.import_module(f"stacks.commands.{module}"), name))
    return alone


def load(name: str) -> Any:  # noqa: ANN401  typer keeps its types private
    """Return one command as typer runs it."""
    return typer.main.get_command(app(name))


def main() -> None:
    """Run a command as the lab does, without the door; SIGTERM, of a CI job, is a Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not {*sys.argv[1:2]} & {name for names in COMMANDS.values() for name in names}:
        print("error: name a command; ./rag --help lists them", file=sys.stderr)
        sys.exit(2)
    try:
        app(sys.argv[1])(sys.argv[2:], prog_name=f"python -m stacks {sys.argv[1]}")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
