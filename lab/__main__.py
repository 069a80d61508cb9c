"""The lab's command line, on a bare Python 3.11: what needs packages is imported once the virtual environment is there."""

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TextIO

if sys.version_info < (3, 11):  # noqa: UP036  said before anything else fails
    sys.exit(f"error: Python {sys.version.split()[0]} is too old; the lab needs 3.11 or newer\n  cure: ./rag up PYTHON=python3.11")

from lab import bootstrap, disk, lock
from lab.errors import LabError
from lab.places import CACHE, REPOSITORY, STATE, STORES
from lab.steps import Steps

_LOG = CACHE / "log" / "commands.log"
_format = partial(argparse.HelpFormatter, width=79)


def main() -> int:
    """Run one command and return its exit code."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # under nohup a hang-up stays without effect
            signal.signal(ending, signal.default_int_handler)
    try:
        arguments = _commands()[0].parse_args()
        code: int | None = arguments.run(arguments)
    except KeyboardInterrupt:
        cure = "`./rag up` goes on from here; `./rag down` removes the lab"
        problem = LabError("interrupted: finished steps stay, nothing is half-written", cure, exit_code=130)
    except OSError as error:
        if not disk.is_full(error):
            raise
        problem = disk.ran_out(error)
    except LabError as error:
        problem = error
    else:
        return code or 0
    print(problem, file=sys.stderr)
    return problem.exit_code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where the right usage is shown."""
        raise LabError(message, " ".join(["./rag", *sys.argv[1:2], "--help"]))


def help_of(name: str) -> str:
    """Return the help of one command."""
    return str(_commands()[1].choices[name].format_help())


def _commands() -> tuple[argparse.ArgumentParser, Any]:
    parser = _Parser(prog="./rag", description="One machine standing in for the data centre.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    of_an_environment = "./rag status; of an environment of yours: ./rag status prod"
    for run, example, text in (
        (up, "./rag up --store greenlake", "bring the lab up: from this machine as it is to a verdict: tools, lab, `pulumi up`, gate"),
        (down, "./rag down", "end the lab; nothing of it remains but the cache"),
        (status, of_an_environment, "what runs, since when, memory, addresses, what is wrong and what helps; exit 1 where something is"),
        (env, 'eval "$(./rag env)"', 'print what a shell needs to use the lab: eval "$(./rag env)"'),
        (venv, "./rag venv", "make the virtual environment and nothing else, for `make check`"),
        (clean_cache, "./rag clean-cache", "remove the cache: tools, images, packages, models, vectors"),
    ):
        name, epilog = run.__name__.replace("_", "-"), f"Example: {example}"
        command = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=_format)
        command.set_defaults(run=run)
    commands.choices["status"].add_argument("--json", action="store_true", help="the answer as JSON on standard output")
    add = commands.choices["up"].add_argument
    waiting = "seconds to wait for another command that is changing the lab; 0: say which, and end (default: %(default)s)"
    add("--no-gate", action="store_true", help="stop before the gate: the tests run it themselves")
    add("--wait", type=float, default=1800, metavar="S", help=waiting)
    add("--store", choices=STORES, help="how the stack comes by its buckets (default: as it does, else s3)")
    add("--chart", help="chart of Milvus: a path, oci://..., or NAME@REPOSITORY (default: the one it has, else the lab's)")
    add("--chart-version", metavar="X.Y.Z", help="version of a chart that is not on this machine")
    return parser, commands


def _prepared(out: TextIO | None = None, on_steps: Callable[[Sequence[str]], None] | None = None) -> Steps:
    """Return the steps of a command that runs in the virtual environment, going there first."""
    steps = Steps(log=_LOG, out=out, on_steps=on_steps)
    bootstrap.enter(bootstrap.make_venv(steps), steps.started)
    return steps


def up(arguments: argparse.Namespace) -> int:
    """Bring the lab up and run the gate."""
    bootstrap.check_machine()
    bootstrap.ensure_packages(Steps(log=_LOG))
    steps = _prepared(on_steps=lambda titles: lock.enter(titles, os.getpid()))
    from lab import up as lab_up

    with lock.only_one(lock.LAB, patience_s=arguments.wait, say=steps.say):
        print(f"lab: state in {STATE}, cache in {CACHE}, log in {steps.log}", flush=True)
        chart = (arguments.chart, arguments.chart_version)
        code = lab_up.up(steps, gate=not arguments.no_gate, store=arguments.store, chart=chart)
        lock.leave()
    took = f"{steps.total_s():.0f} s in all"
    print(f'use it:       eval "$(./rag env)"\n{lab_up.page()}take it down: ./rag down\nsteps:        {took}', flush=True)
    return code


def down(_: argparse.Namespace) -> None:
    """Take the lab down."""
    if os.geteuid() != 0:
        raise LabError("the lab belongs to root", "sudo ./rag down")
    steps = _prepared()
    from lab import up as lab_up

    with lock.only_one(lock.LAB):
        lab_up.down(steps)
        lock.leave()


def status(arguments: argparse.Namespace) -> int:
    """Tell the state of the lab."""
    _prepared(sys.stderr)
    from lab import status as lab_status

    return lab_status.status(as_json=arguments.json)


def env(_: argparse.Namespace) -> None:
    """Print shell exports, and nothing else on standard output: a shell reads it."""
    _prepared(sys.stderr)
    from lab import project

    variables = project.shell()
    if not variables:
        raise LabError("no lab runs on this machine, or it belongs to another user", "./rag up, as root")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def venv(_: argparse.Namespace) -> None:
    """Make the virtual environment."""
    _prepared()


def clean_cache(_: argparse.Namespace) -> None:
    """Drop the cache."""
    _prepared()
    from lab import process_tree

    with lock.only_one(lock.LAB):
        if process_tree.running() is not None:
            raise LabError(f"a lab runs from the tools in {CACHE}", "./rag down, then ./rag clean-cache")
        shutil.rmtree(CACHE, ignore_errors=True)
        bootstrap.LINK.unlink(missing_ok=True)


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
