"""What a run must stand: Ctrl-C at any moment, a Milvus that is gone, collections of others, a clock that steps."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.conftest import LAB
from tests.validation.lite import Lite, milvus
from tests.validation.services import KubernetesApi
from tests.validation.stand import Stand, write_slo, write_target
from validation.clients import milvus as milvus_client
from validation.judge.errors import Outcome
from validation.run.record import Reporter
from validation.suites import runner

ROOT = LAB.parents[1]
OTHERS = ["documents", "gate_20260101_000000_abcdef"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lite, str]]:
    with milvus(tmp_path_factory.mktemp("lite")) as (lite, uri):
        yield lite, uri


@pytest.fixture
def client(served: tuple[Lite, str]) -> Iterator[MilvusClient]:
    """Make two collections that are somebody else's, one of them another gate's, and return whom to ask about them."""
    served[0].heal()
    with closing(MilvusClient(uri=served[1])) as asked:
        schema = asked.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        for name in OTHERS:  # without an index, for which pymilvus would wait half a second
            asked.create_collection(name, schema=schema)
        yield asked
        served[0].heal()
        for name in asked.list_collections():
            asked.drop_collection(name)


@pytest.fixture
def endpoints(bucket_url: str, models_url: str) -> dict[str, str]:
    return {"object_store_endpoint": bucket_url, "embedding_url": models_url, "llm_url": models_url}


@pytest.fixture
def stand(
    served: tuple[Lite, str], client: MilvusClient, kubernetes_api: KubernetesApi, endpoints: dict[str, str], tmp_path: Path
) -> Stand:
    kubernetes_api.add_secret("documents-s3", access_key="AKIDEXAMPLE", secret_key="very-secret")
    kubernetes_api.add_pod("milvus-0", "milvus:2.3.5", "sha256:abc")
    assert client.list_collections()
    outputs = OUTPUTS | endpoints | {"milvus_uri": served[1]}
    return Stand(lite=served[0], target=write_target(tmp_path, outputs), slo=write_slo(tmp_path), corpus=ROOT / "corpus")


class At(Reporter):
    """Says nothing, and lets something happen when the gate says a certain thing."""

    def __init__(self, moment: str, happening: Callable[[], None]) -> None:
        super().__init__(quiet=True)
        self._moment, self._happening = moment, happening

    def say(self, line: str) -> None:
        if line.startswith(self._moment):
            self._happening()


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("moment", ["collections of other runs", "index:", "search:"])
def test_ctrl_c_at_any_moment_leaves_nothing_of_the_run_and_all_of_others(
    stand: Stand, client: MilvusClient, tmp_path: Path, moment: str
) -> None:
    record = runner.execute(stand.order(), At(moment, ctrl_c), tmp_path / "report.json")
    assert (record.outcome, record.exit_code) == (Outcome.ERROR, 2), record.reason
    assert "interrupted" in record.reason
    assert sorted(client.list_collections()) == OTHERS
    assert json.loads((tmp_path / "report.json").read_text())["left_behind"] == []
    for form in ("report.html", "report.md", "junit.xml"):
        assert "interrupted" in (tmp_path / form).read_text(), form


def test_in_a_pod_the_gate_reads_secrets_from_a_folder_and_asks_no_kubernetes(stand: Stand, tmp_path: Path) -> None:
    keys = tmp_path / "mounted" / "documents-s3"
    keys.mkdir(parents=True)
    for name, value in {"access_key": "AKIDEXAMPLE", "secret_key": "very-secret"}.items():
        (keys / name).write_text(value)
    order = replace(stand.order(), mounted=tmp_path / "mounted")
    record = runner.execute(order, At("index:", ctrl_c), tmp_path / "report.json")
    assert [check.status for check in record.checks if check.name == "ingest"] == ["done"], record.reason
    assert record.images == []


def test_what_cannot_be_removed_after_ctrl_c_is_named(stand: Stand, tmp_path: Path) -> None:
    stand.lite.refuses_to_drop = True
    record = runner.execute(stand.order(), At("index:", ctrl_c), tmp_path / "report.json")
    assert (record.outcome, record.left_behind) == (Outcome.ERROR, [f"gate_{record.run_id}"])


@pytest.mark.parametrize("wait_for", ["", "search: "])
def test_ctrl_c_in_a_terminal_ends_with_one_line_and_no_traceback(
    stand: Stand, client: MilvusClient, tmp_path: Path, wait_for: str
) -> None:
    command = [sys.executable, "-m", "validation", *stand.arguments(tmp_path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    ) as gate:
        assert gate.stdout
        if wait_for:
            next(line for line in gate.stdout if line.startswith(wait_for))
        else:
            wait_until(lambda: "numpy" in Path(f"/proc/{gate.pid}/maps").read_text())
        os.killpg(gate.pid, signal.SIGINT)
        said = gate.stdout.read()
    assert gate.returncode == 2, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("RESULT: ERROR interrupted")
    assert sorted(client.list_collections()) == OTHERS


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_milvus_that_is_gone_in_the_middle_is_named_with_what_it_still_holds(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_client, "_TIMEOUT_S", 0.5)
    record = runner.execute(stand.order(), At("load:", lambda: setattr(stand.lite, "is_gone", True)), tmp_path / "report.json")
    assert (record.outcome, record.exit_code) == (Outcome.INVALID, 3)
    assert "Milvus at http://127.0.0.1" in record.reason
    assert "failed while loading" in record.reason
    assert record.left_behind == [f"gate_{record.run_id}"]


def test_nothing_that_measures_reads_the_wall_clock() -> None:
    wall = {("time", "time"), ("datetime", "now"), ("datetime", "utcnow"), ("time", "time_ns")}
    folder = ROOT / "validation"
    experiments = [folder / "experiments" / f"{name}.py" for name in ("sweep", "during")]
    found: list[Any] = []
    for path in [*experiments, *(path for room in ("checks", "clients", "load") for path in folder.glob(f"{room}/*.py"))]:
        calls = (one.func for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call))
        found += [
            (path.name, one.lineno)
            for one in calls
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and (one.value.id, one.attr) in wall
        ]
    assert found == []
