"""Baselines: only passing valid runs, only by hand; none, another workload and another system are said."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.validation.judge.test_judgement import changed, put
from tests.validation.reports.reports import write_report
from validation.__main__ import app
from validation.judge.errors import UsageError
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile
from validation.reports import baseline
from validation.reports.baseline import AlteredError
from validation.reports.model import read


def kept(tmp_path: Path, profile: Profile, measurements: Measurements) -> Path:
    """Keep a passing run as the baseline; return the directory."""
    report = write_report(tmp_path / "base", profile, measurements)
    result = CliRunner().invoke(app, ["baseline", "set", str(report), "--dir", str(tmp_path / "baselines")])
    assert result.exit_code == 0, result.output
    return tmp_path / "baselines"


def test_a_passing_run_becomes_the_baseline_and_is_compared_with(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    directory = kept(tmp_path, profile, good)
    now = read(write_report(tmp_path / "now", profile, good, run_id="now"))
    found = baseline.reference(baseline.load(directory, "lab"), "lab", now.fingerprint)
    assert found.values["search_p95_ms"] == 75
    assert found.notes == ("compared with baseline base of 2026-01-01T00:00:00+00:00, the same system",)


def test_without_a_baseline_that_is_said_with_the_command_that_sets_one(profile: Profile, tmp_path: Path, good: Measurements) -> None:
    now = read(write_report(tmp_path, profile, good)).fingerprint
    found = baseline.reference(baseline.load(tmp_path, "lab"), "lab", now)
    assert found.values == {}
    assert "no baseline for profile lab" in found.notes[0]
    assert "baseline set REPORT" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"corpus_sha256": "other"}, "corpus is other, was c"),
        ({"seed": 8}, "seed is 8, was 7"),
        ({"embedding_model": "bge"}, "embedding model is bge, was m"),
        ({"rate": 90.0}, "rate is 90.0, was 100.0"),
        ({"ef": 128}, "search index search_params ef is 128, was 256"),
    ],
)
def test_another_workload_is_not_compared_and_that_is_said(
    tmp_path: Path, profile: Profile, good: Measurements, changes: dict[str, Any], phrase: str
) -> None:
    directory = kept(tmp_path, profile, good)
    now = read(write_report(tmp_path / "now", profile, good, **changes))
    found = baseline.reference(baseline.load(directory, "lab"), "lab", now.fingerprint)
    assert found.values == {}
    assert "another workload" in found.notes[0]
    assert phrase in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"images": [{"pod": "m", "container": "milvus", "image": "m:2", "digest": "sha256:b"}]}, "digests is (milvus sha256:b)"),
        (
            {"images": [{"pod": p, "container": "milvus", "image": "m:1", "digest": "sha256:a"} for p in "ab"]},
            "topology milvus is 2, was 1",
        ),
        ({"milvus": "2.6.1"}, "milvus is 2.6.1, was 2.3.5"),
    ],
)
def test_another_system_is_compared_and_that_is_said(
    tmp_path: Path, profile: Profile, good: Measurements, changes: dict[str, Any], phrase: str
) -> None:
    directory = kept(tmp_path, profile, good)
    now = read(write_report(tmp_path / "now", profile, good, **changes))
    found = baseline.reference(baseline.load(directory, "lab"), "lab", now.fingerprint)
    assert found.values
    assert "another system" in found.notes[0]
    assert phrase in found.notes[0]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"search_p95_ms": 100.0}, "search_p95_ms (warn)"),
        ({"search_p95_ms": 200.0}, "search_p95_ms (fail)"),
        ({"vectors": 10.0}, "is not valid"),
    ],
)
def test_a_run_that_did_not_pass_is_refused_and_the_old_baseline_stays(
    tmp_path: Path, profile: Profile, good: Measurements, numbers: dict[str, float], reason: str
) -> None:
    directory = kept(tmp_path, profile, good)
    before = (directory / "lab.json").read_text()
    report = write_report(tmp_path / "bad", profile, put(good, **numbers), run_id="bad")
    result = CliRunner().invoke(app, ["baseline", "set", str(report), "--dir", str(directory)])
    assert (result.exit_code, reason in result.output) == (3, True), result.output
    assert (directory / "lab.json").read_text() == before


def test_the_first_run_may_lack_a_baseline_and_nothing_else(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    relative = changed(profile, limit=["<= 150", "<= +10%"], warn=None)
    directory = kept(tmp_path, relative, put(good, search_p95_ms=80.0))
    assert baseline.load(directory, "lab")


def test_setting_and_listing_say_what_is_kept(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    directory = kept(tmp_path, profile, good)
    report = write_report(tmp_path / "next", profile, good, run_id="next")
    assert "run next, instead of base" in CliRunner().invoke(app, ["baseline", "set", str(report), "--dir", str(directory)]).output
    assert "lab: run next" in CliRunner().invoke(app, ["baseline", "show", "--dir", str(directory)]).output
    assert [path.name for path in directory.iterdir()] == ["lab.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "x"}', "\x00"])
def test_a_file_that_is_no_baseline_is_an_error_before_anything_is_measured(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(UsageError, match=r"lab.json: is no baseline"):
        baseline.load(tmp_path, "lab")


def test_the_baseline_of_another_profile_is_refused(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    directory = kept(tmp_path, profile, good)
    (directory / "lab.json").rename(directory / "prod.json")
    with pytest.raises(UsageError, match="of profile lab, not of prod"):
        baseline.load(directory, "prod")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "milvus-x10000/gate-report"}', "nonsense"])
def test_what_is_no_report_exits_2_and_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    result = CliRunner().invoke(app, ["baseline", "set", str(tmp_path), "--dir", str(tmp_path)])
    assert (result.exit_code, "RESULT: ERROR" in result.output) == (2, True), result.output


def test_a_report_of_another_version_is_refused(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = write_report(tmp_path, profile, good)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))
    with pytest.raises(UsageError, match="is a report of version 2, and this release reads version 1"):
        read(path)


def test_a_baseline_that_was_edited_by_hand_is_refused(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = kept(tmp_path, profile, good) / "lab.json"
    data = json.loads(path.read_text())
    data["measurements"]["search_p95_ms"]["value"] = 149
    path.write_text(json.dumps(data))
    with pytest.raises(AlteredError, match="was edited since it was set") as refused:
        baseline.load(path.parent, "lab")
    assert refused.value.code == "baseline.altered"


@pytest.mark.parametrize("edited", ["grade", "value"])
def test_a_report_that_says_something_else_than_its_numbers_becomes_no_baseline(
    tmp_path: Path, profile: Profile, good: Measurements, edited: str
) -> None:
    path = write_report(tmp_path / "base", profile, good | {"search_p95_ms": Measurement(value=500.0, samples=10_000)})
    data = json.loads(path.read_text())
    for objective in data["objectives"]:
        if objective["sli"] == "search_p95_ms":
            objective["grade"] = "pass"
            objective["value"] = 75.0 if edited == "value" else objective["value"]
    path.write_text(json.dumps(data))
    with pytest.raises(AlteredError, match="was edited: search_p95_ms is"):
        baseline.keep(read(path), tmp_path)
