"""The operator's commands, run as an operator runs them; and every environment, read from the checkout's own files."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from stacks import environments
from stacks.__main__ import app
from stacks.environments import Environment

ENVIRONMENTS = environments.names()


@pytest.fixture(autouse=True)
def _no_shell_of_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> Environment:
    name: str = request.param
    return environments.load(name, own_files_only=True)


def run(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app(arguments[0]), arguments[1:])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


@pytest.fixture
def command() -> Callable[..., tuple[int, str, str]]:
    """Return exit code, standard output and standard error of one command."""
    return run
