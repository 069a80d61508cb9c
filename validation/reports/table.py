"""The table on the terminal: what, measured, limit, grade; then what was measured without a promise, then the one RESULT line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from validation.judge.criteria import flat
from validation.judge.criteria import show as show_criteria
from validation.judge.judgement import Grade, Judged
from validation.judge.measures import CATALOGUE
from validation.judge.outcome import Outcome
from validation.reports import budget
from validation.run.progress import flush_streams
from validation.run.record import Record

_COLOURS = {Grade.PASS: "green", Grade.FAIL: "red", Grade.UNMEASURED: "red"}
_MOST_DIGITS = 12
_PIPE_WIDTH = 120


def show(record: Record, console: Console) -> None:
    """Print the tables and whatever keeps the run from being valid."""
    if record.measurements:
        console.print(_table(record))
    for line in filter(None, (budget.line(record.measurements), *_by_group(record))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if record.judgement:
        for line in [f"{each.objective.sli}: {each.why}" for each in record.judgement.judged if each.why] + [*record.judgement.notes]:
            console.print(Text(record.hide(line), style="yellow"), soft_wrap=True)
        for fault in record.judgement.faults:
            console.print(Text(f"not valid: {record.hide(fault)}", style="red"), soft_wrap=True)
    skipped = [f"skipped: {name}: {why}" for name, why in record.skipped.items()]
    for line in [*skipped, *(f"still there: collection {collection}" for collection in record.left_behind)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _by_group(record: Record) -> Iterator[str]:
    """Yield one line for retrieval by language and one by kind: the mean over all questions hides where it is low."""
    quality: dict[str, dict[str, dict[str, float]]] = next(
        (check.facts.get("by", {}) for check in record.checks if check.name == "quality"), {}
    )
    for group, members in quality.items():
        means = (f"{name} {numbers['ndcg_at_10']:.3f} ({numbers['questions']:g})" for name, numbers in members.items())
        yield f"nDCG@10 by {group} (questions): {', '.join(means)}"


def tell(run: Callable[[], Record], report: Path, show: Callable[[Any, Console], None] = show) -> int:
    """Do a run, print what came of it, and return its exit code; 2 when its report cannot be written."""
    try:
        record = run()
    except OSError as error:
        return refuse(f"the report cannot be written ({error}); name a directory with --out")
    show(record, stdout_console())
    flush_streams()
    print(result_line(record, report))
    return record.exit_code


def show_nothing(_record: Record, _console: Console) -> None:
    """Print nothing: the reason in the RESULT line says it all."""


def refuse(reason: str) -> int:
    """Print why there is no run at all, and return the exit code for that."""
    print(f"RESULT: {Outcome.ERROR} {reason} (exit 2)")
    return 2


def result_line(record: Record, path: Path | None) -> str:
    """Return the last line of a run, on one line whatever the reason holds."""
    where = f" report: {path}" if path else ""
    return f"RESULT: {record.outcome} {record.hide(record.reason)} (exit {record.exit_code}){where}"


def stdout_console() -> Console:
    """Return a console as wide as the terminal, and wide enough when there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def _table(record: Record) -> Table:
    table = Table(title=f"Gate run {record.run_id}", title_justify="left")
    for heading, side in (("what", "left"), ("measured", "right"), ("unit", "left"), ("limit", "right"), ("verdict", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left", no_wrap=heading != "what")
    judged = record.judgement.judged if record.judgement else ()
    for each in judged:
        objective, grade = each.objective, Text(each.grade, style=_COLOURS.get(each.grade, "yellow"))
        table.add_row(objective.sli, _honest(each), objective.unit, show_criteria(objective.limit), grade)
    table.add_section()
    promised = {each.objective.sli for each in judged}
    for name, measurement in record.measurements.items():
        if name not in promised:
            table.add_row(name, number(measurement.value), CATALOGUE[name].unit, "", "")
    return table


def _honest(judged: Judged) -> str:
    """Show the number with as many digits as it takes to stand on the same side of every limit as it really does."""
    value, objective = judged.measurement.value, judged.objective
    shown = number(value)
    if value is None:
        return shown
    criteria = [*flat(objective.limit), *flat(objective.warn or ())]
    for digits in range(4, _MOST_DIGITS):
        seen = float(shown.replace(",", ""))
        if all(each.holds(seen, judged.baseline) == each.holds(value, judged.baseline) for each in criteria):
            break
        shown = f"{value:,.{digits}g}"
    return shown


def number(value: float | None) -> str:
    """Show a number with as many digits as it deserves."""
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"  # noqa: PLR2004 - three digits before the point
