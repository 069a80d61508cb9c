"""The commands about runs that are over: `baseline set`, `baseline show`, `compare`, `calibrate`. Each ends with one RESULT line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from validation.judge.criteria import show as show_criteria
from validation.judge.errors import GateError, UsageError
from validation.judge.outcome import exit_code
from validation.judge.profile import Profile
from validation.judge.slo_file import read_profile
from validation.reports.fingerprint import differences
from validation.reports.history import baseline, calibration, comparison
from validation.reports.history.comparison import Change, Compared
from validation.reports.model import GateReport, read
from validation.reports.table import number, stdout_console

Directory = Annotated[Path, typer.Option("--dir", help="Where baselines are kept, one file for each profile.")]
_COMPARE = """Compare two runs of the same workload: RUN_A as it was, RUN_B as it is now.

Each number with its interval, the ratio of B to A (of a share the difference) and the interval of that. Worse means: even the kind end of
that interval is beyond the tolerance. Both runs must be valid, and of the same corpus, index, search parameters and rate; another image,
chart or topology is named, and compared.

Exit codes: 0 nothing is worse, 1 something is worse, 2 a file cannot be read, 3 the runs cannot be compared.
"""
_CALIBRATE = """Propose limits for an environment from equal runs on it, and write them as an SLO file.

Give the reports of three or more valid runs of the same workload on the same system, made one after the other. Of each objective the worst
end of all intervals is taken, and MARGIN of room added; half of it is used for `warn`. Every number gets its reason. Read the file before
you use it: what was seen is not yet what you want to promise.

Exit codes: 0 written, 2 wrong usage, 3 the runs are not valid or not equal.
"""

baselines = typer.Typer(help="The run that relative limits are compared with.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the gate's command line."""
    app.add_typer(baselines, name="baseline")
    app.command(help=_COMPARE)(compare)
    app.command(help=_CALIBRATE)(calibrate)


@contextmanager
def _answered() -> Iterator[None]:
    """End with the exit code of whatever stops a command, and one RESULT line."""
    try:
        yield
    except GateError as error:
        code = exit_code(error.outcome, strict=False)
        print(f"RESULT: {error.outcome} {error} (exit {code})")
        raise typer.Exit(code) from None
    except OSError as error:
        print(f"RESULT: ERROR cannot be written ({error}) (exit 2)")
        raise typer.Exit(2) from None


@baselines.command("set")
def set_baseline(report: Path, directory: Directory = baseline.DIRECTORY) -> None:
    """Make the run of REPORT the baseline of its profile; only a valid run that passed is taken (exit 3 otherwise)."""
    with _answered():
        chosen = read(report)
        before = baseline.load(directory, chosen.profile)
        path = baseline.keep(chosen, directory)
    print(f"RESULT: SET {path}: run {chosen.run.id}{f', instead of {before.run}' if before else ''} (exit 0)")


@baselines.command("show")
def show_baselines(directory: Directory = baseline.DIRECTORY) -> None:
    """List what is kept."""
    with _answered():
        found = [one for path in sorted(directory.glob("*.json")) if (one := baseline.load(directory, path.stem))]
    for one in found:
        print(f"{one.profile}: run {one.run}, measured {one.measured_at}, set {one.set_at}, {len(one.measurements)} numbers")
    print(f"RESULT: {len(found)} baselines in {directory} (exit 0)")


def compare(
    run_a: Path,
    run_b: Path,
    tolerance: Annotated[float, typer.Option(min=0, max=1000, help="Percent that is not called worse; of a share a hundredth.")] = 10.0,
) -> None:
    """See _COMPARE."""
    with _answered():
        before, after = read(run_a), read(run_b)
        rows = _comparable(before, after, tolerance)
    console = stdout_console()
    console.print(_table(rows))
    for phrase in differences(before.fingerprint.system, after.fingerprint.system):
        console.print(f"another system: {phrase}", markup=False, highlight=False, soft_wrap=True)
    worse = [one.measure.name for one in rows if one.change is Change.WORSE]
    word, code = ("WORSE", 1) if worse else ("SAME", 0)
    told = f"{len(worse)} of {len(rows)} numbers are worse: {', '.join(worse)}" if worse else f"none of {len(rows)} numbers is worse"
    print(f"RESULT: {word} {told} (exit {code})")
    raise typer.Exit(code)


def _comparable(before: GateReport, after: GateReport, tolerance: float) -> list[Compared]:
    calibration.refuse_invalid([before, after])
    calibration.refuse_other(before, after, "workload")
    return comparison.compare(before.usable(), after.usable(), tolerance)


def _table(rows: list[Compared]) -> Table:
    table = Table()
    for heading in ("what", "unit", "A", "B", "B to A", "90 % interval", "change"):
        table.add_column(heading, justify="left" if heading in {"what", "unit", "change"} else "right", no_wrap=True)
    for one in rows:
        moved, spread = "-", "-"
        if one.moved:
            sign = "+" if one.measure.unit == "share" else ""
            moved, spread = f"{one.moved[0]:{sign}.3f}", f"{one.moved[1]:{sign}.3f} .. {one.moved[2]:{sign}.3f}"
        values = (number(one.before.value), number(one.after.value))
        table.add_row(one.measure.name, one.measure.unit, *values, moved, spread, one.change)
    return table


def calibrate(
    reports: Annotated[list[Path], typer.Argument(help="report.json of each run, or its directory.")],
    out: Annotated[Path, typer.Option(help="The SLO file to write; one that is there is not replaced.")],
    name: Annotated[str | None, typer.Option(help="Name of the profile. Default: that of the runs.")] = None,
    margin: Annotated[float, typer.Option(min=0.05, max=10, help="Room beyond the worst that was seen; 0.5 is half as much again.")] = 0.5,
) -> None:
    """See _CALIBRATE."""
    with _answered():
        if out.exists():
            raise UsageError(f"{out} is there already; name another file with --out, and compare the two")
        found = [read(path) for path in reports]
        calibration.refuse_unequal(found)
        profile = Profile.model_validate(found[0].inputs["profile"])
        proposals = calibration.propose(profile, found, margin)
        _write(out, calibration.calibrated(profile, proposals, name or profile.profile, found, margin), len(found))
    for one in proposals:
        promised, seen = show_criteria(one.objective.limit), f"{number(one.seen[0])} .. {number(one.seen[1])} {one.objective.unit}"
        print(f"{one.objective.sli:<22} seen {seen:<28} promised {promised:<24} proposed {one.limit}")
    print(f"RESULT: WRITTEN {out} from {len(found)} runs; read it before you promise it (exit 0)")


def _write(out: Path, data: dict[str, Any], runs: int) -> None:
    head = f"# Proposed by `python -m validation calibrate` from {runs} runs: every number says what was seen.\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(head + yaml.safe_dump(data, sort_keys=False, width=140, allow_unicode=True), encoding="utf-8")
    try:
        read_profile(out)
    except UsageError:
        out.unlink()  # what contradicts itself is not left to be used
        raise
