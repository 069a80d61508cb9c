"""The report of a run for people and pipelines, made of its report.json alone: a page, a comment for a pull request, and JUnit.

Texts of documents, answers and servers stand in all three, and none may become markup: the page escapes by its template, Markdown by
entities, JUnit by its library.
"""

import html
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import junitparser
from markupsafe import Markup

from validation.judge.judgement import Grade
from validation.judge.measures import CATALOGUE
from validation.judge.outcome import Outcome
from validation.reports import charts
from validation.reports.charts import xml_text
from validation.reports.model import CheckResult, GateReport, ObjectiveResult, read, write_whole
from validation.reports.table import number

_MOST_WRONG = 40
_TEMPLATES = Path(__file__).parent


class Form(StrEnum):
    """What a report can be written as."""

    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"


def write_beside(report: Path) -> None:
    """Write every form beside a report.json that is there, and none beside a device such as /dev/null; OSError where that fails."""
    if report.exists() and not report.is_file():
        return
    content = read(report)
    for name, render in FORMS.values():
        write_whole(report.with_name(name), render(content))


def page(report: GateReport) -> str:
    """Return one HTML page that needs nothing but itself: no script, no request, text of others escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    wrong = _facts(report, "answer").get("wrong", [])
    return environment.get_template(
        "page.html.j2"
    ).render(
        report=report,
        verdict=_verdict(report),
        urgent=sorted((each for each in report.objectives if each.grade is not Grade.PASS), key=_urgency),
        kept=[each for each in report.objectives if each.grade is Grade.PASS],
        measures=CATALOGUE,
        charts={name: (title, Markup(svg)) for name, title, svg in _charts(report) if svg},  # noqa: S704 - pygal escapes texts
        filters=_facts(report, "retrieval").get("by_filter", {}),
        wrong=wrong[:_MOST_WRONG],
        wrong_more=max(len(wrong) - _MOST_WRONG, 0),
    )


def markdown(report: GateReport) -> str:
    """Return a comment for a pull request: the verdict, what was missed, then the other objectives folded."""
    lines = [f"## {_ICONS[report.result.outcome]} Gate {_verdict(report)}: {_cell(report.profile or 'no profile')}", ""]
    lines += [f"**{_cell(report.result.reason)}** (exit {report.result.exit_code})", ""]
    lines += [f"- not valid: {_cell(fault)}" for fault in report.validity.faults if fault != report.result.reason]
    lines += [f"- still there: collection {_cell(left)}" for left in report.left_behind]
    judged = sorted(report.objectives, key=_urgency)
    urgent = [each for each in judged if each.grade is not Grade.PASS]
    lines += ["", *_table(urgent)] if urgent else []
    if kept := [each for each in judged if each.grade is Grade.PASS]:
        lines += ["", f"<details><summary>{len(kept)} objectives met</summary>", "", *_table(kept), "", "</details>"]
    lines += ["", f"Run `{report.run.id}`, {report.run.started_at} to {report.run.ended_at}"]
    return "\n".join(lines) + "\n"


def junit(report: GateReport) -> str:
    """Return JUnit XML: one case for the run, one for each objective, one for each check; a run that died early is an error."""
    suite = junitparser.TestSuite(xml_text(f"gate {report.profile}".strip()))
    suite.timestamp = report.run.started_at
    suite.add_testcases([_run_case(report), *map(_objective_case, report.objectives), *map(_check_case, report.checks)])
    suite.add_testcases([_case("check", name, junitparser.Skipped(xml_text(why))) for name, why in report.skipped.items()])
    document = junitparser.JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


FORMS: dict[Form, tuple[str, Callable[[GateReport], str]]] = {
    Form.HTML: ("report.html", page),
    Form.MARKDOWN: ("report.md", markdown),
    Form.JUNIT: ("junit.xml", junit),
}
"""Name of the file beside report.json, and what makes its text."""
_ICONS = {Outcome.PASS: "✅", Outcome.WARN: "⚠️", Outcome.FAIL: "❌", Outcome.INVALID: "❔", Outcome.UNREACHABLE: "🔌", Outcome.ERROR: "❗"}
_ORDER = (Grade.FAIL, Grade.UNMEASURED, Grade.UNDECIDED, Grade.WARN, Grade.UNCOMPARED, Grade.PASS)


def _verdict(report: GateReport) -> str:
    """Return the outcome, and beside an invalid one what was missed anyway: a FAIL must not hide behind it."""
    outcome = str(report.result.outcome)
    return f"{outcome} and FAIL" if report.result.outcome is Outcome.INVALID and report.verdict is Outcome.FAIL else outcome


def _urgency(objective: ObjectiveResult) -> int:
    return _ORDER.index(objective.grade)


def _facts(report: GateReport, check: str) -> dict[str, Any]:
    return next((each.facts for each in report.checks if each.name == check), {})


def _charts(report: GateReport) -> Iterator[tuple[str, str, str]]:
    """Yield name, title and drawing of each chart, "" where the run measured nothing of it."""
    retrieval, quality = _facts(report, "retrieval"), _facts(report, "quality").get("by", {})
    encoded = retrieval.get("latency_histogram")
    yield "percentiles", "Search latency by percentile", charts.latency_by_percentile(encoded) if encoded else ""
    yield "time", "Search latency over the load", charts.over_time(retrieval.get("over_time", []))
    yield "ingest", "Search latency while rows stream in", charts.over_time(_facts(report, "during_ingest").get("over_time", []))
    yield "budget", "Where the time of an answer goes", charts.shares({str(each["name"]): each["share"] for each in report.budget})
    recall = {name: each["recall_at_10"] for name, each in retrieval.get("by_filter", {}).items()}
    yield "recall", "recall@10 by filter", charts.shares(recall)
    for group, members in quality.items():
        means = {f"{name}, {each['questions']:g} questions": each["ndcg_at_10"] for name, each in members.items()}
        yield group, f"nDCG@10 by {group}", charts.shares(means)


def _table(objectives: list[ObjectiveResult]) -> list[str]:
    rows = [
        f"| {_cell(each.sli)} | {number(each.value)} {each.unit} | {_cell(each.limit)} | {each.grade} | {_cell(each.why)} |"
        for each in objectives
    ]
    return ["| objective | measured | limit | grade | why |", "|---|--:|--:|---|---|", *rows]


def _cell(text: str) -> str:
    """Return a text as Markdown shows it, on one line, whatever it holds."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _case(kind: str, name: str, *results: "junitparser.junitparser.FinalResult", seconds: float = 0.0) -> "junitparser.TestCase":
    case = junitparser.TestCase(xml_text(name), classname=f"gate.{kind}", time=round(seconds, 3))
    case.result = list(results)
    return case


def _run_case(report: GateReport) -> "junitparser.TestCase":
    result = report.result
    text = xml_text(f"{_verdict(report)}: {result.reason}")
    if not result.exit_code:
        return _case("run", "verdict")
    return _case("run", "verdict", (junitparser.Failure if result.exit_code == 1 else junitparser.Error)(text, str(result.outcome)))


def _objective_case(objective: ObjectiveResult) -> "junitparser.TestCase":
    seen = f"{number(objective.value)} {objective.unit}, limit {objective.limit}"
    text = xml_text(f"{objective.grade}: {seen}{f'; {objective.why}' if objective.why else ''}")
    case = partial(_case, "objective", objective.sli)
    if objective.grade in {Grade.FAIL, Grade.UNMEASURED} and objective.key:
        return case(junitparser.Failure(text, str(objective.grade)))
    passed = case()
    passed.system_out = text
    return passed


def _check_case(check: CheckResult) -> "junitparser.TestCase":
    case = partial(_case, "check", check.name, seconds=check.seconds)
    if check.status != "done":
        return case(junitparser.Error(xml_text(f"{check.question} The run ended in the middle of it."), check.status))
    skipped = check.facts.get("skipped")
    return case(junitparser.Skipped(xml_text(str(skipped)))) if skipped else case()
