"""A cache that was damaged: found by sums of our own, told in one line, built again."""

import os
from pathlib import Path

import pytest

from lab import bootstrap, cache, up
from lab.images import build
from lab.images.build import Builder
from lab.steps import Steps


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A folder with two tools, and its sums."""
    home = tmp_path / "tools" / "kubernetes-1"
    (home / "sub").mkdir(parents=True)
    (home / "kube").write_bytes(b"k" * 1000)
    (home / "sub" / "helm").write_bytes(b"h" * 10)
    cache.write_sums(home, cache.sums_file(home))
    return home


def _truncate(home: Path) -> None:
    os.truncate(home / "kube", 400)


def _remove(home: Path) -> None:
    (home / "sub" / "helm").unlink()


def _change(home: Path) -> None:
    (home / "kube").write_bytes(b"x" * 1000)


DAMAGE = {
    "truncated": (_truncate, "kube has 400 bytes and was built with 1,000"),
    "removed": (_remove, "helm is gone"),
    "changed": (_change, "kube has the sha256 "),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_tool_is_told_in_one_line_and_built_again_and_then_whole(
    what: str, tool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt, said = DAMAGE[what]
    hurt(tool)

    def make() -> None:
        assert not tool.exists()
        (tool / "sub").mkdir(parents=True)
        (tool / "kube").write_bytes(b"new")

    cache.ensure([tool], make, Steps(log=tmp_path / "log"))
    (line,) = capsys.readouterr().out.splitlines()
    assert "kubernetes-1 in the cache is damaged" in line
    assert said in line
    cache.ensure([tool], lambda: pytest.fail("it is whole"), Steps(log=tmp_path / "log"))


def test_a_copied_cache_is_no_damaged_one_and_what_a_disk_changed_is_found_by_reading_all(tool: Path) -> None:
    before = (tool / "kube").stat()
    os.utime(tool / "kube", (1, 1))
    assert cache.damage(tool) == ""
    (tool / "kube").write_bytes(b"x" * 1000)
    os.utime(tool / "kube", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.damage(tool) == ""  # as the disk would have it: size and time are the same
    assert "sha256" in cache.damage(tool, thorough=True)


def test_sums_that_are_damaged_themselves_are_written_again(tool: Path, tmp_path: Path) -> None:
    os.truncate(cache.sums_file(tool), 20)
    cache.ensure([tool], lambda: pytest.fail("nothing says that it is damaged"), Steps(log=tmp_path / "log"))
    assert cache.damage(tool, thorough=True) == ""
    assert cache.read_sums(cache.sums_file(tool)) is not None


def test_what_killed_builds_left_is_removed_and_nothing_else(tool: Path, tmp_path: Path) -> None:
    for name in ("kubernetes-2.partial-17", "registry-1.partial-18"):
        (tmp_path / "tools" / name).mkdir()
    (tmp_path / "images" / "milvus-1.root" / "usr").mkdir(parents=True)
    for name in ("milvus-1.partial", "milvus-1.layer", "milvus-1.new", "milvus-1.tar", "milvus-1.reference"):
        (tmp_path / "images" / name).touch()
    cache.sweep(tmp_path, ["kubernetes"])
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["milvus-1.reference", "milvus-1.tar"]
    assert sorted(path.name for path in (tmp_path / "tools").iterdir()) == [tool.name, f"{tool.name}.sums", "registry-1.partial-18"]


def test_only_what_the_lab_uses_is_looked_at(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "USED", tmp_path / "used.json")
    os.truncate(tool / "kube", 1)
    assert cache.damaged() == {}
    cache.use([tool])
    assert cache.damaged() == {"kubernetes-1": "kube has 1 bytes and was built with 1,000"}


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """A builder of real images, with a cache of its own."""
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    (tmp_path / "kubernetes").mkdir()
    (tmp_path / "kubernetes" / "pause").write_bytes(b"p" * 5000)
    return Builder(tmp_path / "kubernetes", Steps(log=tmp_path / "log"))


@pytest.mark.parametrize("part", [".tar", ".reference"])
def test_a_truncated_image_is_built_again_with_the_same_digest(
    part: str, builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = up.whole(builder, "pause", builder.steps)
    os.truncate(before.archive.with_suffix(part), 7)
    after = up.whole(builder, "pause", builder.steps)
    assert "is damaged" in capsys.readouterr().out
    assert after == before
    assert cache.damage(after.archive, thorough=True) == ""
    assert sorted(path.suffix for path in (tmp_path / "cache" / "images").iterdir()) == [".reference", ".sums", ".sums", ".tar"]


def test_a_virtual_environment_that_is_whole_is_left_alone_and_one_that_cannot_be_mended_is_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!")
    cache.write_sums(tmp_path, tmp_path / bootstrap.COMPLETE)
    steps = Steps(log=tmp_path / "log")
    for _ in range(2):
        bootstrap._mend(tmp_path, steps)
        assert cache.read_sums(tmp_path / bootstrap.COMPLETE) is not None
    assert capsys.readouterr().out == ""
    os.truncate(tmp_path / "bin" / "python", 1)
    bootstrap._mend(tmp_path, steps)
    assert "is damaged: python has 1 bytes and was built with 2; it is mended" in capsys.readouterr().out
    assert not (tmp_path / bootstrap.COMPLETE).exists()  # no installer is there: all of it is made anew
