"""Promises of the language host: the right interpreter, and nothing secret on the command line."""

import sys
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2 as pb

from lab.pulumi_host import language


def _info(root: Path, **options: str) -> pb.ProgramInfo:
    struct = Struct()
    struct.update(options)
    return pb.ProgramInfo(root_directory=str(root), program_directory=str(root), entry_point=".", options=struct)


def test_the_virtual_environment_of_the_project_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "/elsewhere/python")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert language.interpreter(_info(tmp_path, virtualenv=".venv")) == str(python)


def test_a_virtual_environment_that_is_missing_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python3 -m venv"):
        language.interpreter(_info(tmp_path, virtualenv=".venv"))


def test_else_the_interpreter_that_the_environment_names_else_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_RUNTIME_VIRTUALENV", raising=False)
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "/elsewhere/python")
    assert language.interpreter(_info(tmp_path)) == "/elsewhere/python"
    monkeypatch.delenv("PULUMI_PYTHON_CMD")
    assert language.interpreter(_info(tmp_path)) == sys.executable


def test_configuration_travels_in_the_environment_never_in_the_arguments(tmp_path: Path) -> None:
    request = pb.RunRequest(
        info=_info(tmp_path), project="p", stack="s", parallel=4, config={"p:key": "hunter2"}, configSecretKeys=["p:key"]
    )
    command = language.program_command("python", "127.0.0.1:1", request)
    assert "hunter2" not in " ".join(command)
    assert language.program_environment(request)["PULUMI_CONFIG"] == '{"p:key": "hunter2"}'


def test_the_program_gets_every_option_of_the_run(tmp_path: Path) -> None:
    request = pb.RunRequest(info=_info(tmp_path), project="p", stack="s", dryRun=True, parallel=4, args=["extra"])
    command = language.program_command("python", "engine:1", request)
    assert command[:2] == ["python", "-u"]
    assert command[-2:] == [".", "extra"]
    assert {"--project", "--stack", "--dry_run", "--engine"} <= set(command)
    assert "--organization" not in command


def test_a_policy_pack_runs_through_its_sdk(tmp_path: Path) -> None:
    request = pb.RunPluginRequest(kind="analyzer", info=_info(tmp_path), args=["engine:1"])
    assert language.plugin_command("python", request) == ["python", "-u", "-m", "pulumi.policy", "engine:1", str(tmp_path)]
