"""Whether what the cache holds is still what was built: size, time and sha256 of every file, written down when it was whole.

Asked at every `./rag up`: size and time of a file are compared (18,000 files in a quarter of a second), and where they differ its sha256
decides, so that a copied cache is no damaged one. `thorough` reads every byte, which finds what a bad disk changed. Standard library only.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lab.places import CACHE, STATE, write_whole
from lab.steps import Steps

USED = STATE / "used.json"  # tools and images that the lab uses: the cache holds those of other checkouts too


class FileSum(NamedTuple):
    """What one file was when it was whole."""

    size: int
    mtime_ns: int
    sha256: str


def ensure(paths: Sequence[Path], build: Callable[[], object], steps: Steps) -> None:
    """Have `build` make `paths` (files or folders) again where one is damaged; write down the sums that are missing."""
    wrong = next(filter(None, map(damage, paths)), "")
    if wrong:
        steps.say(f"note   {paths[0].name} in the cache is damaged: {wrong}; it is built again")
        forget(*paths)
        build()
    for path in paths:
        if read_sums(sums_file(path)) is None:
            write_sums(path, sums_file(path))


def forget(*paths: Path) -> None:
    """Remove files or folders of the cache with their sums."""
    for path in (*paths, *map(sums_file, paths)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def sweep(cache: Path = CACHE, tools: Sequence[str] = ()) -> None:
    """Remove what killed builds of images and of `tools` left; only for who holds the lock of the lab: nobody else builds these."""
    left = [path for end in ("root", "partial", "layer", "new") for path in (cache / "images").glob(f"*.{end}")]
    left += [path for name in tools for path in (cache / "tools").glob(f"{name}-[0-9]*.partial-*")]
    forget(*left)


def use(paths: Sequence[Path]) -> None:
    """Write down which tools and images the lab uses."""
    write_whole(USED, json.dumps([str(path) for path in paths]))


def damaged() -> dict[str, str]:
    """Return what is wrong with tools and images that the lab uses, by their names."""
    used = [Path(text) for text in json.loads(USED.read_text())] if USED.exists() else []
    return {path.name: wrong for path in used if (wrong := damage(path))}


def sums_file(path: Path) -> Path:
    """Return where the sums of a file or folder of the cache are kept."""
    return path.with_name(f"{path.name}.sums")


def write_sums(path: Path, file: Path) -> None:
    """Write the sums of a file, or of every file of a folder by its path in it; compiled Python is left out, it comes and goes."""
    sums = {}
    for name, each in _files(path):
        if each != file:
            now = each.stat()
            sums[name] = FileSum(now.st_size, now.st_mtime_ns, sha256(each))
    write_whole(file, json.dumps(sums))


def read_sums(file: Path) -> dict[str, FileSum] | None:
    """Return the sums that a file holds, None where there are none or they are damaged themselves."""
    try:
        return {name: FileSum(*kept) for name, kept in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def damage(path: Path, *, thorough: bool = False) -> str:
    """Return what is wrong with a file or folder of the cache, "" where nothing is or nothing is known."""
    if not path.exists():
        return f"{path.name} is gone"
    return first_difference(path, read_sums(sums_file(path)) or {}, thorough=thorough)


def first_difference(path: Path, sums: Mapping[str, FileSum], *, thorough: bool = False) -> str:
    """Return what is wrong with the first file that is not as it was, "" for none."""
    for name, was in sums.items():
        file = path / name if name else path
        try:
            now = file.stat()
        except FileNotFoundError:
            return f"{file.name} is gone"
        if now.st_size != was.size:
            return f"{file.name} has {now.st_size:,} bytes and was built with {was.size:,}"
        if (thorough or now.st_mtime_ns != was.mtime_ns) and sha256(file) != was.sha256:
            return f"{file.name} has the sha256 {sha256(file)[:12]}... and was built with {was.sha256[:12]}..."
    return ""


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield "", path
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for file in (Path(folder, name) for name in sorted(files)):
            if not file.is_symlink():
                yield file.relative_to(path).as_posix(), file


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
