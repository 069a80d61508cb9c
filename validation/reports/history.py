"""The commands about runs that are over: `baseline set`, `baseline show`, `report`, `compare`, `calibrate`. Each ends with one RESULT line.

`compare` puts two runs beside each other: ratio (of a share the difference), the interval of it, and whether the second is worse. The
interval of a ratio is the widest that both intervals allow (worst over best, best over worst), so it errs to the side of "the same".
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from validation.judge.criteria import show as show_criteria
from validation.judge.errors import GateError, UsageError, exit_code
from validation.judge.measures import CATALOGUE, Better, Measure, Measurement, Measurements
from validation.judge.profile import Profile
from validation.judge.slo_file import read_profile
from validation.reports import baseline, export
from validation.reports.fingerprint import differences
from validation.reports.model import GateReport, read, usable, write_whole
from validation.reports.table import empty_table, number, stdout_console
from validation.run.options import Json

_SHARE_TOLERANCE = 0.01  # a difference that somebody notices; of everything else the tolerance is given in percent


class Change(StrEnum):
    """What the second run is against the first."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "one sample"  # there is no interval: a single number moves as it likes


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One number in both runs."""

    measure: Measure
    before: Measurement
    after: Measurement
    change: Change
    moved: tuple[float, float, float] | None  # ratio (of a share the difference), and the interval of it; None for nothing to divide by


def compare_measurements(before: Measurements, after: Measurements, tolerance_percent: float) -> list[Compared]:
    """Compare what both runs measured and what has a better side."""
    names = [name for name, measure in CATALOGUE.items() if measure.better is not Better.NONE and name in before and name in after]
    return [_compare(CATALOGUE[name], before[name], after[name], tolerance_percent / 100) for name in names]


def _compare(measure: Measure, before: Measurement, after: Measurement, tolerance: float) -> Compared:
    old, new, moved, change = before.value or 0.0, after.value or 0.0, None, Change.SAME
    (old_low, old_high), (new_low, new_high) = before.interval or (old, old), after.interval or (new, new)
    centre, room = (0.0, _SHARE_TOLERANCE) if measure.unit == "share" else (1.0, tolerance)
    if measure.unit == "share":
        moved = (new - old, new_low - old_high, new_high - old_low)
    elif old and old_low and old_high:
        moved = (new / old, new_low / old_high, new_high / old_low)
    if moved is None or before.interval is None or after.interval is None:
        change = Change.UNKNOWN
    elif (is_lower := moved[2] < centre - room) or moved[1] > centre + room:
        change = Change.BETTER if is_lower == (measure.better is Better.LOWER) else Change.WORSE
    return Compared(measure=measure, before=before, after=after, change=change, moved=moved)


Directory = Annotated[Path, typer.Option("--dir", help="Where baselines are kept, one file for each profile.")]
baselines = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@contextmanager
def answered() -> Iterator[None]:
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


def runs(
    directory: Annotated[Path, typer.Option("--dir", help="Where the reports are.")] = Path("build/reports"),
    page: Annotated[Path | None, typer.Option("--html", help="Write a page of the gate's runs: each judged number over time.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Print them; help.yaml says more."""
    if page is not None:
        readable = list[GateReport]()
        for path in directory.glob("*/report.json"):
            with suppress(UsageError):  # of another kind or version
                readable.append(read(path))
        with answered():
            write_whole(page, export.trends(sorted(readable, key=lambda each: each.run.started_at)))
        print(f"RESULT: WRITTEN {page} of {len(readable)} runs (exit 0)")
        return
    listed = [each for path in sorted(directory.glob("*/*.json")) if (each := _summary(path))]
    if as_json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    for each in listed:
        print(f"{each['run']:<17} {each['kind']:<10} {each['profile']:<9} {each['outcome']:<11} {each['label']}".rstrip())
    print(f"{len(listed)} runs in {directory}; compare two: ./rag compare {directory}/RUN_A {directory}/RUN_B")


def _summary(path: Path) -> dict[str, str] | None:
    """Return one run; None for a file that is no report."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind = str(data["schema"]).rpartition("/")[2].removesuffix("-report").removeprefix("gate-")
        result, inputs = data["result"], data.get("inputs") or {}
        outcome = result["outcome"] if isinstance(result, dict) else result
    except (ValueError, KeyError, TypeError, OSError):
        return None
    profile = (inputs.get("profile") or {}).get("profile", "-")
    return {"run": path.parent.name, "kind": kind, "profile": profile, "outcome": str(outcome), "label": str(inputs.get("label", ""))}


@baselines.command("set")
def set_baseline(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="report.json of a run, or its directory.")],
    directory: Directory = baseline.DIRECTORY,
) -> None:
    """Make the run of REPORT the baseline of its profile; only a valid run that passed is taken (exit 3 otherwise)."""
    with answered():
        chosen = read(report)
        before = baseline.load(directory, chosen.profile)
        path = baseline.keep(chosen, directory)
    print(f"RESULT: SET {path}: run {chosen.run.id}{f', instead of {before.run}' if before else ''} (exit 0)")


@baselines.command("show")
def show_baselines(directory: Directory = baseline.DIRECTORY, *, as_json: Json = False) -> None:
    """List what is kept."""
    with answered():
        kept = [each for path in sorted(directory.glob("*.json")) if (each := baseline.load(directory, path.stem))]
    if as_json:
        print(json.dumps([each.model_dump(mode="json", exclude={"measurements"}) for each in kept], indent=2))
        return
    for each in kept:
        print(f"{each.profile}: run {each.run}, measured {each.measured_at}, set {each.set_at}, {len(each.measurements)} numbers")
    print(f"RESULT: {len(kept)} baselines in {directory} (exit 0)")


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run as it was: report.json, or its directory.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run as it is now.")],
    tolerance: Annotated[float, typer.Option(min=0, max=1000, help="Percent that is not called worse; of a share a hundredth.")] = 10.0,
    *,
    as_json: Json = False,
) -> None:
    """Print the comparison; help.yaml says more."""
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), answered():
        before, after = read(run_a), read(run_b)
        baseline.refuse_unequal([before, after], ["workload"])
        rows = compare_measurements(usable(before.measurements), usable(after.measurements), tolerance)
    systems = differences(before.fingerprint.system, after.fingerprint.system)
    worse = [row.measure.name for row in rows if row.change is Change.WORSE]
    if as_json:
        names = ("name", "unit", "before", "after", "moved", "change")
        values = [(row.measure.name, row.measure.unit, row.before.value, row.after.value, row.moved, str(row.change)) for row in rows]
        numbers = [dict(zip(names, each, strict=True)) for each in values]
        print(json.dumps({"worse": worse, "another_system": systems, "numbers": numbers}, indent=2))
    else:
        _show(rows, systems, worse)
    raise typer.Exit(int(bool(worse)))


def _show(rows: list[Compared], systems: list[str], worse: list[str]) -> None:
    console = stdout_console()
    numbers = ("A", "B", "B to A", "90 % interval")
    table = empty_table(console, ("what", "unit", *numbers, "change"), right=numbers)
    for row in rows:
        moved, spread = "-", "-"
        if row.moved:
            sign = "+" if row.measure.unit == "share" else ""
            moved, spread = f"{row.moved[0]:{sign}.3f}", f"{row.moved[1]:{sign}.3f} .. {row.moved[2]:{sign}.3f}"
        values = (number(row.before.value), number(row.after.value))
        table.add_row(row.measure.name, row.measure.unit, *values, moved, spread, row.change)
    console.print(table)
    for phrase in systems:
        console.print(f"another system: {phrase}", markup=False, highlight=False, soft_wrap=True)
    verdict = f"WORSE {len(worse)} of {len(rows)} numbers are worse: {', '.join(worse)}"
    print(f"RESULT: {verdict if worse else f'SAME none of {len(rows)} numbers is worse'} (exit {int(bool(worse))})")


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="report.json of a run, or its directory.")],
    form: Annotated[export.Form, typer.Option("--format", help="What to make.")] = "html",
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: on standard output.")] = None,
) -> None:
    """Write or print it; help.yaml says more."""
    with answered():
        text = export.FORMS[form][1](read(run))
        if out:
            write_whole(out, text)
    print(f"RESULT: WRITTEN {out} (exit 0)" if out else text, end="\n" if out else "")


def calibrate(
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT", help="report.json of each run, or its directory.")],
    out: Annotated[Path, typer.Option(help="The SLO file to write; one that is there is not replaced.")],
    name: Annotated[str | None, typer.Option(help="Name of the profile. Default: that of the runs.")] = None,
    margin: Annotated[float, typer.Option(min=0.05, max=10, help="Room beyond the worst that was seen; 0.5 is half as much again.")] = 0.5,
) -> None:
    """Write the file; help.yaml says more."""
    with answered():
        if out.exists():
            raise UsageError(f"{out} is there already; name another file with --out, and compare the two")
        runs = [read(path) for path in reports]
        baseline.refuse_unequal(runs)
        profile = Profile.model_validate(runs[0].inputs["profile"])
        proposals = baseline.propose(profile, runs, margin)
        data = baseline.calibrated(profile, proposals, name or profile.profile, runs, margin)
        text = yaml.safe_dump(data, sort_keys=False, width=140, allow_unicode=True)
        write_whole(out, f"# Proposed by `./rag calibrate` from {len(runs)} runs: every number says what was seen.\n{text}")
        try:
            read_profile(out)
        except UsageError:
            out.unlink()  # what contradicts itself is not left to be used
            raise
    for each in proposals:
        promised, seen = show_criteria(each.objective.limit), f"{number(each.seen[0])} .. {number(each.seen[1])} {each.objective.unit}"
        print(f"{each.objective.sli:<22} seen {seen:<28} promised {promised:<24} proposed {each.limit}")
    print(f"RESULT: WRITTEN {out} from {len(runs)} runs; read it before you promise it (exit 0)")
