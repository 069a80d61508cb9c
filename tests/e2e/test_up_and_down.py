"""`./rag up` and `./rag down` as an operator meets them; most of it only where no lab was up before."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import process_tree
from lab.lock import LAB, only_one
from lab.places import CACHE, CGROUP, HOST_INTERFACE, REPOSITORY, STATE
from tests.e2e.lab import Ended, Lab, run

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

_GATE = re.compile(r"^RESULT: (\w+) (?!.*report: build/preflight/)", re.MULTILINE)
"""The gate's verdict, not the preflight's, which a store is given before there is a Milvus on it."""
CODES = {"PASS": 0, "WARN": 0, "FAIL": 1, "ERROR": 2, "INVALID": 3, "UNREACHABLE": 4}


def ended(one: Ended | None) -> Ended:
    assert one is not None
    return one


@pytest.mark.proof
def test_ctrl_c_in_the_middle_says_how_to_go_on(own_lab: Lab) -> None:
    stopped = ended(own_lab.interrupted)
    assert "interrupted: finished steps stay" in stopped.output
    assert "`./rag up` goes on from here" in stopped.output
    assert stopped.code in (2, -2), stopped.output  # make fails, or ends by the same signal
    assert "Traceback" not in stopped.output


@pytest.mark.proof
def test_a_kill_in_the_middle_is_a_kill_in_the_middle(own_lab: Lab) -> None:
    stopped = ended(own_lab.killed)
    assert stopped.code == -9
    assert not _GATE.findall(stopped.output)


@pytest.mark.proof
def test_after_ctrl_c_and_after_a_kill_make_up_ends_in_a_verdict_and_its_exit_code(own_lab: Lab) -> None:
    assert own_lab.killed is not None
    a_verdict_and_its_exit_code(ended(own_lab.brought_up))


def test_make_up_ends_in_a_verdict_and_its_exit_code(own_lab: Lab) -> None:
    a_verdict_and_its_exit_code(ended(own_lab.brought_up))


def a_verdict_and_its_exit_code(up: Ended) -> None:
    gate = _GATE.findall(up.output)
    assert len(gate) == 1, up.output
    assert (up.code == 0) == (CODES[gate[0]] == 0), up.output
    noisy = re.search(
        r"^RESULT: INVALID the run proves nothing: (the gate's own sending delay|search_drift_ms is)", up.output, re.MULTILINE
    )
    assert gate[0] in {"PASS", "WARN", "FAIL"} or noisy, up.output  # a neighbour's load is no fault of the lab


def test_the_run_of_make_up_in_which_nothing_is_broken_meets_every_promise_about_quality(own_lab: Lab) -> None:
    report = re.findall(r"report: (\S+/report\.json)", ended(own_lab.brought_up).output)[-1]
    judged = json.loads((REPOSITORY / report).read_text())
    assert all("delay" in fault or "not steady" in fault for fault in judged["validity"]["faults"])
    assert len([each for each in judged["objectives"] if each["unit"] == "share"]) > 10
    assert [each["sli"] for each in judged["objectives"] if each["unit"] == "share" and each["grade"] == "fail"] == []


def test_make_up_tells_each_step_with_its_seconds_then_where_to_look_and_how_to_end(own_lab: Lab) -> None:
    said = ended(own_lab.brought_up).output
    for step in ("tools: kubernetes", "image: milvus", "lab: process tree", "stack", "pulumi up", "gate"):
        assert re.search(rf"^  ok +{step}.*\d+\.\d s$", said, re.MULTILINE), said
    assert re.search(r"report: \S+/report\.json", said)
    assert 'eval "$(./rag env)"' in said
    assert "./rag down" in said
    last = said.splitlines()[-6:]
    assert [line for line in last if re.fullmatch(r"ask it: +http://[0-9.]+:8080/", line)], last
    assert [line for line in last if "get secret ask-api-key" in line], last
    assert json.loads((STATE / "logs" / "up.json").read_text())["total_seconds"] > 0


def twice(lab: Lab) -> tuple[Any, Ended]:
    """Return the process tree after a first `./rag up`, and how a second one ended: `make test` brings its own lab up in two of them."""
    if lab.begun is not None:
        assert lab.begun.code == 0, lab.begun.output
        return lab.tree, ended(lab.brought_up)
    before, again = process_tree.running(), lab.run(sys.executable, "-m", "lab", "up", "--no-gate")
    assert again.code == 0, again.output
    return before, again


def test_a_second_make_up_leaves_the_running_lab_alone(lab: Lab) -> None:
    before, again = twice(lab)
    changes, end_of_step, _ = again.output.partition("ok     pulumi up")
    assert end_of_step, again.output
    assert re.search(r"\d+ unchanged", changes), again.output
    assert not re.search(r"\d+ (created|updated|deleted|replaced)", changes), again.output
    after = process_tree.running()
    assert before is not None
    assert after == {**before, "checkout": str(REPOSITORY)}


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("command", [["up", "--wait", "0"], ["down"], ["clean-cache"]])
def test_while_one_command_changes_the_lab_another_says_which_and_changes_nothing(command: list[str]) -> None:
    before = process_tree.running()
    with only_one(LAB, patience_s=600):
        refused = run([sys.executable, "-m", "lab", *command])
    assert refused.code == 2, refused.output
    assert f"process {os.getpid()} (" in refused.output
    assert f"`kill {os.getpid()}`" in refused.output
    assert process_tree.running() == before


@pytest.mark.last
def test_make_down_leaves_nothing_but_the_cache(own_lab: Lab) -> None:
    down = own_lab.take_down()
    assert down.code == 0, down.output
    assert not STATE.exists()
    assert not Path(f"/sys/class/net/{HOST_INTERFACE}").exists()
    assert not [*Path("/sys/fs/cgroup").glob(CGROUP), *Path("/sys/fs/cgroup").glob(f"*/{CGROUP}")]
    assert str(STATE) not in Path("/proc/mounts").read_text()
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "10.96.0.0/16" not in routes
    processes = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in processes if str(STATE).encode() in line]
    assert (CACHE / "tools").exists()


@pytest.mark.last
def test_without_a_lab_env_and_down_say_so_or_do_nothing(own_lab: Lab) -> None:
    own_lab.take_down()
    asked = run([sys.executable, "-m", "lab", "env"])
    assert asked.code == 2
    assert "no lab runs on this machine" in asked.output
    assert "cure: ./rag up" in asked.output
    assert run([sys.executable, "-m", "lab", "down"]).code == 0


@pytest.mark.last
def test_an_interface_of_that_name_that_is_not_the_labs_is_refused_with_the_command_that_frees_it(own_lab: Lab) -> None:
    own_lab.take_down()
    subprocess.run(["ip", "link", "add", HOST_INTERFACE, "type", "veth", "peer", "name", "milvus-peer"], check=True)
    try:
        refused = run([sys.executable, "-m", "lab", "up", "--no-gate"])
    finally:
        subprocess.run(["ip", "link", "delete", HOST_INTERFACE], check=True)
        run([sys.executable, "-m", "lab", "down"])
    assert refused.code == 2, refused.output
    assert f"ip link delete {HOST_INTERFACE}" in refused.output
    assert REPOSITORY.exists()
