"""The operator's commands: what a stack would declare and with which values, without a cluster; one file a command in stacks/commands.

Standard output carries the result and nothing else; notes and errors go to standard error.
"""

import signal
import sys

import typer

from stacks.commands import doctor, gpus, images, needs, pin, policies, preflight, render, rollout, rotate, up, values
from stacks.problems import SettingsError

_HELP = """Look at an environment before, and after, `pulumi up`.

Every command takes the name of an environment: one of stacks/Pulumi.<name>.yaml. `make` has the same names: `make values ENV=prod`.

Exit codes: 0 done, 1 a rule is violated or something is wrong with what was looked at, 2 wrong usage or settings,
4 something does not answer as it should or did not come up, 130 interrupted.

Examples:

    python -m stacks values prod > values.yaml; helm template milvus CHART --values values.yaml

    python -m stacks render prod; ls build/render/prod/*
"""

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _operator() -> None:
    pass


for command in (values, render, needs, policies, pin, images, gpus, doctor, preflight, up, rollout, rotate):
    app.command(command.__name__.rpartition(".")[2].replace("_", "-"), help=command.__doc__)(command.run)


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
