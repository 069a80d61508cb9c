"""The command line of the gate: which commands there are; options and help of each stand beside its code."""

import signal
from types import FrameType

import typer

from validation.ask import command as ask
from validation.checks import GATE
from validation.corpus import citation
from validation.experiments import during, sweep
from validation.load.pods import generator
from validation.reports import history, model
from validation.run.options import command
from validation.suites import ingest, preflight, runner

app = typer.Typer(help=runner.HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _gate() -> None:
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C, so that the collection is dropped and a report written."""
    raise KeyboardInterrupt


app.command("preflight", help=preflight.HELP)(command(preflight.act))
history.add_to(app)
app.command("run", help=runner.HELP)(command(runner.act))
app.command("original", help=citation.HELP)(citation.original)
app.command("pod", help=generator.HELP, hidden=True)(generator.command)
app.command("ingest", help=ingest.HELP)(command(ingest.act))
app.command("ask", help=ask.HELP)(command(ask.act))


@app.command("report-schema", hidden=True)
def print_report_schema() -> None:
    """Print the JSON schema of report.json."""
    print(model.schema(), end="")


@app.command("checks")
def list_checks() -> None:
    """Print what the gate asks, in order, with the measures that an SLO file may name, as a Markdown table."""
    print(GATE.table(), end="")


app.command("sweep", help=sweep.HELP)(command(sweep.act))
app.command("during", help=during.HELP)(command(during.act))

if __name__ == "__main__":
    app(prog_name="python -m validation")
