"""Whose lab it is: a running one is taken over as it is where it runs with the same things, and started anew on its state where not."""

import json
from pathlib import Path

import pytest

from lab import process_tree, up
from lab.places import REPOSITORY, network
from lab.steps import Steps

TOOLS = ["kubernetes-1", "node-1"]


class Tree:
    """What would be done to the process tree, written down: the real one belongs to this machine."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path, **outer: object) -> None:
        self.done: list[str] = []
        self.known = {"pid": 1, "start": "1", "checkout": "/elsewhere", "since": "then", "tools": TOOLS, **outer}
        patch.setattr(process_tree, "OUTER", home / "outer.json")
        patch.setattr(process_tree, "running", lambda: self.known)
        patch.setattr(process_tree, "is_wired", lambda _: outer.get("wired", True))
        patch.setattr(process_tree, "check_addresses", lambda _: None)
        patch.setattr(process_tree, "stop", lambda: self.done.append("stop"))
        patch.setattr(process_tree, "start", lambda *_: self.done.append("start"))


def test_a_lab_of_another_checkout_with_the_same_tools_is_taken_over_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Tree(monkeypatch, tmp_path)
    up.start_process_tree(network(), TOOLS, Steps(log=tmp_path / "log"))
    assert tree.done == []
    assert json.loads(process_tree.OUTER.read_text()) == {**tree.known, "checkout": str(REPOSITORY)}
    assert "was brought up from /elsewhere at then; it goes on from here" in capsys.readouterr().out


@pytest.mark.parametrize("outer", [{"tools": ["kubernetes-0", "node-1"]}, {"tools": ["kubernetes-1", "node-0"]}, {"wired": False}])
def test_one_with_other_tools_other_code_or_without_routes_is_started_anew_on_its_state(
    outer: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Tree(monkeypatch, tmp_path, **outer)
    up.start_process_tree(network(), TOOLS, Steps(log=tmp_path / "log"))
    assert tree.done == ["stop", "start"]
    assert "started anew, on the same state" in capsys.readouterr().out


def test_the_hosts_routes_are_looked_at_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "HOST_INTERFACE", "no-such-link")
    assert not process_tree.is_wired(network())
    monkeypatch.setattr(process_tree, "HOST_INTERFACE", "lo")
    assert not process_tree.is_wired(network())
