"""The kill drill: what it kills, when, and what it takes for good."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab import lock
from lab.errors import LabError
from tests.drills import lab_kill as drill
from tests.drills.lab_kill import MOMENTS, Moment, chosen

DELAY = "not valid: the gate's own sending delay p99 was 8.415 ms, more than a tenth of the tightest limit it is to judge (50 ms)"


def test_the_moments_have_names_of_their_own_and_touch_every_step_of_make_up() -> None:
    assert len({moment.name for moment in MOMENTS}) == len(MOMENTS)
    steps = {
        "Python packages",
        "tools: ",
        "image: ",
        "lab: certificates",
        "lab: process tree",
        "lab: Kubernetes API",
        "lab: images",
        "lab: node",
        "stack",
    }
    for step in steps:
        assert [moment for moment in MOMENTS if moment.step.startswith(step)], step
    for line in ("Namespace tenancy-namespace creating", "Release milvus-release creating", "search 383/3,000"):  # `pulumi up`, gate
        assert [moment for moment in MOMENTS if moment.is_said(line)], line


def test_moments_are_chosen_by_name_from_one_on_or_spread_evenly() -> None:
    assert [moment.name for moment in chosen(20, ["gate", "node"], "")] == ["node", "gate"]
    assert [moment.name for moment in chosen(20, [], "models")] == ["models", "gate"]
    assert [moment.name for moment in chosen(2, [], "")] == ["packages", "gate"]
    assert chosen(21, [], "") == list(MOMENTS)


def test_a_moment_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(LabError, match=r"(?s)no moment lunch.*cure: one of: packages, "):
        drill.drill(20, ["lunch"], "", again=False, gate=True)


@pytest.mark.parametrize(
    ("verdict", "said", "good"),
    [
        ("PASS", "", True),
        ("FAIL", "", False),
        ("INVALID", DELAY, True),
        ("INVALID", "", False),
        ("INVALID", f"{DELAY}\nnot valid: vectors: 10 measured, 10,000 promised", False),
    ],
)
def test_pass_is_good_and_invalid_only_for_the_gates_own_delay(verdict: str, said: str, good: bool) -> None:
    assert drill._is_good(verdict, said) is good


def test_without_the_gate_a_moment_is_not_taken_for_passed_and_no_result_is_no_verdict() -> None:
    assert drill._verdict(0, "RESULT: PASS 17 of 17 (exit 0)", gate=True) == ("PASS", "")
    assert drill._verdict(3, "RESULT: INVALID too slow (exit 3)", gate=True) == ("INVALID", "too slow (exit 3)")
    both = "RESULT: PASS 23 of 23 (exit 0) report: build/preflight/x/report.json\nRESULT: FAIL slow (exit 1) report: build/reports/x"
    assert drill._verdict(1, both, gate=True)[0] == "FAIL"
    assert drill._verdict(4, both.splitlines()[0], gate=True)[0] == "none"
    assert drill._verdict(2, "error: no such luck", gate=True) == ("none", "error: no such luck")
    assert not drill._is_good("well, gate not run", "")


@pytest.mark.parametrize("everything", [False, True])
def test_the_group_is_killed_and_with_everything_what_left_the_group_too_and_nothing_else(everything: bool) -> None:
    far = "import subprocess, sys; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True); sys.stdin.read()"
    with (
        subprocess.Popen(["sleep", "60"]) as innocent,
        subprocess.Popen([sys.executable, "-c", far], start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as leader,
    ):
        assert leader.stdout is not None
        left = psutil.Process(int(leader.stdout.readline()))
        drill._kill(leader.pid, everything=everything)
        assert leader.wait(30) == -9
        if everything:
            psutil.wait_procs([left], timeout=30)
            assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        else:
            assert left.is_running()
            left.kill()
        assert innocent.poll() is None
        innocent.kill()


def test_a_step_of_another_command_is_not_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = Moment(name="x", what="x", step="image: milvus")
    file = tmp_path / "progress.json"
    read = lock.unfinished
    monkeypatch.setattr(lock, "unfinished", lambda: read(file))
    assert not drill._is_there(moment, file, os.getsid(0))
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as command:
        lock.enter(["image: pause", "image: milvus"], command.pid, file)
        assert drill._is_there(moment, file, command.pid)
        assert not drill._is_there(moment, file, os.getpid())
        lock.enter(["gate"], command.pid, file)
        assert not drill._is_there(moment, file, command.pid)
        command.kill()


def test_the_table_has_a_row_for_every_moment_and_says_what_was_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "KEPT", tmp_path / "kill.json")
    status = ["the last `./rag up` did not come to its end: it failed or was killed in the step `gate` (now, in /here)"]
    seen = {"what": "the gate searches", "killed_after_s": 90.0, "status": status, "again_s": 80, "verdict": "PASS"}
    drill.KEPT.write_text(json.dumps({"gate": seen}))
    rows = drill.table().splitlines()
    assert len(rows) == 2 + len(MOMENTS)
    assert rows[-1].endswith("in the step `gate` | 80 s | PASS |")
    assert rows[2].endswith("not tried |")
