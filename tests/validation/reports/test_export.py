"""A report as a page, as Markdown and as JUnit: what went wrong comes first, and no text of others becomes markup."""

import json
import time
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from tests.validation.judge.test_judgement import put
from tests.validation.reports.reports import write_report
from validation.__main__ import app
from validation.checks import timed
from validation.judge.errors import InvalidRunError
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.reports import export, model
from validation.reports.export import Form
from validation.run.record import CheckRecord, Record

HOSTILE = "<script>alert(1)</script> | `x` \x0b [a](javascript:b)"


@pytest.fixture
def path(tmp_path: Path, profile: Profile, good: Measurements) -> Path:
    return write_report(tmp_path, profile, good)


def changed(path: Path, **changes: Any) -> model.GateReport:
    """Return the report at `path` with other top-level parts, as another release might have written it."""
    data = json.loads(path.read_text())
    for name, value in changes.items():
        data[name] = data[name] | value if isinstance(data[name], dict) else value
    path.write_text(json.dumps(data))
    return model.read(path)


def cases(report: model.GateReport) -> dict[str, ET.Element]:
    document = ET.fromstring(export.junit(report))  # noqa: S314 - our own text
    return {f"{case.get('classname')}.{case.get('name')}": case for case in document.iter("testcase")}


@pytest.mark.parametrize("form", get_args(Form))
def test_a_run_that_passed_says_so_in_every_form(path: Path, form: Form) -> None:
    text = export.FORMS[form][1](model.read(path))
    assert ("PASS" in text) is (form != "junit")
    assert "search_p95_ms" in text.replace("\\", "")


def test_the_page_asks_for_nothing_and_runs_nothing(path: Path) -> None:
    page = export.page(model.read(path))
    assert "<script" not in page
    assert not [mark for mark in ('src="', "url(", "@import", 'href="http') if mark in page]
    assert "default-src 'none'" in page


@pytest.mark.parametrize("place", ["reason", "question", "check", "collection", "filter"])
def test_text_of_others_is_text_in_every_form(path: Path, place: str) -> None:
    wrong = {"question": "q", "fact": False, "citation": False, "fact_in_sources": True, "sources": [HOSTILE], "answer": HOSTILE}
    facts: dict[str, Any] = {"wrong": [wrong | {"asked": HOSTILE, "expected": HOSTILE}]} if place == "question" else {}
    if place == "filter":
        facts = {"by_filter": {HOSTILE: {"requests": 1, "p95_ms": 1.0, "recall_at_10": 1.0}}}
    name = "retrieval" if place == "filter" else "answer"
    check = {"name": name, "question": HOSTILE if place == "check" else "?", "status": "stopped", "seconds": 1, "facts": facts}
    more = {"result": {"reason": HOSTILE}} if place == "reason" else {}
    report = changed(path, checks=[check], left_behind=[HOSTILE] if place == "collection" else [], **more)
    assert "<script" not in export.page(report)
    assert "<script" not in export.markdown(report)
    assert "[a](javascript" not in export.markdown(report)
    assert cases(report)


def test_what_is_missed_comes_first_and_is_a_failure_in_a_pipeline(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    report = model.read(write_report(tmp_path, profile, put(good, search_p95_ms=9_999.0)))
    for text in (export.page(report), export.markdown(report).replace("\\", "")):
        assert text.index("9,999") < text.index("recall_at_10")
    found = cases(report)
    assert found["gate.run.verdict"].find("failure") is not None
    assert found["gate.objective.search_p95_ms"].find("failure") is not None
    assert found["gate.objective.recall_at_10"].find("failure") is None


def test_a_promise_that_is_missed_does_not_hide_behind_an_invalid_run(path: Path) -> None:
    report = changed(path, result={"outcome": "INVALID", "exit_code": 3, "reason": "slow gate"}, verdict="FAIL")
    assert "<h1>INVALID and FAIL</h1>" in export.page(report)
    assert "INVALID and FAIL" in export.markdown(report)
    assert cases(report)["gate.run.verdict"].find("error") is not None


def test_a_run_that_died_early_is_an_error_with_its_reason_in_every_form(tmp_path: Path) -> None:
    record = Record(run_id="early")
    record.checks = [CheckRecord(name="reachable", question="Does it answer?", status="stopped")]
    record.stop(InvalidRunError("the network went away"))
    model.write(record, tmp_path / "report.json")
    export.write_beside(tmp_path / "report.json")
    for name, _ in export.FORMS.values():
        assert "the network went away" in (tmp_path / name).read_text(), name
    found = cases(model.read(tmp_path))
    assert found["gate.run.verdict"].find("error") is not None
    assert found["gate.check.reachable"].find("error") is not None


def test_thirty_thousand_searches_fit_into_a_page_of_a_megabyte(path: Path) -> None:
    seconds = [0.001 * (1 + number % 997) for number in range(30_000)]
    rows = [{"from_s": step, "p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 900.0, "searches": 500, "errors": 0} for step in range(60)]
    facts = {"latency_histogram": Histogram(seconds).encoded(), "over_time": rows}
    check = {"name": "retrieval", "question": "?", "status": "done", "seconds": 60, "facts": facts}
    page = export.page(changed(path, checks=[check]))
    assert len(page) < 1_000_000
    assert (page.count("<svg"), page.count("<script")) == (2, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_samples_draw_no_chart_and_break_nothing(path: Path, count: int) -> None:
    facts = {"latency_histogram": Histogram([0.1] * count).encoded(), "over_time": [], "by_filter": {}}
    check = {"name": "retrieval", "question": "?", "status": "done", "seconds": 1, "facts": facts}
    assert "Search latency over the load" not in export.page(changed(path, checks=[check]))


def test_latency_over_time_shows_a_stall_where_it_was(profile: Profile) -> None:
    begun = time.monotonic()
    samples = [
        Sample(
            number=number, planned_s=begun + number / 10, sent_s=begun + number / 10, ended_s=begun + number / 10 + took, ids=[], error=""
        )
        for number, took in enumerate([0.01] * 20 + [0.5] * 10 + [0.01] * 10)
    ]

    class Run:
        pass

    run: Any = Run()
    run.profile = profile
    rows = timed.over_time(run, samples)
    assert [row["from_s"] for row in rows] == [0, 1, 2, 3]
    assert [row["max_ms"] > 400 for row in rows] == [False, False, True, False]
    assert sum(row["searches"] for row in rows) == 40


def test_the_command_writes_a_form_or_says_why_not(path: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(app, ["report", str(path), "--format", "junit"])
    assert (good.exit_code, good.stdout.startswith("<testsuites")) == (0, True)
    out = tmp_path / "new" / "comment.md"
    written = runner.invoke(app, ["report", str(path.parent), "--format", "markdown", "--out", str(out)])
    assert (written.exit_code, written.stdout) == (0, f"RESULT: WRITTEN {out} (exit 0)\n")
    assert out.read_text().startswith("## ")
    missing = runner.invoke(app, ["report", str(tmp_path / "nowhere")])
    assert (missing.exit_code, "cannot be read as a report" in missing.stdout) == (2, True)
    unwritable = runner.invoke(app, ["report", str(path), "--out", str(path / "below" / "a.html")])
    assert (unwritable.exit_code, "cannot be written" in unwritable.stdout) == (2, True)


def test_a_report_of_a_gate_that_counts_fewer_things_can_still_be_shown(path: Path) -> None:
    report = changed(path, measurements={"no_longer_known": {"value": 1, "samples": 1, "unit": "s", "meaning": "gone"}})
    assert "no_longer_known" in export.page(report)


def test_numbers_keep_their_interval_in_the_page(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    good = {**good, "search_p95_ms": Measurement(value=5.0, samples=999, interval=(4.25, 6.5))}
    assert "4.25 to 6.5" in export.page(model.read(write_report(tmp_path, profile, good)))
