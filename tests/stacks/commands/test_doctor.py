"""What keeps a command from mending, and what an operator types then."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stacks.__main__ import app
from stacks.environments import Environment
from stacks.operations import leftovers, steps
from stacks.operations.leftovers import Facts, Finding
from stacks.problems import SettingsError

PENDING = Finding(code="release.pending_upgrade", problem="p", cure="roll back", action="helm rollback", pending_for_s=5)
LEFT = Finding(code="release.failed", problem="p", cure="roll back", action="helm rollback")


@pytest.mark.parametrize("name", ["up", "preflight", "rollout", "rotate"])
def test_placeholders_are_refused_before_the_cluster_is_asked_and_anything_is_mended(
    name: str, command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(SettingsError) as refused:
        command(name, "prod", "--yes")
    assert {"settings.placeholder", "settings.lock"} <= {problem.code for problem in refused.value.problems}


@pytest.mark.parametrize(("finding", "yes"), [(PENDING, True), (LEFT, False)], ids=["helm may be at work", "nobody agreed"])
def test_what_is_not_mended_is_left_alone_with_a_command_that_mends_it(
    finding: Finding, environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, yes: bool
) -> None:
    monkeypatch.setattr(leftovers, "inspect", lambda *_: Facts(environment=environment.name, is_ours=True))
    monkeypatch.setattr(steps, "diagnose", lambda _: [finding])
    mended: list[Finding] = []
    monkeypatch.setattr(leftovers, "mend", lambda each, *_: mended.append(each))
    with pytest.raises(typer.Exit) as ended:
        steps.mend(environment, steps.Progress("t"), yes=yes)
    assert (ended.value.exit_code, mended) == (1, [])
    typed = re.search(rf"\./rag doctor {environment.name} (--[^(]+) \(exit", capsys.readouterr().out)
    assert typed is not None
    options = CliRunner().invoke(app("doctor"), [environment.name, *shlex.split(typed[1]), "--help"])
    assert ("--cure" in typed[1], options.exit_code) == (True, 0)
