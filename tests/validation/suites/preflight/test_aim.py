"""Options and outputs: what is missing or cannot be right is refused with exit 2, and no key is ever shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.s3_server import free_port
from tests.validation.services import KubernetesApi
from tests.validation.suites.preflight.conftest import Preflight, key_files
from validation.__main__ import app
from validation.checks.storage import aim
from validation.checks.storage.aim import Options, Wal

OUTPUTS = {
    "namespace": "rag",
    "milvus_bucket": "rag-milvus",
    "milvus_secret_name": "milvus-store",
    "documents_bucket": "rag-documents",
    "object_store_endpoint": "https://10.0.0.1:7070",
    "object_store_region": "eu-1",
    "object_store_ca_config_map": "",
    "embedding_dimension": 384,
}


def preflight_command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["preflight", "--quiet", *map(str, arguments)])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_files(tmp_path / "key", "AKIDEXAMPLE", "made-up-secret")


def test_outputs_of_a_stack_without_milvus_are_enough(tmp_path: Path, kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_secret("milvus-store", access_key="AKIDEXAMPLE", secret_key="made-up-secret")
    path = tmp_path / "target.json"
    path.write_text(json.dumps(OUTPUTS))
    found = aim.take(Options(stack=str(path)))
    assert (found.endpoint, found.bucket, found.region, found.other_bucket) == (
        "https://10.0.0.1:7070",
        "rag-milvus",
        "eu-1",
        "rag-documents",
    )
    assert (found.root_path, found.wal, found.dimension, found.port) == ("milvus", Wal.WOODPECKER, 384, 7070)
    assert found.credential.secret_key == "made-up-secret"
    assert "made-up-secret" not in repr(found)


def test_an_option_goes_before_an_output(tmp_path: Path, key: Path) -> None:
    path = tmp_path / "target.json"
    path.write_text(json.dumps({**OUTPUTS, "milvus_root_path": "a", "milvus_wal": "rocksmq"}))
    asked = aim.take(Options(stack=str(path), credential_dir=key, bucket="other", root_path="b/c", wal=Wal.KAFKA))
    given = aim.take(Options(stack=str(path), credential_dir=key))
    assert (asked.bucket, asked.root_path, asked.wal) == ("other", "b/c", Wal.KAFKA)
    assert (given.root_path, given.wal) == ("a", Wal.ROCKSMQ)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "nobody said which store: give --endpoint, or ENV"),
        (["--endpoint", "https://a"], "nobody said which store: give --bucket"),
        (["--endpoint", "https://a/path", "--bucket", "b"], "endpoint https://a/path is not https://host[:port]"),
        (["--endpoint", "store:443", "--bucket", "b"], "endpoint store:443 is not https://host[:port]"),
        (["--endpoint", "https://a:99999", "--bucket", "b"], "endpoint https://a:99999 is not https://host[:port]"),
        (["--endpoint", "https://me:pass@a", "--bucket", "b"], "endpoint (an address with a user in it) is not"),
        (["--endpoint", "https://a", "--bucket", "b", "--root-path", "/milvus"], "root path '/milvus' would not give the keys"),
        (["--endpoint", "https://a", "--bucket", "b", "--root-path", "../x"], "root path '../x' would not give the keys"),
        (["--endpoint", "https://a", "--bucket", "b"], "no key to look with: give the one that Milvus will use by --secret"),
        (["--endpoint", "https://a", "--bucket", "b", "--secret", "x"], "--secret x names no Secret; write NAMESPACE/NAME"),
        (["--endpoint", "https://a", "--bucket", "b", "--profile", "gone"], "AWS profile gone"),
        (["--endpoint", "https://a", "--bucket", "b", "--credential-dir", "gone"], "--credential-dir gone: [Errno 2]"),
        (["--endpoint", "https://a", "--bucket", "b", "--profile", "p", "--secret", "n/s"], "--secret and --profile all name a key"),
        (["gone.json"], "gone.json: cannot be read as a target"),
        (["--endpoint", "https://a", "--bucket", "b", "--ca-file", "gone.crt"], "--ca-file gone.crt cannot be read as PEM"),
    ],
)
def test_what_cannot_be_right_exits_2_and_says_what_to_type(options: list[str], reason: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    result = preflight_command(*options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1].startswith("RESULT: ERROR ")
    assert reason in result.stdout
    assert "pass@" not in result.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["result"]["exit_code"] == 2


def test_the_command_prints_one_result_line_and_never_the_key(key: Path, tmp_path: Path) -> None:
    options: list[str | Path] = [
        "--endpoint",
        f"https://127.0.0.1:{free_port()}",
        "--bucket",
        "b",
        "--credential-dir",
        key,
        "--out",
        tmp_path / "out",
    ]
    result = preflight_command(*options)
    assert result.exit_code == 4
    assert [line for line in result.stdout.splitlines() if line.startswith("RESULT:")] == [result.stdout.splitlines()[-1]]
    assert "AKIDEXAMPLE" not in result.stdout + (tmp_path / "out" / "report.json").read_text()


def test_a_report_that_cannot_be_written_exits_2(key: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = preflight_command("--endpoint", "https://a", "--bucket", "b", "--credential-dir", key, "--out", tmp_path / "file" / "out")
    assert (result.exit_code, "name a directory with --out" in result.stdout) == (2, True)


def test_the_help_says_what_each_exit_code_means() -> None:
    result = CliRunner().invoke(app, ["preflight", "--help"], env={"COLUMNS": "200"})
    for word in ("0 PASS", "1 FAIL", "2 ERROR", "3 INVALID", "4 UNREACHABLE", "--credential-dir", "never from the command line"):
        assert word in " ".join(result.stdout.split())


def test_ctrl_c_ends_in_a_report(preflight: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(aim, "take", interrupt)
    record = preflight(endpoint="https://a")
    assert (record.exit_code, preflight.report()["result"]["outcome"]) == (2, "ERROR")
