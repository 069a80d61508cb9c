"""The operator's commands: what a stack would declare and with which values, and what brings it up; one file a command in stacks/commands.

Standard output carries the result and nothing else; notes and errors go to standard error. A command's code is imported when it runs.
"""

import ast
import importlib
import signal
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from stacks.problems import SettingsError

_HELP = """Look at an environment before, and after, `pulumi up`.

Every command takes the name of an environment: one of stacks/Pulumi.<name>.yaml. The door is `./rag`.

Exit codes: 0 done, 1 a rule is violated or something is wrong with what was looked at, 2 wrong usage or settings,
4 something does not answer as it should or did not come up, 130 interrupted.

Example:

    ./rag values prod > values.yaml; helm template milvus CHART --values values.yaml
"""
COMMANDS = (
    *("init", "check", "status", "preview", "values", "render", "needs", "policies", "pin", "images", "monitoring"),
    *("gpus", "doctor", "preflight", "up", "rollout", "rotate"),
)


def load(name: str) -> Any:  # noqa: ANN401  typer keeps its types private
    """Import one command, and return it as typer runs it."""
    module, alone = importlib.import_module(f"stacks.commands.{name}"), typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, help=module.__doc__)(module.run)
    return typer.main.get_command(alone)


class Commands(TyperGroup):
    """The files of stacks/commands: imported when they run, listed by the first sentence of their docstrings."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  typer keeps its types private
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002  as above
        """Import one command."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Write the list without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_sentence(name)) for name in COMMANDS])


def _first_sentence(command: str) -> str:
    source = (Path(__file__).parent / "commands" / f"{command}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


app = typer.Typer(cls=Commands, help=_HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _operator() -> None:
    pass


def main() -> None:
    """Run one command; wrong settings are the user's to read, without a traceback. SIGTERM, of a CI job, is a Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(prog_name="python -m stacks")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
