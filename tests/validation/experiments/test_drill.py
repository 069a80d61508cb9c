"""A drill against a Milvus in this process: every acknowledged document counts, and a lost one is never called a pass."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
from typer.testing import CliRunner

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.lite import Lite, milvus
from tests.validation.services import KubernetesApi
from tests.validation.stand import write_slo, write_target
from validation.__main__ import app
from validation.experiments import drill, during
from validation.experiments.drill import DRILLS, Drill, DrillRecord, Options
from validation.experiments.during import Outage, Requests
from validation.experiments.workload import Writer, document
from validation.judge.errors import Outcome

Run = Callable[[Callable[[Any], None] | list[str]], tuple[int, str, dict[str, Any]]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Lite, str]]:
    with milvus(tmp_path / "lite") as (lite, uri):
        yield lite, uri


@pytest.fixture
def endpoints(served: tuple[Lite, str], kubernetes_api: KubernetesApi, bucket_url: str, models_url: str) -> dict[str, str]:
    kubernetes_api.add_secret("documents-s3", access_key="AKIDEXAMPLE", secret_key="very-secret")
    kubernetes_api.add_pod("milvus-0", "milvus:2.3.5", "sha256:abc")
    return {"object_store_endpoint": bucket_url, "embedding_url": models_url, "llm_url": models_url, "milvus_uri": served[1]}


@pytest.fixture
def run(endpoints: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    target, slo = write_target(tmp_path, OUTPUTS | endpoints), write_slo(tmp_path)
    monkeypatch.setattr(drill, "CALM_S", 0.5)
    monkeypatch.setattr(during, "_SENT", 0.3)  # of three seconds on a machine that does something else as well

    def go(act: Callable[[Any], None] | list[str]) -> tuple[int, str, dict[str, Any]]:
        command = act if isinstance(act, list) else []
        shaped = Drill(search_s=5, question_s=8, is_command=True) if isinstance(act, list) else Drill(act=act, search_s=5, question_s=8)
        monkeypatch.setitem(DRILLS, "gone", shaped)
        out = tmp_path / "drill.json"
        words = ["drill", "gone", str(target), "--slo", str(slo), "--rate", "10", "--out", str(out), "--quiet"]
        done = CliRunner().invoke(app, [*words, "--", *command] if command else words)
        return done.exit_code, done.output, json.loads(out.read_text())

    return go


def test_a_milvus_that_is_away_for_a_moment_loses_nothing_and_the_collection_is_gone_afterwards(run: Run, served: tuple[Lite, str]) -> None:
    lite, uri = served

    def away(_: Any) -> None:
        lite.is_gone = True
        time.sleep(1.5)
        lite.is_gone = False

    code, printed, report = run(away)
    assert code == 0, printed
    assert (report["lost"], report["altered"]) == ([], [])
    assert report["acknowledged"] > 500
    assert 1 < report["searches"]["outages"][0]["seconds"] < 5
    assert MilvusClient(uri=uri).list_collections() == []
    assert report["left_behind"] == []


def test_a_document_that_was_acknowledged_and_is_not_there_is_lost(run: Run, served: tuple[Lite, str]) -> None:
    def lose(_: Any) -> None:
        client = MilvusClient(uri=served[1])
        (name,) = client.list_collections()
        client.delete(name, ids=[7, 12])

    code, printed, report = run(lose)
    assert (code, report["lost"]) == (1, [7, 12])
    assert "documents_lost 2 documents, limit <= 0, such as 7" in printed


@pytest.mark.parametrize(("command", "expected", "printed"), [("true", 0, "RESULT: PASS"), ("exit 7", 1, "the command ended with 7")])
def test_a_command_may_be_the_fault_and_has_the_same_reports(run: Run, tmp_path: Path, command: str, expected: int, printed: str) -> None:
    code, output, report = run(["sh", "-c", command])
    assert (code, printed in output) == (expected, True), output
    assert report["lost"] == []
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}  # noqa: S314 - our own file
    assert {"verdict", "documents_lost", "documents_altered", "longest_without_search", "fault", "read_back"} <= set(cases)
    assert (cases["verdict"].find("failure") is not None) is bool(expected)
    assert "drill gone" in (tmp_path / "report.html").read_text()
    assert "documents\\_lost" in (tmp_path / "report.md").read_text()


def test_a_command_that_there_is_not_is_a_wrong_use(run: Run) -> None:
    code, output, _ = run(["no-such-command"])
    assert (code, "the command cannot be run" in output) == (2, True), output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["rotate", "lab"], "rotate is what a command does; name it after --"),
        (["network-cut", "lab"], "network-cut is what a command does; name it after --"),
        (["burst", "lab", "--", "true"], "burst takes no command"),
    ],
)
def test_a_command_is_asked_for_where_it_is_the_drill_and_nowhere_else(words: list[str], problem: str) -> None:
    ended = CliRunner().invoke(app, ["drill", *words])
    assert (ended.exit_code, problem in ended.output) == (2, True), ended.output


def outage(seconds: float, *, ended: bool = True) -> Requests:
    away = Outage(begin_s=0, seconds=seconds, failed=1, first_error="gone", ended=ended)
    return Requests(sent=100, failed=1, outages=[away])


def record(name: str, **found: Any) -> DrillRecord:
    writer = Writer(None, 4)  # type: ignore[arg-type]  # nothing is sent
    writer.read_back, writer.lost, writer.altered = 500, found.pop("lost", []), found.pop("altered", [])
    writer.acknowledged = found.pop("acknowledged", [])
    good: dict[str, Any] = {"searches": Requests(sent=100), "questions": Requests(sent=10)}
    return DrillRecord(options=Options(name=name, stack="lab"), writer=writer, **good | found)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"lost": [3]}, "documents_lost 1 documents, limit <= 0, such as 3"),
        ({"altered": [4, 5]}, "documents_altered 2 documents, limit <= 0, such as 4"),
        ({"searches": outage(0.7)}, "longest_without_search 0.7 s, limit <= 0.5"),
        ({"searches": outage(0.1, ended=False)}, "outages_not_ended 1 outages"),
        ({"questions": outage(2)}, "longest_without_answer 2 s, limit <= 1"),
        ({"command_exit_code": None}, "the command did not end in time"),
        ({"command_exit_code": 7}, "the command ended with 7"),
    ],
)
def test_whatever_the_slo_forbids_fails_and_says_what(found: dict[str, Any], reason: str) -> None:
    assert record("llm-down").conclusion()[0] is Outcome.PASS
    outcome, text = record("llm-down", **found).conclusion()
    assert (outcome, reason in text) == (Outcome.FAIL, True), text


def test_documents_that_were_not_read_back_are_no_pass() -> None:
    outcome, text = record("llm-down", acknowledged=[1]).conclusion()
    assert (outcome, "documents_lost not measured" in text) == (Outcome.INVALID, True), text


def test_a_burst_may_fail_a_hundredth_of_the_searches() -> None:
    for failed, outcome in ((10, Outcome.PASS), (11, Outcome.FAIL)):
        assert record("burst", searches=Requests(sent=1_000, failed=failed)).conclusion()[0] is outcome


def test_a_batch_that_is_not_acknowledged_is_not_counted_and_its_numbers_are_not_used_again() -> None:
    answers: Iterator[Any] = iter([10, ValueError("away"), 9, 10])

    class Failing:
        def write(self, rows: Any, vectors: Any, *, replacing: bool) -> int:
            assert (len(rows), len(vectors), replacing) == (10, 10, False)
            if isinstance(answer := next(answers), Exception):
                raise answer
            return int(answer)

    writer = Writer(Failing(), 4)  # type: ignore[arg-type]  # as much of a collection as is asked
    for _ in range(4):
        writer.once()
    assert writer.acknowledged == [*range(10), *range(30, 40)]
    assert writer.refused == 2
    assert document(3).fields()["sha256"] != document(4).fields()["sha256"]


def test_a_drill_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    ended = CliRunner().invoke(app, ["drill", "kill-everything", "lab"])
    assert ended.exit_code == 2
    assert "there are: kill-milvus" in ended.output
