"""Two commands at once, a restart of the machine, and process ids that other programs have by now."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import lock, process_tree, processes, project, toolchain
from lab.checkpoint import Checkpoint, holds
from lab.errors import LabError
from lab.lock import holder, only_one
from lab.places import REPOSITORY

NAME = f"\0milvus-x10000-test-{os.getpid()}"
HOLD = """
import sys
from lab.lock import only_one
with only_one(sys.argv[1].replace("@", chr(0))):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another() -> Iterator[subprocess.Popen[str]]:
    """Another command, which holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, NAME.replace("\0", "@")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_the_id_the_time_the_folder_and_the_command_of_the_first_and_what_to_type() -> None:
    with another() as first:
        who = holder(NAME)
        with pytest.raises(LabError) as refused, only_one(NAME):
            pass
    assert who is not None
    assert (who.pid, who.checkout) == (first.pid, str(REPOSITORY))
    assert f"process {first.pid} ({who.command}, since 20" in refused.value.problem
    assert f"in {REPOSITORY})" in refused.value.problem
    assert f"`kill {first.pid}`" in refused.value.cure


def test_a_second_that_waits_says_for_whom_and_goes_on_when_the_first_ends() -> None:
    said: list[str] = []
    with another() as first:

        def hear(text: str) -> None:
            said.append(text)
            first.kill()  # killed: a lock that outlived its holder would never be had

        with only_one(NAME, patience_s=60, say=hear):
            assert holder(NAME) is not None
    assert f"waiting for process {first.pid}" in said[0]
    assert holder(NAME) is None


def test_however_often_it_is_asked_the_holder_answers() -> None:
    with another() as first:
        assert {who.pid for _ in range(300) if (who := holder(NAME)) is not None} <= {0, first.pid}
        with pytest.raises(LabError, match=r"is changing the lab at this moment"), only_one(NAME):
            pass
        known = process_tree.wait_for(lambda: (who := holder(NAME)) and who.pid, 30, "it does not answer any more", "")
        assert known == first.pid


def test_a_holder_that_answers_nobody_is_told_as_that() -> None:
    name = f"\0milvus-x10000-silent-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent, contextlib.ExitStack() as asking:
        silent.bind(name)
        silent.listen(0)
        for _ in range(3):
            one = asking.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(name)
        with pytest.raises(LabError, match="a process that cannot be seen from here is changing the lab"), only_one(name):
            pass


def test_a_record_of_before_a_restart_is_no_running_lab_though_its_id_and_tick_are_somebodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_tree, "OUTER", tmp_path / "outer.json")
    known = processes.identity(os.getpid())
    process_tree.record(known)
    assert process_tree.running() == {**known, "checkout": str(REPOSITORY)}
    process_tree.record({**known, "boot": "00000000-0000-0000-0000-000000000000"})
    assert process_tree.running() is None
    assert process_tree.recorded() is not None


def test_after_a_restart_only_the_record_is_removed_and_nobody_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OUTER", tmp_path / "outer.json"), ("HOST_INTERFACE", "no-such-link"), ("CGROUP", "no-such-cgroup")):
        monkeypatch.setattr(process_tree, name, value)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        process_tree.record({"pid": innocent.pid, "start": "1", "boot": processes.boot()})
        process_tree.stop()
        assert innocent.poll() is None
        innocent.kill()
    assert not process_tree.OUTER.exists()


def test_a_tree_whose_start_was_never_written_down_does_not_start(tmp_path: Path) -> None:
    held, go = os.pipe()
    with subprocess.Popen([*process_tree._ON_A_LINE, "touch", str(tmp_path / "started")], stdin=held) as waiting:
        os.close(held)
        os.close(go)  # as the kernel does for a `./rag up` that is killed here
        assert waiting.wait() != 0
    assert not (tmp_path / "started").exists()


@pytest.fixture
def pulumi(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called pulumi."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    shutil.copy2(str(shutil.which("sleep")), program)
    with subprocess.Popen([program, "60"]) as process:
        named = Path(f"/proc/{process.pid}/comm")  # the kernel gives the name a little after the start
        process_tree.wait_for(lambda: named.read_text() == "pulumi\n", 30, "no name", "")
        yield process
        process.kill()


def _lock(home: Path, pid: int, *, older_by_s: float = 0) -> Path:
    lock = home / "backend" / ".pulumi" / "locks" / "organization" / "milvus-x10000" / "lab" / "one.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": pid}))
    at = lock.stat().st_mtime - older_by_s
    os.utime(lock, (at, at))
    return lock


def test_a_lock_of_before_a_restart_is_nobodys_though_another_pulumi_has_that_id(tmp_path: Path, pulumi: subprocess.Popen[bytes]) -> None:
    assert not holds(pulumi.pid, _lock(tmp_path, pulumi.pid, older_by_s=3600))


def test_attributes_that_a_killed_pulumi_left_empty_are_removed_and_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Checkpoint(tmp_path, "milvus-x10000", "lab")
    checkpoint.path.parent.mkdir(parents=True)
    checkpoint.path.write_text("{}")
    attributes = checkpoint.path.with_name("lab.json.attrs")
    for content, stays in (("{}", True), ("", False)):
        attributes.write_text(content)
        checkpoint.drop_torn()
        assert attributes.exists() is stays
    assert "the state itself is whole" in capsys.readouterr().out


@pytest.mark.parametrize(("secret", "refused"), [({"stringData": {"key": "a"}}, True), ({"data": {"key": "YQ=="}}, False)])
def test_a_state_of_the_plugin_before_pulumis_own_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: dict[str, object], refused: bool
) -> None:
    monkeypatch.setattr(project, "HOME", tmp_path)
    project.refuse_foreign_state()
    checkpoint = Checkpoint(tmp_path, project.PROJECT, project.STACK)
    checkpoint.path.parent.mkdir(parents=True)
    checkpoint.path.write_text(json.dumps({"checkpoint": {"latest": {"resources": [{}, {"inputs": secret}]}}}))
    with pytest.raises(LabError, match=f"{toolchain.PLUGIN}(?s:.)*./rag down; ./rag up") if refused else contextlib.nullcontext():
        project.refuse_foreign_state()


def test_a_lock_is_held_by_the_pulumi_that_wrote_it_and_by_no_other_program(tmp_path: Path, pulumi: subprocess.Popen[bytes]) -> None:
    lock = _lock(tmp_path, pulumi.pid)
    assert holds(pulumi.pid, lock)
    assert not holds(os.getpid(), lock)


def test_a_stack_that_is_not_there_is_empty_and_has_nothing_pending(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, "milvus-x10000", "lab")
    assert (checkpoint.is_there(), checkpoint.is_empty(), checkpoint.has_pending()) == (False, True, False)
    checkpoint.path.parent.mkdir(parents=True)
    checkpoint.path.write_text(json.dumps({"checkpoint": {"latest": {"resources": [{}], "pending_operations": [{}]}}}))
    assert (checkpoint.is_there(), checkpoint.is_empty(), checkpoint.has_pending()) == (True, False, True)


def test_the_steps_in_which_a_command_was_killed_is_known_and_that_of_one_at_work_is_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "log" / "lock.json"
    assert lock.cut_short(file) == ""
    with subprocess.Popen(["sleep", "60"]) as command:
        lock.enter(["image: pause", "image: milvus"], command.pid, file)
        assert lock.cut_short(file) == ""
        assert lock.at_work(file) == "in `image: pause` and `image: milvus`"
        command.kill()
    assert lock.at_work(file) == ""
    assert lock.cut_short(file).startswith("`image: pause` and `image: milvus` (20")
    lock.leave(file)
    assert lock.cut_short(file) == ""


def test_what_a_killed_pulumi_left_is_told_and_what_one_at_work_holds_is_not(tmp_path: Path, pulumi: subprocess.Popen[bytes]) -> None:
    checkpoint = Checkpoint(tmp_path, "milvus-x10000", "lab")
    checkpoint.path.parent.mkdir(parents=True)
    checkpoint.path.write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": [{}]}}}))
    assert checkpoint.trouble() == "a Pulumi was killed while it made something"
    lock = _lock(tmp_path, pulumi.pid)
    assert checkpoint.trouble() == ""
    lock.write_text(json.dumps({"pid": os.getpid()}))
    assert checkpoint.trouble() == "a killed Pulumi left its lock on the stack"
