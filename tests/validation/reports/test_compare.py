"""compare: what is worse is said only where both intervals agree."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.validation.judge.test_judgement import put
from tests.validation.reports.reports import write_report
from validation.__main__ import app
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile
from validation.reports.history import Change, compare_measurements


def one(value: float, low: float, high: float) -> Measurement:
    return Measurement(value=value, samples=9_999, interval=(low, high))


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("search_p95_ms", one(10, 9, 11), one(10, 9, 11), Change.SAME),
        ("search_p95_ms", one(10, 9, 11), one(12, 11, 13), Change.SAME),
        ("search_p95_ms", one(10, 9, 11), one(20, 18, 22), Change.WORSE),
        ("search_p95_ms", one(20, 18, 22), one(10, 9, 11), Change.BETTER),
        ("recall_at_10", one(0.99, 0.985, 0.995), one(0.9, 0.89, 0.91), Change.WORSE),
        ("recall_at_10", one(0.9, 0.89, 0.91), one(0.99, 0.985, 0.995), Change.BETTER),
        ("recall_at_10", one(0.99, 0.985, 0.995), one(0.98, 0.975, 0.985), Change.SAME),
        ("search_error_share", one(0, 0, 0.001), one(0.1, 0.09, 0.11), Change.WORSE),
        ("load_s", Measurement(value=1, samples=1), Measurement(value=9, samples=1), Change.UNKNOWN),
        ("search_p95_ms", one(0, 0, 0), one(1, 1, 1), Change.UNKNOWN),
    ],
)
def test_change(name: str, before: Measurement, after: Measurement, expected: Change) -> None:
    (found,) = compare_measurements({name: before}, {name: after}, 10)
    assert found.change is expected


@given(st.floats(1, 100), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_run_is_never_worse_than_itself(value: float, below: float, above: float) -> None:
    number = one(value, value * (1 - below), value * (1 + above))
    (found,) = compare_measurements({"search_p50_ms": number}, {"search_p50_ms": number}, 0)
    assert found.change is Change.SAME
    assert found.moved is not None
    assert found.moved[1] <= found.moved[0] == 1 <= found.moved[2]


def test_the_ratio_is_that_of_the_second_to_the_first() -> None:
    (found,) = compare_measurements({"search_p50_ms": one(10, 8, 12)}, {"search_p50_ms": one(20, 18, 24)}, 10)
    assert found.moved == (2.0, 1.5, 3.0)


def test_what_only_one_run_measured_is_left_out() -> None:
    assert compare_measurements({"search_p50_ms": one(1, 1, 1)}, {}, 10) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (({}, {}), (0, "RESULT: SAME")),
        (({"vectors": 10.0}, {}), (3, "not valid")),
        (({}, {"rate": 50.0}), (3, "not of the same workload: rate is 50.0, was 100.0")),
        (({}, {"milvus": "2.6.1"}), (0, "another system: milvus is 2.6.1, was 2.3.5")),
    ],
)
def test_exit_codes(
    tmp_path: Path, profile: Profile, good: Measurements, changed: tuple[dict[str, float], dict[str, object]], expected: tuple[int, str]
) -> None:
    numbers, changes = changed
    before = write_report(tmp_path / "a", profile, good)
    after = write_report(tmp_path / "b", profile, put(good, **numbers), **changes)
    result = CliRunner().invoke(app, ["compare", str(before), str(after)])
    assert (result.exit_code, expected[1] in result.output) == (expected[0], True), result.output


def test_worse_exits_1_and_names_it_in_a_table_with_ratio_and_interval(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    before = write_report(tmp_path / "a", profile, good | {"search_p95_ms": one(50, 45, 55)})
    after = write_report(tmp_path / "b", profile, good | {"search_p95_ms": one(100, 99, 110)})
    result = CliRunner().invoke(app, ["compare", str(before.parent), str(after.parent)])
    assert result.exit_code == 1
    assert "2.000" in result.output
    assert "1.800 .. 2.444" in result.output
    assert result.output.splitlines()[-1].startswith("RESULT: WORSE 1 of")
    assert CliRunner().invoke(app, ["compare", str(before), str(after), "--tolerance", "90"]).exit_code == 0


def test_a_file_that_is_not_there_exits_2(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")]).exit_code == 2


def test_the_comparison_as_json_and_its_errors_on_standard_error(profile: Profile, good: Measurements, tmp_path: Path) -> None:
    runs = [str(write_report(tmp_path / str(p95), profile, good | {"search_p95_ms": one(p95, p95 - 1, p95 + 1)})) for p95 in (10, 90)]
    ended = CliRunner().invoke(app, ["compare", *runs, "--json"])
    data = json.loads(ended.stdout)
    assert (ended.exit_code, data["worse"]) == (1, ["search_p95_ms"]), data["worse"]
    assert {"name", "unit", "before", "after", "moved", "change"} == data["numbers"][0].keys()
    ended = CliRunner().invoke(app, ["compare", runs[0], "nowhere", "--json"])
    assert (ended.exit_code, ended.stdout, "RESULT: ERROR" in ended.stderr) == (2, "", True)
