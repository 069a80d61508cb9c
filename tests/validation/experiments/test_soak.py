"""A soak against a Milvus in this process, and what is judged of one: growth, lost documents, and time without service beside faults."""

import json
import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
from typer.testing import CliRunner

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.experiments.test_drill import endpoints, outage, served
from tests.validation.lite import Lite
from tests.validation.services import KubernetesApi
from tests.validation.stand import write_slo, write_target
from validation.__main__ import app
from validation.clients.milvus import Collection, Row
from validation.clients.vectors import Matrix
from validation.experiments import soak, workload
from validation.experiments.drill import DRILLS, Drill
from validation.experiments.during import Requests
from validation.experiments.soak import DEFAULT, Options, SoakRecord, named, schedule
from validation.judge.errors import Outcome, UsageError
from validation.judge.judgement import Grade

__all__ = ["endpoints", "served"]  # fixtures of the drill's tests

Run = Callable[..., tuple[int, str, dict[str, Any]]]
WINDOWS = [
    {"from_s": 30.0 * at, "p50_ms": 5 + at % 3, "p99_ms": 20 + at % 7, "is_late": False, "faults": [], "sent": 1_500, "failed": 0}
    for at in range(60)
]
KILLED = {"name": "kill-milvus", "begin_s": 0, "end_s": 60}


def leaks(hour: float) -> float:
    return 800.0 + 400.0 * hour


def flat(_: float) -> float:
    return 800.0


def points(shape: Callable[[float], float], begin: float = 0.0, end: float = 0.5, noise: float = 2.0) -> list[tuple[float, float]]:
    hours = [begin + number / 120 for number in range(round((end - begin) * 120))]
    return [(hour, shape(hour) + noise * math.sin(7.3 * number * number)) for number, hour in enumerate(hours)]


def record(**found: Any) -> SoakRecord:
    writer = workload.Writer(None, 4)  # type: ignore[arg-type]  # nothing is sent
    writer.read_back, writer.lost = 9_000, found.pop("lost", [])
    good: dict[str, Any] = {"searches": Requests(sent=90_000), "questions": Requests(sent=1_800), "windows": WINDOWS}
    good["series"] = {"milvus_memory_mib": {"a": points(flat)}, "milvus_descriptors": {"a": [(hour, 90.0) for hour, _ in points(flat)]}}
    return SoakRecord(options=Options(stack="lab", hours=0.5), writer=writer, **good | found)


def grades(judged: SoakRecord) -> dict[str, Grade]:
    return {row.sli: row.grade for row in judged.rows}


def test_a_soak_in_which_nothing_grows_passes() -> None:
    judged = record()
    assert judged.outcome is Outcome.PASS, judged.reason
    assert {"milvus_memory_mib_growth", "milvus_descriptors_growth", "search_p50_ms_growth", "search_p99_ms_growth"} <= set(grades(judged))


@pytest.mark.parametrize(
    ("lifetimes", "expected"),
    [
        ({"a": points(leaks)}, Grade.FAIL),
        ({"a": points(flat, 0, 0.2), "b": points(lambda _: 300.0, 0.2)}, Grade.PASS),  # begun anew, and lower
        ({"a": points(lambda _: 300.0, 0, 0.2), "b": points(flat, 0.2)}, Grade.PASS),  # and higher
        ({"a": points(leaks, 0, 0.25), "b": points(lambda hour: leaks(hour - 0.25), 0.25)}, Grade.FAIL),  # leaks in each life
        ({"a": points(lambda hour: 800.0 * (1 + 3 * max(0.08 - hour, 0)))}, Grade.PASS),  # while it warms up
        ({"a": points(leaks, noise=400.0)}, Grade.UNDECIDED),
        ({"a": points(leaks, 0, 0.1)}, Grade.UNMEASURED),
    ],
)
def test_growth_is_judged_within_each_life_of_a_process_after_its_warm_up(lifetimes: Any, expected: Grade) -> None:
    judged = record(series={"milvus_memory_mib": lifetimes})
    assert grades(judged)["milvus_memory_mib_growth"] is expected, judged.reason
    outcomes = {Grade.PASS: Outcome.PASS, Grade.FAIL: Outcome.FAIL}
    assert judged.outcome is outcomes.get(expected, Outcome.INVALID)


def test_latency_beside_a_fault_is_not_judged_and_latency_that_creeps_up_is() -> None:
    creeping = [window | {"p50_ms": 5 + at / 10} for at, window in enumerate(WINDOWS)]
    assert grades(record(windows=creeping))["search_p50_ms_growth"] is Grade.FAIL
    beside = [window | {"p50_ms": 900.0, "faults": ["burst"]} if at > 40 else window for at, window in enumerate(WINDOWS)]
    assert grades(record(windows=beside))["search_p50_ms_growth"] is Grade.PASS


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        ({"lost": [3]}, Outcome.FAIL, "documents_lost 1 documents, limit <= 0, such as 3"),
        ({"searches": outage(1.5)}, Outcome.FAIL, "longest_without_search 1.5 s, limit <= 1, gone"),
        ({"searches": outage(90), "broken": [KILLED]}, Outcome.PASS, "1 of 100 searches failed"),
        ({"searches": outage(121), "broken": [KILLED]}, Outcome.FAIL, "longest_without_search 121 s, limit <= 120, gone"),
        ({"windows": [each | {"failed": 2} for each in WINDOWS]}, Outcome.FAIL, "failed_without_fault 0.001333 share, limit <= 0.001"),
        ({"windows": [each | {"failed": 2, "faults": ["burst"]} if at < 9 else each for at, each in enumerate(WINDOWS)]}, Outcome.PASS, ""),
        ({"searches": outage(0.1, ended=False)}, Outcome.FAIL, "outages_not_ended"),
        ({"windows": WINDOWS[:40]}, Outcome.INVALID, "soak_cut_short not decided"),
        (
            {"windows": WINDOWS[:40], "lost": [3]},
            Outcome.FAIL,
            "documents_lost 1 documents, limit <= 0, such as 3; soak_cut_short not decided",
        ),
        ({"windows": []}, Outcome.INVALID, "failed_without_fault not measured"),
        ({"windows": [each | {"is_late": True} for each in WINDOWS]}, Outcome.INVALID, "windows_late not decided"),
    ],
)
def test_whatever_the_slo_forbids_fails_and_what_proves_nothing_is_invalid(found: dict[str, Any], outcome: Outcome, reason: str) -> None:
    judged = record(**found)
    assert (judged.outcome, reason in judged.reason) == (outcome, True), judged.reason


def test_a_schedule_is_drawn_by_its_seed_and_ends_with_the_soak() -> None:
    names, seconds = [*DEFAULT, "store-slow"], 1_800.0
    plan = schedule(names, seconds, 7)
    assert plan == schedule(names, seconds, 7)
    assert plan != schedule(names, seconds, 8)
    assert [at for at, _ in plan] == sorted(at for at, _ in plan)
    assert all(0 < at < seconds for at, _ in plan)
    assert {name for _, name in plan} == set(names)
    assert not [name for at, name in plan if at > seconds / 3 and DRILLS[name].restarts], "two thirds belong to one life"
    assert len(schedule(names, 8 * 3_600, 7)) == 96
    assert len(schedule(names, 72, 7)) == 1
    assert schedule([], seconds, 7) == []
    assert all(at < seconds / 3 for at, _ in schedule(["kill-milvus"], seconds, 7))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--hours", "1", "--faults", "burst,sabotage"], "is called 'sabotage'; there are: kill-milvus"),
        (["--hours", "1", "--faults", "rotate"], "no drill without a command is called 'rotate'"),
        (["--hours", "1", "--faults", "burst", "--no-faults"], "exclude each other"),
        (["--hours", "0"], "--hours"),
        (["--hours", "500"], "--hours"),
        ([], "--hours"),
    ],
)
def test_what_cannot_be_meant_exits_2_and_is_named(words: list[str], problem: str) -> None:
    ended = CliRunner().invoke(app, ["soak", "lab", *words])
    assert (ended.exit_code, problem in ended.output) == (2, True), ended.output


def test_the_faults_by_default_are_those_that_need_no_command() -> None:
    assert named(Options(stack="lab", hours=1)) == list(DEFAULT)
    assert named(Options(stack="lab", hours=1, no_faults=True)) == []
    with pytest.raises(UsageError, match="there are: kill-milvus"):
        named(Options(stack="lab", hours=1, faults="upgrade"))


@pytest.fixture
def run(
    endpoints: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kubernetes_api: KubernetesApi,
) -> Run:
    """Soak for seven seconds, with this as the fault after two."""
    kubernetes_api.add_secret("milvus-s3", access_key="AKIDEXAMPLE", secret_key="very-secret")
    target = write_target(tmp_path, OUTPUTS | endpoints | {"milvus_bucket": OUTPUTS["documents_bucket"], "milvus_secret_name": "milvus-s3"})
    monkeypatch.setattr(Options, "window_s", 1.0)
    monkeypatch.setattr(soak, "_ROWS", 800)
    monkeypatch.setattr(soak, "_WRITE_EVERY_S", 0.05)
    monkeypatch.setattr(soak, "schedule", lambda *_: [(2.0, "gone")])

    def go(act: Callable[[Any], None], **more: Any) -> tuple[int, str, dict[str, Any]]:
        monkeypatch.setitem(DRILLS, "gone", Drill(act=act, search_s=5, question_s=8, restarts=bool(more)))
        out = tmp_path / "soak.json"
        code = soak.act(Options(stack=str(target), hours=0.002, slo=write_slo(tmp_path), rate=10, out=out, **more))
        return code, capsys.readouterr().out, json.loads(out.read_text())

    return go


def test_a_short_soak_loses_nothing_deletes_what_is_old_and_says_that_it_was_too_short(
    run: Run, served: tuple[Lite, str], tmp_path: Path
) -> None:
    lite, uri = served

    def away(_: Any) -> None:
        lite.is_gone = True
        time.sleep(1.2)
        lite.is_gone = False

    code, printed, report = run(away)
    assert (code, report["result"]["outcome"]) == (3, "INVALID"), printed
    assert "soak_memory_mib_growth not measured" in printed
    assert (report["lost"], report["altered"], report["left_behind"]) == ([], [], [])
    assert report["acknowledged"] > 800
    assert [fault["name"] for fault in report["faults"]] == ["gone"]
    judged = {row["sli"]: row for row in report["objectives"]}
    assert 1 < judged["longest_without_search"]["value"] < 5
    assert report["searches"]["sent"] >= 70
    assert sum(window["sent"] for window in report["windows"]) == report["searches"]["sent"]
    assert {"soak_memory_mib", "soak_descriptors", "bucket_objects", "bucket_mib"} == set(report["series"])
    absent, unwatched = {"kill-milvus", "embedder-down", "llm-down"}, {"milvus", "embedding"}
    assert set(report["skipped"]) == absent | unwatched | {"bucket_objects_growth", "bucket_mib_growth"}, (
        "the emulator has one pod, of no part"
    )
    assert all(report["skipped"][part].startswith("not tried: ") for part in ("milvus", "embedding"))
    assert "very-secret" not in (tmp_path / "soak.json").read_text()
    assert MilvusClient(uri=uri).list_collections() == []
    cases = {case.get("name") for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}  # noqa: S314 - our own file
    assert {"verdict", "documents_lost", "longest_without_search", "soak_memory_mib_growth", "milvus"} <= cases
    assert "Search latency over the load" in (tmp_path / "report.html").read_text()


def test_a_document_that_goes_missing_is_lost_whether_it_was_old_or_new(run: Run, served: tuple[Lite, str]) -> None:
    def lose(_: Any) -> None:
        client = MilvusClient(uri=served[1])
        (name,) = client.list_collections()
        newest = max(int(row["id"]) for row in client.query(name, filter="id >= 0", output_fields=["id"], limit=16_000))
        client.delete(name, ids=[newest - 1, newest - 2])

    code, printed, report = run(lose)
    assert (code, len(report["lost"])) == (1, 2), printed
    assert "documents_lost 2 documents" in printed


def test_buffers_of_milvus_are_filled_first_and_after_a_restart_with_documents_that_do_not_stay(
    run: Run, served: tuple[Lite, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "_FILLED_AT_ONCE", 50)
    monkeypatch.setattr(soak, "_BATCHES", 2)
    written, write = list[int](), Collection.write

    def counted(self: Collection, rows: Sequence[Row], vectors: Matrix, *, replacing: bool) -> int:
        count = write(self, rows, vectors, replacing=replacing)
        written.extend([count] if self.name.endswith("_fill") else ())
        return count

    monkeypatch.setattr(Collection, "write", counted)
    _, _, report = run(lambda _: None, fill=250)
    assert written == [50] * 10, "250 documents, twice"
    assert (report["inputs"]["fill"], report["lost"], report["left_behind"]) == (250, [], [])
    assert MilvusClient(uri=served[1]).list_collections() == []


def test_ctrl_c_ends_in_order_with_what_was_measured(run: Run, served: tuple[Lite, str]) -> None:
    code, printed, report = run(lambda _: signal.raise_signal(signal.SIGINT))
    assert (code, report["result"]["outcome"]) == (3, "INVALID"), printed
    assert "soak_cut_short not decided" in printed
    assert report["acknowledged"] > 300
    assert (report["lost"], report["left_behind"]) == ([], [])
    assert MilvusClient(uri=served[1]).list_collections() == []


def test_a_fault_that_cannot_be_made_ends_the_soak_and_says_why(run: Run) -> None:
    def refuse(_: Any) -> None:
        raise UsageError("namespace rag has no pod")

    code, printed, report = run(refuse)
    assert (code, "namespace rag has no pod" in printed) == (2, True), printed
    assert len(report["windows"]) < 7
