"""The report of a run for people and pipelines, made of its report.json alone: a page, a comment for a pull request, and JUnit.

Texts of documents, answers and servers stand in all three, and none may become markup: the page escapes by its template, Markdown by
entities, JUnit by its library. Charts are static SVG in the colours of the page around them: no script, and dark mode is the page's alone.
"""

import html
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jinja2
import junitparser
import pygal  # type: ignore[import-untyped]  # pygal ships no types
import yaml
from markupsafe import Markup
from pygal.style import Style  # type: ignore[import-untyped]

from validation.judge.errors import Outcome
from validation.judge.judgement import Grade
from validation.judge.measures import CATALOGUE
from validation.load.histogram import Histogram
from validation.reports.model import CheckResult, GateReport, ObjectiveResult, facts_of, read, write_whole
from validation.reports.table import number

# pygal looks for plug-ins by an interface that Python 3.12 dropped and 3.11 warns of at every import; there are none here
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

Form = Literal["html", "markdown", "junit"]  # what a report can be written as
_MOST_WRONG = 40
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_PERCENTILES = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99)
_LABELLED = (50, 90, 99, 99.9, 99.99)  # a name each, which a phone has room for
_STYLE = Style(**yaml.safe_load(Path(__file__).with_name("charts.yaml").read_text(encoding="utf-8")))


def write_beside(report: Path) -> None:
    """Write every form beside a report.json that is there, and none beside a device such as /dev/null; OSError where that fails."""
    if report.exists() and not report.is_file():
        return
    write_forms(read(report), report)


def write_forms(content: GateReport, beside: Path, hide: Callable[[str], str] = str) -> None:
    """Write every form beside that file; OSError where that fails."""
    for name, render in FORMS.values():
        write_whole(beside.with_name(name), hide(render(content)))


def _template(name: str) -> jinja2.Template:
    """Return a template, by which texts of others are escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {"number": number, "cell": _cell}
    return pages.get_template(name)


def trends(reports: Sequence[GateReport]) -> str:
    """Return one HTML page of several runs, oldest first: how each ended, and each judged number of a profile over its runs."""
    profiles: dict[str, list[tuple[ObjectiveResult, list[float], Markup]]] = {}
    for profile in dict.fromkeys(report.profile for report in reports):
        runs = [report for report in reports if report.profile == profile]
        judged = [{each.sli: each for each in report.objectives} for report in runs]
        newest = {name: each for objectives in judged for name, each in objectives.items()}
        profiles[profile] = []
        for name, last in newest.items():
            chart = pygal.Line(**_common(240), show_legend=False, dots_size=3, y_title=last.unit, show_minor_x_labels=False)
            chart.x_labels, chart.x_labels_major_count = [report.run.started_at[:10] for report in runs], 2
            values = [objectives[name].value if name in objectives else None for objectives in judged]
            chart.add(name, values)
            profiles[profile].append((last, [each for each in values if each is not None], Markup(_svg(chart))))  # noqa: S704 - pygal escapes
    return _template("trends.html.j2").render(reports=reports, profiles=profiles)


def _render(template: str, report: GateReport) -> str:
    """Fill in a template: what was missed comes first."""
    wrong = facts_of(report.checks, "answer").get("wrong", [])
    judged = sorted(report.objectives, key=lambda each: _ORDER.index(each.grade))
    return _template(template).render(
        report=report,
        verdict=_verdict(report),
        icon=_ICONS[report.result.outcome],
        urgent=[each for each in judged if each.grade is not Grade.PASS],
        kept=[each for each in judged if each.grade is Grade.PASS],
        measures=CATALOGUE,
        charts=partial(_charts, report),
        quality=facts_of(report.checks, "quality").get("by", {}),
        filters=facts_of(report.checks, "retrieval").get("by_filter", {}),
        wrong=wrong[:_MOST_WRONG],
        wrong_more=max(len(wrong) - _MOST_WRONG, 0),
    )


def page(report: GateReport) -> str:
    """Return one HTML page that needs nothing but itself: no script, no request."""
    return _render("page.html.j2", report)


def markdown(report: GateReport) -> str:
    """Return a comment for a pull request: the verdict, what was missed, then the other objectives folded."""
    return _render("comment.md.j2", report) + "\n"


def junit(report: GateReport) -> str:
    """Return JUnit XML: one case for the run, one for each objective, one for each check; a run that died early is an error."""
    suite = junitparser.TestSuite(_xml_text(f"gate {report.profile}".strip()))
    suite.timestamp = report.run.started_at
    result, kind = report.result, junitparser.Failure if report.result.exit_code == 1 else junitparser.Error
    ended = [kind(_xml_text(f"{_verdict(report)}: {result.reason}"), str(result.outcome))] if result.exit_code else []
    suite.add_testcases([_case("run", "verdict", *ended), *map(_objective_case, report.objectives), *map(_check_case, report.checks)])
    suite.add_testcases([_case("check", name, junitparser.Skipped(_xml_text(why))) for name, why in report.skipped.items()])
    document = junitparser.JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


FORMS: dict[Form, tuple[str, Callable[[GateReport], str]]] = {
    "html": ("report.html", page),
    "markdown": ("report.md", markdown),
    "junit": ("junit.xml", junit),
}
"""Name of the file beside report.json, and what makes its text."""
_ICONS = {Outcome.PASS: "✅", Outcome.WARN: "⚠️", Outcome.FAIL: "❌", Outcome.INVALID: "❔", Outcome.UNREACHABLE: "🔌", Outcome.ERROR: "❗"}
_ORDER = (Grade.FAIL, Grade.UNMEASURED, Grade.UNDECIDED, Grade.WARN, Grade.UNCOMPARED, Grade.PASS)


def _verdict(report: GateReport) -> str:
    """Return the outcome, and beside an invalid one what was missed anyway: a FAIL must not hide behind it."""
    outcome = str(report.result.outcome)
    return f"{outcome} and FAIL" if report.result.outcome is Outcome.INVALID and report.verdict is Outcome.FAIL else outcome


def _charts(report: GateReport) -> dict[str, tuple[str, Markup]]:
    """Return title and drawing of each chart by its name, where the run measured anything of it."""
    retrieval, streaming = facts_of(report.checks, "retrieval"), facts_of(report.checks, "during_ingest")
    encoded = retrieval.get("latency_histogram")
    drawn = {
        "percentiles": ("Search latency by percentile", _latency_by_percentile(encoded) if encoded else ""),
        "time": ("Search latency over the load", _over_time(retrieval.get("over_time", []))),
        "ingest": ("Search latency while rows stream in", _over_time(streaming.get("over_time", []), streaming.get("sealing", ()))),
    }
    return {name: (title, Markup(svg)) for name, (title, svg) in drawn.items() if svg}  # noqa: S704 - pygal escapes texts


def _latency_by_percentile(encoded: str) -> str:
    """Return the latency in ms over the percentile, on an axis that gives each further nine the same room; "" without samples.

    `encoded` is a histogram as `Histogram.encoded` gives it. An axis of percentiles alone would hide what a p99 is about.
    """
    histogram = Histogram.decoded(encoded)
    known = [each for each in _PERCENTILES if histogram.count * (1 - each / 100) >= 1]
    if not known:
        return ""
    places = [-math.log10(1 - each / 100) for each in known]
    chart = _xy("percentile (each nine has the same room)", "ms")
    labelled = [each for each in zip(known, places, strict=True) if each[0] in _LABELLED]
    chart.x_labels = [{"label": f"p{percentile:g}", "value": place} for percentile, place in labelled]
    chart.add("latency", [(place, histogram.percentile_ms(percentile)) for percentile, place in zip(known, places, strict=True)])
    return _svg(chart)


def _over_time(rows: Sequence[Mapping[str, float]], sealing: Sequence[float] = ()) -> str:
    """Return p50, p95 and the slowest over the seconds of the load; rows as `timed.over_time` gives them, "" without two.

    Marked are the seconds in which a search failed, and from when to when segments were `sealing`.
    """
    if len(rows) < 2:  # noqa: PLR2004 - one point is no line
        return ""
    chart = _xy("seconds since the load began", "ms")
    for name, label in (("p50_ms", "p50"), ("p95_ms", "p95"), ("max_ms", "slowest")):
        chart.add(label, [(row["from_s"], row[name]) for row in rows])
    if failed := [(row["from_s"], row["max_ms"]) for row in rows if row.get("errors")]:
        chart.add("searches failed", failed, stroke=False, show_dots=True, dots_size=5)
    if sealing:
        chart.add("segments sealed", [(second, 0) for second in sealing])
    return _svg(chart)


def _xy(x_title: str, y_title: str) -> "pygal.XY":
    titles = {"x_title": x_title, "y_title": y_title}
    return pygal.XY(**_common(300), **titles, show_dots=False, legend_at_bottom=True, margin_bottom=30, include_x_axis=True)


def _common(height: int) -> dict[str, object]:
    margins = {"margin": 8, "margin_right": 42}  # room for half of the last label
    return {"style": _STYLE, "js": [], "width": 460, "height": height, "max_scale": 8, "disable_xml_declaration": True, **margins}


def _svg(chart: "pygal.Graph") -> str:
    def without_scripts(root: Any) -> Any:  # noqa: ANN401 - of lxml where it is there, else of the standard library
        """Take out the configuration for pygal's tooltips, which a page without scripts has no use for."""
        for parent in list(root.iter()):
            for child in [each for each in parent if isinstance(each.tag, str) and each.tag.endswith("script")]:
                parent.remove(child)
        return root

    chart.add_xml_filter(without_scripts)
    return str(chart.render(is_unicode=True))


def _xml_text(text: str) -> str:
    """Return a text without the characters that no XML can hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _cell(text: str) -> Markup:
    """Return a text as Markdown shows it, on one line, whatever it holds."""
    return Markup(re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False)))  # noqa: S704 - escaped


def _case(kind: str, name: str, *results: "junitparser.junitparser.FinalResult", seconds: float = 0.0) -> "junitparser.TestCase":
    case = junitparser.TestCase(_xml_text(name), classname=f"gate.{kind}", time=round(seconds, 3))
    case.result = list(results)
    return case


def _objective_case(objective: ObjectiveResult) -> "junitparser.TestCase":
    seen = f"{number(objective.value)} {objective.unit}, limit {objective.limit}"
    text = _xml_text(f"{objective.grade}: {seen}{f'; {objective.why}' if objective.why else ''}")
    if objective.grade in {Grade.FAIL, Grade.UNMEASURED} and objective.key:
        return _case("objective", objective.sli, junitparser.Failure(text, str(objective.grade)))
    passed = _case("objective", objective.sli)
    passed.system_out = text
    return passed


def _check_case(check: CheckResult) -> "junitparser.TestCase":
    case = partial(_case, "check", check.name, seconds=check.seconds)
    if check.status != "done":
        return case(junitparser.Error(_xml_text(f"{check.question} The run ended in the middle of it."), check.status))
    skipped = check.facts.get("skipped")
    return case(junitparser.Skipped(_xml_text(str(skipped)))) if skipped else case()
