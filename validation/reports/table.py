"""What a run prints: what was seen, then what is judged as a table, then the one RESULT line."""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from validation.judge.criteria import flat
from validation.judge.criteria import show as show_criteria
from validation.judge.errors import Outcome
from validation.judge.judgement import Grade, Judged, Judgement
from validation.judge.measures import CATALOGUE
from validation.reports import model
from validation.run.record import Facts, Record, Reporter, run_and_report

_COLOURS = {Grade.PASS: "green", Grade.FAIL: "red", Grade.UNMEASURED: "red"}
_Record = TypeVar("_Record", bound=Record)


def show(record: Record, console: Console, *, verbose: bool = False) -> None:
    """Print what was seen, and last, right above the RESULT line, what is judged; with `verbose` also what nobody judges."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    skipped = [f"skipped: {name}: {why}" for name, why in record.skipped.items()]
    if verbose:
        console.print(_table(_others(record), console, "measured, and judged by nobody"))
        for line in filter(None, [model.budget_line(record.measurements), *_by_group(record), *skipped]):
            say(line)
    elif record.measurements:
        say(f"{len(_others(record))} other numbers, {len(skipped)} left out: --verbose, or report.json")
    for line in _wrong_answers(record, None if verbose else 3):
        say(record.hide(line))
    for collection in record.left_behind:
        say(f"still there: collection {collection}")
    if record.judgement:
        _show_judged(record, record.judgement, console)


def _show_judged(record: Record, judgement: Judgement, console: Console) -> None:
    rows = []
    for each in judgement.judged:
        grade = Text(each.grade, style=_COLOURS.get(each.grade, "yellow"))
        rows.append((each.objective.sli, _honest(each), each.objective.unit, show_criteria(each.objective.limit), grade))
    console.print(_table(rows, console, f"Gate run {record.run_id}"))
    for line in [f"{each.objective.sli}: {each.why}" for each in judgement.judged if each.why] + [*judgement.notes]:
        console.print(Text(record.hide(line), style="yellow"), soft_wrap=True)
    for fault in judgement.faults:
        console.print(Text(f"not valid: {record.hide(fault)}", style="red"), soft_wrap=True)


def _wrong_answers(record: Record, most: int | None) -> Iterator[str]:
    """Yield what was asked, expected and given for each wrong answer, and whether a right source was among those that were shown."""
    wrong: Sequence[Facts] = model.facts_of(record.checks, "answer").get("wrong", [])
    for each in wrong[:most]:
        source = "" if each["right_source"] else "; no right document among the sources"
        given = " ".join(str(each["answer"]).split())[:200] or "(nothing)"
        yield f"wrong: {each['question']}: {each['asked']}"
        yield f"  expected: {each['expected'] or 'that the documents do not say it'}"
        yield f"  answered: {given}{source}"
    if most is not None and len(wrong) > most:
        yield f"wrong: {len(wrong) - most} more answers: --verbose, or the check `answer` of report.json"


def _by_group(record: Record) -> Iterator[str]:
    """Yield one line for retrieval by language and one by kind: the mean over all questions hides where it is low."""
    for group, members in model.facts_of(record.checks, "quality").get("by", {}).items():
        means = (f"{name} {numbers['ndcg_at_10']:.3f} ({numbers['questions']:g})" for name, numbers in members.items())
        yield f"nDCG@10 by {group} (questions): {', '.join(means)}"


def tell(
    run: Callable[[], Record], report: Path, show: Callable[[Any, Console], None] = show, *, last: bool = True, as_json: bool = False
) -> int:
    """Do a run, print what came of it, and return its exit code, 2 without a report; one RESULT line, the `last`, else `so far:`.

    `as_json` prints the report instead, and the rest on standard error.
    """
    if as_json:
        with redirect_stdout(sys.stderr):
            code = tell(run, report, show, last=last)
        if report.exists():
            print(report.read_text(encoding="utf-8"), end="")
        return code
    try:
        record = run()
    except OSError as error:
        print(f"RESULT: {Outcome.ERROR} the report cannot be written ({error}); name a directory with --out (exit 2)")
        return 2
    show(record, stdout_console())
    problems = record.stopped[1].splitlines() if record.stopped else []
    for problem in problems if len(problems) > 1 else ():
        print(record.hide(problem))
    for stream in (sys.stdout, sys.stderr):  # they keep their order when both go to one file
        stream.flush()
    line = result_line(record, report if report.exists() else None)
    print(line if last else line.replace("RESULT:", "so far:", 1))
    return record.exit_code


def perform(
    record: _Record,
    run: Callable[[Reporter], None],
    report: Path,
    as_data: Callable[[_Record], Facts],
    *,
    show: Callable[[Any, Console], None] = lambda _record, _console: None,
    quiet: bool = False,
    as_json: bool = False,
) -> int:
    """Do `run`, write what `as_data` makes of its record to `report`, and tell it; by itself `show` prints nothing above RESULT."""
    reporter = Reporter(quiet=quiet)

    def execute() -> Record:
        run_and_report(record, reporter, partial(run, reporter), lambda: model.write(record, report, as_data(record)))
        return record

    return tell(execute, report, show, as_json=as_json)


def result_line(record: Record, path: Path | None) -> str:
    """Return the last line of a run, on one line whatever the reason holds; of several mistakes, how many there are."""
    where = f" report: {path}" if path else ""
    problems = record.stopped[1].splitlines() if record.stopped and record.stopped[0] is Outcome.ERROR else []
    reason = f"{len(problems)} mistakes, listed above" if len(problems) > 1 else record.reason
    return f"RESULT: {record.outcome} {record.hide(reason)} (exit {record.exit_code}){where}"


def stdout_console() -> Console:
    """Return a console as wide as the terminal, and wide enough when there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


Row = tuple[str, str, str, str, Text]


def _others(record: Record) -> list[Row]:
    judged = {each.objective.sli for each in record.judgement.judged} if record.judgement else set()
    others = {name: number(each.value) for name, each in record.measurements.items() if name not in judged}
    return [(name, value, CATALOGUE[name].unit, "", Text()) for name, value in others.items()]


def empty_table(console: Console, headings: Sequence[str], *, right: Collection[str] = (), wraps: str = "", title: str = "") -> Table:
    """Return a table without rows; without lines too where nobody sees it, so that a pipe can search it."""
    box = SIMPLE_HEAD if console.is_terminal else None
    table = Table(title=title or None, title_justify="left", box=box, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading != wraps)
    return table


def _table(rows: Sequence[Row], console: Console, title: str) -> Table:
    headings = ("what", "measured", "unit", "limit", "verdict")
    table = empty_table(console, headings, right={"measured", "limit"}, wraps="what", title=title)
    for row in rows:
        table.add_row(*row)
    return table


def _honest(judged: Judged) -> str:
    """Show the number with as many digits as it takes to stand on the same side of every limit as it really does."""
    value, objective = judged.measurement.value, judged.objective
    shown = number(value)
    if value is None:
        return shown
    criteria = [*flat(objective.limit), *flat(objective.warn or ())]
    for digits in range(4, 12):
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
