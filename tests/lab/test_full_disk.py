"""A disk that is full: said before long work, with bytes and cure; and when it fills in the middle, nothing is there half-done."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import bootstrap, disk, toolchain
from lab.errors import LabError
from lab.images import build
from lab.images.build import Builder
from lab.pki import make_pki, write_secret
from lab.places import REPOSITORY, network
from lab.steps import Steps

MIB = 2**20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", home], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield home
    subprocess.run(["umount", home], check=True)


def _fill(home: Path) -> None:
    with (home / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * MIB):
            pass


def test_a_cache_without_room_is_refused_before_anything_is_written_with_folder_bytes_and_cure(small: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(small)}
    command = [sys.executable, "-m", "lab", "venv"]
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"GiB free under {small}" in ended.stderr
    assert "need 1 (1,0" in ended.stderr
    assert "of 1,073,741,824 bytes)" in ended.stderr
    assert "cure: free space (`du -xh" in ended.stderr
    assert not list(small.rglob("bin"))


def test_a_virtual_environment_that_does_not_fit_is_not_there(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "CACHE", small)
    monkeypatch.setattr(disk, "CACHE", small)
    monkeypatch.setattr(disk, "BUILD_GIB", 0)
    _fill(small)
    with pytest.raises(LabError, match=r"(?s)the disk is full: .*bytes free under .*cure: free space"):
        bootstrap._fill_venv(small / "venv" / "key", Steps(log=small.parent / "log"))
    assert not (small / "venv" / "key").exists()
    assert capsys.readouterr().err == ""


def test_a_tool_that_does_not_fit_is_not_there_and_the_disk_is_named_not_the_module_proxy(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH; `./rag up` brings its own")
    monkeypatch.setattr(toolchain, "CACHE", small)
    monkeypatch.setattr(disk, "CACHE", small)
    _fill(small)
    os.truncate(small / "filler", MIB // 2)
    with pytest.raises(LabError, match=r"(?s)the disk is full: .*no space left on device.*cure: free space"):
        toolchain.built("versitygw", go, Steps(log=small.parent / "log"))
    assert list((small / "tools").iterdir()) == []


def test_an_image_that_does_not_fit_leaves_nothing_and_is_built_once_there_is_room(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CACHE", small)
    (tmp_path / "kubernetes").mkdir()
    (tmp_path / "kubernetes" / "pause").write_bytes(b"p" * MIB)
    builder = Builder(tmp_path / "kubernetes", Steps(log=tmp_path / "log"))
    with pytest.raises(OSError, match="No space left on device") as full:
        builder.build("pause")
    assert full.value.errno == errno.ENOSPC
    assert disk.is_full(full.value)
    assert list((small / "images").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=16m", small], check=True)
    assert builder.build("pause").archive.exists()


def test_on_a_full_disk_a_secret_is_the_old_one_and_keys_are_all_there_or_none(small: Path) -> None:
    write_secret(small / "passphrase", "old")
    _fill(small)
    with pytest.raises(OSError, match="No space left on device"):
        write_secret(small / "passphrase", "new" * 10_000)
    assert (small / "passphrase").read_text() == "old"
    with pytest.raises(OSError, match="No space left on device"):
        make_pki(small / "pki", network())
    assert not (small / "pki").exists()
    (small / "filler").unlink()
    make_pki(small / "pki", network())
    assert (small / "pki" / "store.key").stat().st_size > 0


def test_a_disk_that_filled_in_the_middle_is_told_with_every_folder_of_the_lab() -> None:
    told = str(disk.ran_out(OSError(errno.ENOSPC, "No space left on device", "/somewhere")))
    assert "'/somewhere'" in told
    assert told.count("bytes free under") == 2
    assert "cure: free space" in told
