"""Reports: whole or not at all, valid JSON, units and reasons, nothing secret."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.judgement import judge
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.judge.profile import Profile
from validation.reports import model, table
from validation.run.record import CheckRecord, Record


@pytest.fixture
def record(profile: Profile, good: Measurements) -> Record:
    record = Record(run_id="x", strict=False)
    record.measurements = good
    record.judgement = judge(profile, good)
    return record


def test_every_number_has_its_unit_samples_and_meaning(record: Record) -> None:
    data = json.loads(model.render(record))
    assert data["schema_version"] == 1
    assert data["result"] == {
        "outcome": "PASS",
        "exit_code": 0,
        "reason": f"{len(data['objectives'])} of {len(data['objectives'])} objectives met",
    }
    assert data["measurements"]["recall_at_10"] == {
        "value": 0.99,
        "unit": "share",
        "samples": 10_000,
        "interval": None,
        "meaning": CATALOGUE["recall_at_10"].meaning,
    }
    assert all(one["reason"] and one["unit"] and one["limit"] for one in data["objectives"])


def test_what_is_not_a_number_is_null_and_never_zero(record: Record) -> None:
    record.measure("searchable_s", math.nan)
    record.measure("indexed_s", None)
    found = json.loads(model.render(record))["measurements"]
    assert found["searchable_s"]["value"] is None
    assert (found["indexed_s"]["value"], found["indexed_s"]["samples"]) == (None, 0)


def test_a_name_that_the_catalogue_lacks_cannot_be_measured(record: Record) -> None:
    with pytest.raises(KeyError):
        record.measure("made_up", 1.0)


def test_a_report_replaces_the_old_one_whole_and_leaves_nothing_beside_it(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    model.write(record, path)
    model.write(record, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_rendered_does_not_destroy_the_old_one(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    model.write(record, path)
    before = path.read_text()
    record.inputs["broken"] = object()
    with pytest.raises(TypeError):
        model.write(record, path)
    assert path.read_text() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_secrets_are_hidden_wherever_they_turn_up(record: Record) -> None:
    record.secrets = ["s3cr3t"]
    record.stop(InvalidRunError("the store said s3cr3t\nis wrong"))
    assert "s3cr3t" not in model.render(record)
    line = table.result_line(record, None)
    assert line == "RESULT: INVALID the store said (hidden) is wrong (exit 3)"


def shown(record: Record, *, verbose: bool = False) -> list[str]:
    out = io.StringIO()
    table.show(record, Console(file=out, width=80), verbose=verbose)
    return out.getvalue().splitlines()


def test_what_is_judged_comes_last_with_its_grade_in_a_pipe_without_lines(record: Record) -> None:
    record.skipped["modes"] = "stores rows"
    lines = shown(record)
    (row,) = [line for line in lines if line.startswith("search_p50_ms ")]
    assert row.split() == ["search_p50_ms", "25", "ms", "<=", "50", "pass"]
    assert max(map(len, lines)) <= 80
    assert not set("┃│━─") & set("".join(lines))
    assert not [line for line in lines if line.startswith(("vectors ", "skipped:"))]
    verbose = shown(record, verbose=True)
    others = next(number for number, line in enumerate(verbose) if line.startswith("vectors "))
    assert others < next(number for number, line in enumerate(verbose) if line.startswith("search_p50_ms "))
    assert "skipped: modes: stores rows" in verbose


def test_wrong_answers_are_shown_as_words(record: Record) -> None:
    wrong = {"question": "en-13", "asked": "What does it cost?", "expected": "112 euros", "answer": "Not\nsaid.", "right_source": False}
    record.checks.append(CheckRecord(name="answer", question="?", facts={"wrong": [wrong] * 5}))
    lines = shown(record)
    first = lines.index("wrong: en-13: What does it cost?")
    assert lines[first + 1 : first + 3] == ["  expected: 112 euros", "  answered: Not said.; no right document among the sources"]
    assert "wrong: 2 more answers: --verbose, or the check `answer` of report.json" in lines
    assert sum(line.startswith("wrong: en-13") for line in shown(record, verbose=True)) == 5


def test_several_mistakes_are_counted_in_the_result_line_and_listed_above(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = Record()
    record.stop(UsageError("a.yaml:1: x\na.yaml:2: y"))
    assert table.tell(lambda: record, tmp_path / "none.json") == 2
    assert capsys.readouterr().out.splitlines() == ["a.yaml:1: x", "a.yaml:2: y", "RESULT: ERROR 2 mistakes, listed above (exit 2)"]


def test_a_number_that_misses_its_limit_never_looks_as_if_it_kept_it(profile: Profile, good: Measurements) -> None:
    record = Record(run_id="x", strict=False)
    record.measurements = good | {
        "recall_at_10": Measurement(value=0.949996, samples=9_999),
        "search_p99_ms": Measurement(value=400.00004, samples=9_999, interval=(390.0, 410.0)),
        "search_p95_ms": Measurement(value=70.0, samples=9_999, interval=(60.0, 160.0)),
    }
    record.judgement = judge(profile, record.measurements)
    out = io.StringIO()
    table.show(record, Console(file=out, width=120))
    assert "0.949996" in out.getvalue()
    assert "400.00004" in out.getvalue()
    assert "search_p95_ms: not decided by 9,999 samples: another run may give 160" in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (10_000, "10,000"), (0.0, "0"), (0.9499, "0.9499"), (400.04, "400.0"), (1.23456, "1.235")]
)
def test_numbers_are_shown_with_the_digits_they_deserve(value: float | None, text: str) -> None:
    assert table.number(value) == text


def test_a_check_that_stops_is_marked_and_timed(record: Record) -> None:
    clock = iter([1.0, 3.5])
    with pytest.raises(InvalidRunError), record.check("ingest", "?", lambda: next(clock)):
        raise InvalidRunError("x")
    assert (record.checks[0].status, record.checks[0].seconds) == ("stopped", 2.5)


def test_the_schema_that_is_published_is_that_of_the_report_and_every_report_keeps_it(record: Record) -> None:
    published = (Path(__file__).parents[3] / "docs" / "gate-report.schema.json").read_text(encoding="utf-8")
    assert published == model.schema(), "renew it with: ./rag report-schema"
    stopped = Record(run_id="y", strict=False)
    stopped.stop(InvalidRunError("no"))
    for one in (record, stopped):
        data = json.loads(model.render(one))
        assert set(json.loads(published)["required"]) <= data.keys()


def test_a_report_is_read_as_it_was_written(record: Record, tmp_path: Path) -> None:
    model.write(record, tmp_path / "report.json")
    assert model.read(tmp_path) == model.GateReport.from_run(record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 0}, "is a report of version 0, and this release reads version 1"),
        ({"schema_version": None}, "is a report of version None"),
        ({"schema": "other/report"}, "is no report of milvus-x10000/gate-report"),
        ({"validity": {}}, r"validity\.valid: Field required"),
        ({"inputs": []}, "is no report of"),
    ],
)
def test_a_report_of_another_form_or_version_is_refused_with_its_reason(
    record: Record, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(model.render(record)) | change))
    with pytest.raises(UsageError, match=words):
        model.read(path)
