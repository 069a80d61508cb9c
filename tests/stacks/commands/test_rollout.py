"""The order of a rollout, where it stops, and with which code."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from stacks import promotion, rendering
from stacks.commands import rollout
from stacks.images import chart
from stacks.operations import helm, pod_watch, pulumi_cli, steps
from stacks.operations.helm import Revision
from stacks.operations.pulumi_cli import Ended

SECRET = {"urn": "urn:pulumi:t::p::t::milvus-store-secret", "outputs": {}}
KILLED = {"urn": "urn:pulumi:t::p::t::milvus-store-credential", "outputs": {}}


@dataclass
class Parts:
    """What the command calls, in order; codes and revisions are the test's."""

    calls: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    revisions: list[int] = field(default_factory=lambda: [3, 4])
    """Newest revision before and after `pulumi up`; 0 for none."""
    state: list[dict[str, Any]] = field(default_factory=lambda: [KILLED, SECRET])

    def did(self, name: str) -> int:
        self.calls.append(name)
        return self.codes.get(name, 0)

    def history(self, *_: str) -> list[Revision]:
        newest = self.revisions[1 if "up" in self.calls else 0]
        return [Revision(number=newest, status="deployed", updated=datetime.now(UTC), description="")] if newest else []


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    made = Parts()
    found = SimpleNamespace(
        name="t",
        settings=SimpleNamespace(namespace="rag", object_store=None, milvus=SimpleNamespace(root_path="milvus", planned_log="rocksmq")),
    )

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (rollout, "reach", lambda *_: found),
        (steps, "validation", lambda *arguments: made.did(arguments[0])),
        (promotion, "record", lambda *_: made.did("record") or "recorded"),
        (rendering, "release", lambda _: None),
        (chart, "refuse_dropped_keys", lambda _: None),
        (steps, "mend", lambda *_, **__: made.did("look first")),
        (pulumi_cli, "resources", lambda _: made.state),
        (pulumi_cli, "up", lambda _, *targets: Ended(code=made.did("stage" if targets else "up"), cause="milvus-release: no")),
        (pod_watch, "watching", lambda *_: nullcontext(SimpleNamespace(troubles=[]))),
        (helm, "history", made.history),
        (helm, "roll_back", lambda _name, _space, revision: made.did(f"roll back to {revision}")),
    ]
    for owner, name, replacement in replaced:
        monkeypatch.setattr(owner, name, replacement)
    return made


def code_of(*, rollback: bool = False) -> int:
    try:
        rollout.rollout("t", rollback=rollback)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def test_all_in_order(parts: Parts) -> None:
    assert code_of() == 0
    assert parts.calls == ["look first", "preflight", "up", "run", "record"]


@pytest.mark.parametrize("state", [[], [KILLED]])
def test_a_store_that_is_not_all_there_is_made_first_so_that_there_is_something_to_look_at(
    parts: Parts, state: list[dict[str, Any]]
) -> None:
    parts.state = state
    assert code_of() == 0
    assert parts.calls == ["look first", "stage", "preflight", "up", "run", "record"]


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_a_store_that_does_not_pass_stops_before_milvus_is_touched(parts: Parts, code: int) -> None:
    parts.codes = {"preflight": code}
    assert code_of(rollback=True) == code
    assert parts.calls == ["look first", "preflight"]


@pytest.mark.parametrize(("code", "ends"), [(255, 4), (130, 130)])
@pytest.mark.parametrize("which", ["stage", "up"])
def test_an_up_that_fails_names_its_own_cause_and_one_that_was_interrupted_is_130(
    parts: Parts, capsys: pytest.CaptureFixture[str], which: str, code: int, ends: int
) -> None:
    parts.codes, parts.revisions, parts.state = {which: code}, [0, 0], []
    assert code_of(rollback=True) == ends
    assert ("milvus-release: no" in capsys.readouterr().out) == (ends == 4)
    assert "run" not in parts.calls


@pytest.mark.parametrize("code", [1, 3])
def test_a_red_gate_of_an_upgrade_names_the_way_back_and_takes_it_when_asked(
    parts: Parts, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    parts.codes = {"run": code}
    assert code_of() == code
    assert "helm rollback milvus 3 -n rag --wait" in capsys.readouterr().out
    assert parts.calls[-1] == "run"
    parts.calls.clear()
    assert code_of(rollback=True) == code
    assert parts.calls[-1] == "roll back to 3"


@pytest.mark.parametrize("revisions", [[0, 1], [3, 3]])
def test_a_first_installation_and_an_unchanged_release_are_not_rolled_back(parts: Parts, revisions: list[int]) -> None:
    parts.codes, parts.revisions = {"run": 1}, revisions
    assert code_of(rollback=True) == 1
    assert parts.calls[-1] == "run"


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "green"), (1, "an SLO is missed"), (2, "could not begin"), (3, "proves nothing"), (4, "does not answer"), (130, "inter")],
)
def test_the_last_line_says_the_verdict_and_what_is_next(parts: Parts, capsys: pytest.CaptureFixture[str], code: int, said: str) -> None:
    parts.codes = {"run": code}
    assert code_of() == code
    assert ("record" in parts.calls) == (code == 0), "a pass is recorded of a green gate alone"
    last = capsys.readouterr().out.splitlines()[-1]
    assert said in last
    assert "./rag " in last
    assert "stopped" not in last


def test_a_gate_that_is_interrupted_is_asked_to_end_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, begun, cleaned = tmp_path / "gate", tmp_path / "begun", tmp_path / "cleaned"
    gate.write_text(f"#!/bin/sh\ntrap 'sleep 0.5; touch {cleaned}; exit 2' TERM\ntouch {begun}\nwhile :; do sleep 0.1; done\n")
    gate.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(gate))

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a script began in the background ignores it
    try:
        Thread(target=interrupt, daemon=True).start()
        assert steps.validation("run", "t") == pulumi_cli.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert cleaned.exists()


@pytest.mark.parametrize("code", [2, 4])
def test_a_gate_that_did_not_run_says_nothing_of_the_release(parts: Parts, code: int) -> None:
    parts.codes = {"run": code}
    assert code_of(rollback=True) == code
    assert parts.calls[-1] == "run"
