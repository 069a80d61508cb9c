"""The command: exit codes, the one RESULT line, and a report however the run ends."""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.conftest import LAB
from tests.validation.services import KubernetesApi
from validation.__main__ import app
from validation.checks.gate import GATE
from validation.judge.errors import Outcome
from validation.run.record import Reporter
from validation.suites import runner

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def target_file(tmp_path: Path, kubernetes_api: KubernetesApi, bucket_url: str, models_url: str, closed_port: int) -> Path:
    """Write a target of which everything is there but Milvus."""
    kubernetes_api.add_secret("documents-s3", access_key="AKIDEXAMPLE", secret_key=SECRET)
    kubernetes_api.add_service("milvus", "127.0.0.1")
    kubernetes_api.add_pod("milvus-0", "milvus:2.3.5", "sha256:abc")
    local = {"object_store_endpoint": bucket_url, "embedding_url": models_url, "llm_url": models_url}
    path = tmp_path / "target.json"
    path.write_text(json.dumps(OUTPUTS | local | {"milvus_uri": f"http://milvus.rag.svc.cluster.local:{closed_port}"}))
    return path


def gate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", "--quiet", *map(str, arguments)])


def report_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return found


def test_milvus_not_there_exits_4_and_names_its_address(target_file: Path, corpus_dir: Path, tmp_path: Path, closed_port: int) -> None:
    result = gate(target_file, "--slo", LAB, "--corpus", corpus_dir, "--out", tmp_path / "out")
    assert result.exit_code == 4
    assert result.stdout.splitlines()[-1].startswith(f"RESULT: UNREACHABLE Milvus at http://127.0.0.1:{closed_port} does not answer")
    report = report_of(tmp_path / "out")
    assert report["result"]["outcome"] == "UNREACHABLE"
    assert report["validity"]["valid"] is False
    assert report["checks"][0]["status"] == "stopped"
    assert report["images"] == [{"pod": "milvus-0", "container": "main", "image": "milvus:2.3.5", "digest": "sha256:abc"}]
    assert len(report["inputs"]["corpus_sha256"]) == 64


def test_something_else_than_milvus_at_its_address_exits_4(target_file: Path, models_url: str, corpus_dir: Path, tmp_path: Path) -> None:
    outputs = json.loads(target_file.read_text()) | {"milvus_uri": models_url.removesuffix("/v1")}
    target_file.write_text(json.dumps(outputs))
    result = gate(target_file, "--slo", LAB, "--corpus", corpus_dir, "--out", tmp_path / "out")
    assert (result.exit_code, "not as Milvus does" in result.stdout) == (4, True)


def test_a_nonsense_slo_file_exits_2_and_names_its_line(target_file: Path, tmp_path: Path) -> None:
    slo = tmp_path / "slo.yaml"
    slo.write_text("version: 1\nprofile: 7\n")
    result = gate(target_file, "--slo", slo, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"{slo}:2: profile" in result.stdout
    assert report_of(tmp_path / "out")["result"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("none.json",), "none.json"),
        (("lab", "--slo", "none.yaml"), "none.yaml"),
        (("lab", "--corpus", "none"), "none: no such folder"),
    ],
)
def test_what_cannot_be_right_exits_2_with_a_report(corpus_dir: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    result = gate("--slo", LAB, "--corpus", corpus_dir, *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1].startswith("RESULT: ERROR ")
    assert reason in report_of(tmp_path / "out")["result"]["reason"]


def test_a_name_that_no_environment_has_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    result = gate("nope", "--out", tmp_path / "out")
    assert "'nope' has no validation/slo.nope.yaml; there are: dev, hybrid, lab, prod" in result.stdout


def test_a_typo_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = gate("none.json", "--slo", LAB)
    assert (result.exit_code, "report:" in result.stdout, list(tmp_path.iterdir())) == (2, False, [])


def test_every_mistake_of_an_slo_file_has_a_line_of_its_own(target_file: Path, tmp_path: Path) -> None:
    slo = tmp_path / "slo.yaml"
    slo.write_text("version: 1\nprofile: own\nrate: {value: 1, unit: requests/s, reason: us}\n")
    lines = gate(target_file, "--slo", slo, "--out", tmp_path / "out").stdout.splitlines()
    assert f"{slo}:3: rate.reason: String should have at least 10 characters (found 'us')" in lines
    assert lines[-1].startswith(f"RESULT: ERROR {len(lines) - 1} mistakes, listed above (exit 2)")


def test_the_result_line_is_exactly_one(tmp_path: Path) -> None:
    result = gate("none.json", "--out", tmp_path / "out")
    assert result.stdout.count("RESULT:") == 1


def test_a_report_that_cannot_be_written_exits_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = gate("none.json", "--out", tmp_path / "file" / "below")
    assert (result.exit_code, "--out" in result.stdout) == (2, True)


def test_help_says_what_each_exit_code_means() -> None:
    result = CliRunner().invoke(app, ["run", "--help"])
    assert all(word in result.stdout for word in ("PASS", "WARN", "FAIL", "INVALID", "UNREACHABLE", "--strict", "--keep", "--slo"))


def interrupted(_run: object, _facts: object) -> None:
    raise KeyboardInterrupt


def mistaken(_run: object, _facts: object) -> None:
    raise ZeroDivisionError("no")


@pytest.mark.parametrize(("broken", "reason"), [(interrupted, "interrupted"), (mistaken, "ZeroDivisionError: no")])
def test_interrupts_and_our_own_mistakes_end_in_a_report(
    monkeypatch: pytest.MonkeyPatch, target_file: Path, corpus_dir: Path, broken: Callable[[object, object], None], reason: str
) -> None:
    monkeypatch.setitem(GATE.checks, "reachable", replace(GATE.checks["reachable"], perform=broken))
    order = runner.Order(stack=str(target_file), slo=LAB, corpus=corpus_dir)
    out = corpus_dir / "out"
    record = runner.execute(order, Reporter(quiet=True), out / "report.json")
    assert (record.outcome, record.exit_code) == (Outcome.ERROR, 2)
    assert reason in report_of(out)["result"]["reason"]


def test_a_secret_is_hidden_even_where_it_was_put_by_mistake(target_file: Path, corpus_dir: Path, tmp_path: Path) -> None:
    target_file.write_text(json.dumps(json.loads(target_file.read_text()) | {"documents_bucket": f"not-{SECRET}"}))
    result = gate(target_file, "--slo", LAB, "--corpus", corpus_dir, "--out", tmp_path / "out")
    assert report_of(tmp_path / "out")["target"]["documents_bucket"] == "not-(hidden)"
    assert SECRET not in result.output + (tmp_path / "out" / "report.json").read_text()
