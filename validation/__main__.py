"""The command line of the gate; it only reads options and prints what `runner` found."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from validation.checks import GATE
from validation.corpus import original
from validation.corpus.ingest import passages_file
from validation.experiments import during, sweep
from validation.judge.outcome import exit_code
from validation.load.pods import generator
from validation.reports import model, table
from validation.reports.history import commands as history
from validation.reports.history.baseline import DIRECTORY
from validation.run.progress import Reporter
from validation.suites import ingest, runner
from validation.suites.preflight import command as preflight

_HELP = """Measure a deployed stack, compare it with its promises, and answer with an exit code.

The gate loads the sample corpus into a collection of its own, searches it at a constant rate (latency counts from the planned send
time), compares every answer with the exact one, asks the language model, and judges all of it against an SLO file. It drops its
collection when it ends; the originals stay in the documents bucket, under corpus/<sha256>/.

Exit codes: 0 PASS, 0 WARN (1 with --strict), 1 FAIL (a promise is missed), 2 ERROR (usage, configuration, or interrupted),
3 INVALID (could not be measured in a way that proves anything), 4 UNREACHABLE (the target does not answer). report.json is written in
every case, and the last line is always RESULT: and the word.

Examples:

    python -m validation run --stack lab

    python -m validation run --stack prod --slo validation/slo.prod.yaml --strict

    pulumi stack output --json --stack lab > target.json; python -m validation run --target target.json --slo my.yaml

    python -m validation run --stack prod --collection handbook --read-only --corpus my/documents --slo my.yaml
"""

_SWEEP = """Find the highest rate at which every promise about search holds: capacity at SLO.

Loads the corpus once, then searches at rising rates: doubled while they hold, then halved between, until the gap is below a tenth. Each
rate is judged as a run is, recall included. Where the generator itself is late, the sweep ends there and says so.

Exit codes: 0 the promised rate holds, 1 it does not, 2 usage, 3 nothing could be measured validly, 4 the target does not answer.
"""

_DURING = """Search at a constant rate while a command runs, and say how long nobody was served.

Loads the corpus into a collection of its own, searches it, runs the command after a calm moment, and goes on until a calm moment after
its end. For whatever should cost no or little service: a rotation, an upgrade, a node that is drained. Bounded: a command that lasts
longer than --limit-s is asked to end as by Ctrl-C, and killed a minute later; the load ends by itself.

Exit codes: 0 measured, 1 the command failed or the service was away longer than --longest-outage-s, 2 usage, 3 the rate could not be
sent, 4 the target does not answer. during.json is written in every case.

For example:

    python -m validation during --stack prod --longest-outage-s 0 -- make rotate ENV=prod
"""

_PODS = "Send the searches from so many pods of a Job in the cluster, each its share of the rate; 0: from this machine."

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _gate() -> None:
    signal.signal(signal.SIGTERM, _interrupt)


app.command("preflight", help=preflight.HELP)(preflight.preflight)


history.add_to(app)


@app.command(help=_HELP)
def run(
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack to aim at; its outputs are read with `pulumi stack output`.")] = None,
    target: Annotated[Path | None, typer.Option(help="File with the same outputs as JSON, instead of --stack.")] = None,
    slo: Annotated[Path | None, typer.Option(help="The promises. Default: validation/slo.<stack>.yaml")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for report.json. Default: build/reports/<UTC time>/")] = None,
    corpus: Annotated[Path, typer.Option(help="Directory with documents/<language>/ and questions.jsonl.")] = Path("corpus"),
    seed: Annotated[int, typer.Option(help="Same seed, same generated documents and searches.")] = 7,
    strict: Annotated[bool, typer.Option("--strict", help="A warning exits 1.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the collection, to look into it.")] = False,
    collection: Annotated[str, typer.Option(help="Judge this collection, which `ingest` or --keep left; needs --read-only.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Write nothing; what cannot be measured so is named as skipped.")] = False,
    baselines: Annotated[Path, typer.Option(help="Directory of the baselines that `baseline set` keeps.")] = DIRECTORY,
    pods: Annotated[int, typer.Option(min=0, max=64, help=_PODS)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; the table and the RESULT line only.")] = False,
) -> None:
    """Run the gate once."""
    if bool(collection) != read_only:
        print("RESULT: ERROR --collection NAME and --read-only belong together: the gate writes into collections of its own only (exit 2)")
        raise typer.Exit(2)
    order = runner.Order(
        stack=stack,
        target_file=target,
        slo=slo,
        corpus=corpus,
        seed=seed,
        strict=strict,
        keep=keep,
        baselines=baselines,
        collection=collection,
        pods=pods,
    )
    report = (out or Path("build") / "reports" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}") / "report.json"
    raise typer.Exit(table.tell(lambda: runner.execute(order, Reporter(quiet=quiet), report), report))


app.command("original", help=original.HELP)(original.original)
app.command("pod", help=generator.HELP, hidden=True)(generator.command)
app.command("ingest", help=ingest.HELP)(ingest.ingest)


@app.command("report-schema", hidden=True)
def print_report_schema() -> None:
    """Print the JSON schema of report.json."""
    print(model.schema(), end="")


@app.command("checks")
def list_checks() -> None:
    """Print what the gate asks, in order, with the measures that an SLO file may name, as a Markdown table."""
    print(GATE.table(), end="")


app.command("passages", help=passages_file.HELP)(passages_file.passages)


@app.command("sweep", help=_SWEEP)
def sweep_rates(
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack to aim at.")] = None,
    target: Annotated[Path | None, typer.Option(help="File with the same outputs as JSON, instead of --stack.")] = None,
    slo: Annotated[Path | None, typer.Option(help="The promises. Default: validation/slo.<stack>.yaml")] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build") / "reports" / "sweep.json",
    lowest: Annotated[float, typer.Option("--from", min=1, help="First rate, in requests/s; doubled while it holds.")] = 25,
    highest: Annotated[float, typer.Option("--to", min=1, max=20_000, help="No rate above this one.")] = 3_200,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="How long each rate is held.")] = 10,
    pods: Annotated[int, typer.Option(min=0, max=64, help=_PODS)] = 0,
) -> None:
    """Sweep, and exit with the answer."""
    order = runner.Order(stack=stack, target_file=target, slo=slo, corpus=Path("corpus"), seed=7, strict=False, keep=False, pods=pods)
    found = sweep.execute(order, sweep.Range(lowest=lowest, highest=highest, seconds=seconds), Reporter(), out)
    code = exit_code(found.outcome, strict=False)
    print(f"RESULT: {found.outcome} {found.reason} (exit {code}) report: {out}")
    raise typer.Exit(code)


@app.command("during", help=_DURING)
def during_command(
    command: Annotated[list[str], typer.Argument(help="The command, after --", metavar="-- COMMAND...")],
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack to aim at.")] = None,
    target: Annotated[Path | None, typer.Option(help="File with the same outputs as JSON, instead of --stack.")] = None,
    slo: Annotated[Path | None, typer.Option(help="How searches are made. Default: validation/slo.<stack>.yaml")] = None,
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/<UTC time>/during.json")] = None,
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Searches per second.")] = 100,
    limit_s: Annotated[float, typer.Option(min=1, max=7_200, help="No command may last longer.")] = 1_800,
    longest_outage_s: Annotated[float | None, typer.Option(min=0, help="Longer without service exits 1; by itself it is measured.")] = None,
) -> None:
    """Measure, and exit with the answer."""
    order = runner.Order(stack=stack, target_file=target, slo=slo, corpus=Path("corpus"), seed=7, strict=False, keep=False)
    wanted = during.Wanted(command=command, rate=rate, limit_s=limit_s, longest_outage_s=longest_outage_s)
    report = out or Path("build") / "reports" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / "during.json"
    found = during.execute(order, wanted, Reporter(), report)
    code = exit_code(found.outcome, strict=False)
    print(f"RESULT: {found.outcome} {found.reason} (exit {code}) report: {report}")
    raise typer.Exit(code)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C, so that the collection is dropped and a report written."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    app(prog_name="python -m validation")
