"""`./rag values`: the chart's values as YAML and nothing else."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.environments import Environment, load
from stacks.problems import SettingsError
from tests.stacks.commands.conftest import run

Command = Callable[..., tuple[int, str, str]]


@functools.cache
def values(name: str) -> tuple[int, str, str]:
    return run("values", name)


def test_standard_output_is_yaml_and_nothing_else_and_the_same_every_time(command: Command, environment: Environment) -> None:
    code, printed, _ = values(environment.name)
    assert code == 0
    assert yaml.safe_load(printed)["fullnameOverride"] == "milvus"
    assert command("values", environment.name)[1] == printed


def test_no_key_is_among_the_values_and_what_is_not_known_yet_says_so(environment: Environment) -> None:
    found = yaml.safe_load(values(environment.name)[1])
    assert (found["externalS3"]["accessKey"], found["externalS3"]["secretKey"]) == ("", "")
    assert found["annotations"]["milvus-x10000/credential-generation"] == "<known after pulumi up>"


def test_a_wrong_name_is_answered_with_the_names_that_there_are() -> None:
    ended = subprocess.run([sys.executable, "-m", "stacks", "values", "prid"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no environment 'prid'" in ended.stderr
    assert "lab" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_shell_of_an_environment_gives_its_whole_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = load("lab", own_files_only=True)
    assert facts.example
    whole: dict[str, Any] = yaml.safe_load(facts.source.read_text(encoding="utf-8"))
    whole["config"]["milvus-x10000:images"] = dict.fromkeys(("milvus", "embedding", "llm", "suite"), "registry.example.net/it:1")
    whole["config"]["milvus-x10000:object_store"] |= {
        "endpoint": "https://s3.example.net",
        "iam_endpoint": "https://iam.example.net",
        "admin_profile": "lab-admin",
    }
    (tmp_path / "Pulumi.lab.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.lab.yaml"))
    monkeypatch.setenv("PULUMI_STACK", "lab")
    found = load("lab")
    assert (found.example, found.settings.object_store.endpoint) == (False, "https://s3.example.net")


def test_a_shell_whose_configuration_is_gone_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", "/nowhere/Pulumi.lab.yaml")
    monkeypatch.setenv("PULUMI_STACK", "lab")
    with pytest.raises(SettingsError, match="PULUMI_OPTION_CONFIG_FILE is /nowhere"):
        load("lab")


def test_help_teaches(command: Command) -> None:
    assert "./rag values prod" in command("values", "--help")[1]
