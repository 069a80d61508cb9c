"""Logs are bounded, also while their writer keeps them open and while the disk is full."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import process_tree, up
from lab.logs import rotate


def test_a_writer_goes_on_in_a_log_that_was_rotated_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with log.open("ab", buffering=0) as writer:
        for round_ in range(4):
            writer.write(f"{round_}".encode() * 11)
            rotate(log, limit_bytes=10, kept=2)
        writer.write(b"end")
    assert log.read_bytes() == b"end"
    assert (tmp_path / "part.log.1").read_bytes() == b"3" * 11
    assert (tmp_path / "part.log.2").read_bytes() == b"2" * 11
    assert len(list(tmp_path.iterdir())) == 3


def test_a_small_log_is_left_alone_and_a_missing_one_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "small.log").write_bytes(b"x" * 10)
    rotate(tmp_path / "small.log", limit_bytes=10)
    rotate(tmp_path / "none.log")
    assert [path.name for path in tmp_path.iterdir()] == ["small.log"]


def test_on_a_full_disk_the_bound_counts_for_more_than_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", no_space)
    log = tmp_path / "part.log"
    log.write_bytes(b"x" * 11)
    rotate(log, limit_bytes=10)
    assert log.read_bytes() == b""
    assert not (tmp_path / "part.log.1").exists()


def test_the_log_of_builds_is_found_beside_those_of_the_parts(tmp_path: Path) -> None:
    (tmp_path / "cache.log").write_text("built")
    for _ in range(2):
        up.link_log(tmp_path / "cache.log", tmp_path / "logs")
    assert (tmp_path / "logs" / "cache.log").read_text() == "built"


def test_the_node_runs_from_a_copy_that_needs_no_checkout(tmp_path: Path) -> None:
    process_tree.install_code(tmp_path / "code")
    probe = "import lab.node, tests.emulators.greenlake.__main__; from lab.places import REPOSITORY; print(REPOSITORY)"
    ended = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path / "code", capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == str(tmp_path / "code"), ended.stderr
