"""The order of a rotation, what stops it with both keys valid, and what its report says; the store's answers are the test's."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from components.stores import Generations
from stacks.commands import rotate
from stacks.operations import pulumi_cli, steps
from stacks.operations.steps import Progress
from stacks.settings.object_store import S3Settings


@dataclass
class Parts:
    """What the command calls, in order."""

    calls: list[str] = field(default_factory=list)
    users: set[int] = field(default_factory=lambda: {1})
    current: int = 1
    revoked: int = 0
    up_code: int = 0
    behind: list[str] = field(default_factory=list)
    """Pods without the new key."""
    refused: set[str] = field(default_factory=set)
    """Keys that the store refuses although it should not."""
    kept: set[str] = field(default_factory=set)
    """Keys that the store takes although it should not."""

    def settings(self, *_: str) -> Any:
        chosen = S3Settings.model_construct(credential_generation=self.current, revoked_generation=self.revoked)
        return SimpleNamespace(
            name="t", settings=SimpleNamespace(object_store=chosen, namespace="rag", milvus_bucket="rag-milvus", documents_bucket="d")
        )

    def configure(self, _: str, key: str, value: int) -> None:
        self.calls.append(f"{key.rpartition('.')[2]} {value}")
        if "revoked" in key:
            self.revoked = value
        else:
            self.current = value

    def up(self, *_: Any) -> None:
        self.calls.append("up")
        if self.up_code:
            raise typer.Exit(self.up_code)
        self.users = set(Generations(current=self.current, revoked=self.revoked).valid())

    def mend(self, *_: Any, **__: Any) -> None:
        self.calls.append("look first")

    def resources(self, _: str, *, secrets: bool) -> list[dict[str, Any]]:
        assert secrets
        names = {number: "milvus-store-credential" + (f"-{number}" if number > 1 else "") for number in self.users}
        return [
            {"urn": f"urn::{name}", "outputs": {"access_key": f"key-{number}", "secret_key": "x", "generation": f"mark-{number}"}}
            for number, name in names.items()
        ]

    def refusal(self, _: Any, key: dict[str, str]) -> str:
        self.calls.append(f"try {key['access_key']}")
        there = {f"key-{number}" for number in self.users} - self.refused | self.kept
        return "" if key["access_key"] in there else "InvalidAccessKeyId"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    made = Parts()
    replaced: list[tuple[Any, str, Any]] = [
        (rotate, "reach", made.settings),
        (steps, "mend", made.mend),
        (Progress, "up", made.up),
        (rotate, "refusal", made.refusal),
        (rotate, "await_use", lambda *_: made.behind),
        *((pulumi_cli, name, getattr(made, name)) for name in ("configure", "resources")),
    ]
    for owner, name, replacement in replaced:
        monkeypatch.setattr(owner, name, replacement)
    return made


def code_of(report: Path) -> tuple[int, dict[str, Any]]:
    code = 0
    try:
        rotate.rotate("t", out=report)
    except typer.Exit as ended:
        code = ended.exit_code
    text = report.read_text()
    assert "key-1" not in text
    assert "key-2" not in text
    found: dict[str, Any] = json.loads(text)
    return code, found


def test_the_old_key_goes_after_the_new_one_is_in_use_and_both_are_tried_at_the_end(parts: Parts, tmp_path: Path) -> None:
    code, report = code_of(tmp_path / "r.json")
    assert code == 0
    rotated = ["credential_generation 2", "up", "try key-2", "revoked_generation 1", "up", "try key-2", "try key-1"]
    assert parts.calls == ["look first", *rotated]
    assert (report["result"], report["pods_without_new_key"], report["new_key"], report["old_key"]) == (
        "done",
        [],
        "taken",
        "InvalidAccessKeyId",
    )


@pytest.mark.parametrize("why", ["store", "evidence"])
def test_without_evidence_nothing_is_revoked_and_the_next_run_goes_on(parts: Parts, tmp_path: Path, why: str) -> None:
    if why == "store":
        parts.refused = {"key-2"}
    else:
        parts.behind = ["milvus-0"]
    code, report = code_of(tmp_path / "r.json")
    assert (code, report["result"], parts.revoked, parts.users) == (1, "stopped", 0, {1, 2})
    parts.behind, parts.refused = [], set()
    assert code_of(tmp_path / "again.json")[0] == 0
    assert (parts.current, parts.revoked, parts.users) == (2, 1, {2})


def test_an_up_that_fails_is_4_and_revokes_nothing(parts: Parts, tmp_path: Path) -> None:
    parts.up_code = 4
    assert code_of(tmp_path / "r.json")[0] == 4
    assert (parts.revoked, parts.users) == (0, {1})


def test_a_store_that_still_takes_the_old_key_is_named(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts.kept = {"key-1"}
    code, report = code_of(tmp_path / "r.json")
    assert (code, report["old_key"]) == (1, "taken")
    assert "remove it in the store by hand" in capsys.readouterr().out
