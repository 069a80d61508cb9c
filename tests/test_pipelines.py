"""The examples for pipelines: kept by the linters of the services, and what they call is there."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import toolchain
from lab.steps import Steps

ROOT = Path(__file__).parent.parent
GITHUB, GITLAB = (ROOT / "docs" / "pipelines" / name for name in ("github-actions.yaml", "gitlab-ci.yaml"))


def lint(schema: str, path: Path) -> "subprocess.CompletedProcess[str]":
    checker = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([checker, "--builtin-schema", schema, path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("schema", "path"), [("vendor.github-workflows", GITHUB), ("vendor.gitlab-ci", GITLAB)])
def test_an_example_is_what_the_schema_of_its_service_allows(schema: str, path: Path, tmp_path: Path) -> None:
    linted = lint(schema, path)
    assert linted.returncode == 0, linted.stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(path.read_text().replace("propose:", "propose: 7\nleft:", 1))
    assert lint(schema, wrong).returncode == 1


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    steps = Steps(log=tmp_path / "log")
    actionlint = toolchain.built("actionlint", toolchain.go_command(steps), steps) / "actionlint"
    configuration = tmp_path / "actionlint.yaml"
    configuration.write_text("self-hosted-runner: {labels: [rag]}\n")
    linted = subprocess.run([actionlint, "-config-file", configuration, GITHUB], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def called(path: Path) -> list[list[str]]:
    return [match.split() for match in re.findall(r"\./rag ([^|;&)\n]*)", "\n".join(scripts(yaml.safe_load(path.read_text()))))]


def scripts(part: object) -> list[str]:
    if isinstance(part, dict):
        return [text for value in part.values() for text in scripts(value)]
    if isinstance(part, list):
        return [text for value in part for text in scripts(value)]
    return [part] if isinstance(part, str) else []


@functools.cache
def help_of(name: str) -> str:
    return subprocess.run([sys.executable, "-m", "cli", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.name)
def test_every_command_and_option_that_is_called_is_there(path: Path) -> None:
    calls = called(path)
    assert {name for name, *_ in calls} == {"policies", "render", "preview", "rollout"}
    for name, *arguments in calls:
        assert all(option in help_of(name) for option in arguments if option.startswith("--")), (name, arguments)
