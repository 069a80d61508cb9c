"""calibrate: limits from what equal runs showed, each with its reason, in a file that can be read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.validation.judge.test_judgement import changed, put
from tests.validation.reports.reports import write_report
from validation.__main__ import app
from validation.judge.criteria import show
from validation.judge.judgement import Grade, judge
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile
from validation.judge.slo_file import read_profile


def calibrate(*arguments: Path | str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments)])
    return result.exit_code, result.output


def three(tmp_path: Path, profile: Profile, good: Measurements) -> list[Path]:
    """Write three equal runs whose p95 is 9, 10 and 11 ms."""
    paths = []
    for p95 in (9.0, 10.0, 11.0):
        spread = Measurement(value=p95, samples=3_000, interval=(p95 - 1, p95 + 1))
        numbers = put(good, search_p50_ms=4.0, search_p99_ms=20.0) | {"search_p95_ms": spread}
        paths.append(write_report(tmp_path / f"r{p95:g}", profile, numbers, run_id=f"r{p95:g}"))
    return paths


def test_the_limit_is_the_worst_end_of_all_intervals_and_room_and_the_reason_says_so(
    tmp_path: Path, profile: Profile, good: Measurements
) -> None:
    out = tmp_path / "slo.yaml"
    code, said = calibrate(*three(tmp_path, profile, good), "--out", out, "--name", "own")
    assert code == 0, said
    found = read_profile(out)
    objective = found.objectives["search_p95_ms"]
    assert (found.profile, show(objective.limit), show(objective.warn or ()), objective.basis) == ("own", "<= 18", "<= 15", "calibrated")
    assert "3 equal runs" in objective.reason
    assert "saw 9 to 11 ms, 12 at the worst end" in objective.reason
    assert "seen 9 .. 11 ms" in said


def test_runs_that_were_calibrated_from_pass(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    out = tmp_path / "slo.yaml"
    calibrate(*three(tmp_path, profile, good), "--out", out)
    numbers = put(good, search_p50_ms=4.0, search_p95_ms=10.0, search_p99_ms=20.0)
    grades = {one.objective.sli: one.grade for one in judge(read_profile(out), numbers).judged}
    assert set(grades.values()) == {Grade.PASS}, grades


def test_a_promise_of_not_a_single_one_stays_one_and_relative_limits_stay(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    relative = changed(profile, limit=["<= 150", "<= +10%"], warn=None)
    out = tmp_path / "slo.yaml"
    calibrate(*three(tmp_path, relative, good), "--out", out)
    found = read_profile(out)
    assert show(found.objectives["answer_error_share"].limit) == "<= 0"
    assert show(found.objectives["search_p95_ms"].limit) == "<= 18 and <= +10%"


def test_recall_loses_half_as_much_again_of_what_it_misses(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    out = tmp_path / "slo.yaml"
    calibrate(*three(tmp_path, profile, put(good, recall_at_10=0.98)), "--out", out)
    assert show(read_profile(out).objectives["recall_at_10"].limit) == ">= 0.97"


def test_too_few_the_same_twice_invalid_and_unequal_runs_are_refused(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    runs, out = three(tmp_path, profile, good), tmp_path / "slo.yaml"
    other = write_report(tmp_path / "other", profile, good, run_id="other", seed=8)
    system = write_report(tmp_path / "system", profile, good, run_id="system", milvus="2.6")
    invalid = write_report(tmp_path / "invalid", profile, put(good, vectors=1.0), run_id="invalid")
    for chosen, code, reason in (
        (runs[:2], 2, "2 runs are too few"),
        ([*runs, runs[0]], 2, "named twice"),
        ([*runs, other], 3, "not of the same workload: seed is 8, was 7"),
        ([*runs, system], 3, "not of the same system: milvus is 2.6, was 2.3.5"),
        ([*runs, invalid], 3, "run invalid is not valid"),
    ):
        ended = calibrate(*chosen, "--out", out)
        assert (ended[0], reason in ended[1]) == (code, True), ended
        assert not out.exists()


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    runs, out = three(tmp_path, profile, good), tmp_path / "slo.yaml"
    out.write_text("mine")
    assert calibrate(*runs, "--out", out)[0] == 2
    assert out.read_text() == "mine"


@pytest.mark.parametrize("p99", [4_000.0])
def test_limits_that_could_never_be_missed_are_not_written(tmp_path: Path, profile: Profile, good: Measurements, p99: float) -> None:
    runs = [write_report(tmp_path / name, profile, put(good, search_p99_ms=p99), run_id=name) for name in ("a", "b", "c")]
    code, said = calibrate(*runs, "--out", tmp_path / "slo.yaml")
    assert (code, "can never be missed" in said) == (2, True)
    assert not (tmp_path / "slo.yaml").exists()
