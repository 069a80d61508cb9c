"""Whether what the cache holds is still what was built: size, time and sha256 of every file, written down when it was whole.

Asked at every `make up`: size and time of a file are compared (18,000 files in a quarter of a second), and where they differ its sha256
decides, so that a copied cache is no damaged one. `thorough` reads every byte, which finds what a bad disk changed. Standard library only.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class Sum(NamedTuple):
    """What one file was when it was whole."""

    size: int
    mtime_ns: int
    sha256: str


def beside(what: Path) -> Path:
    """Return where the sums of a file or folder of the cache are kept."""
    return what.with_name(f"{what.name}.sums")


def take(what: Path) -> dict[str, Sum]:
    """Return the sums of a file, or of every file of a folder by its path in it; compiled Python is left out, it comes and goes."""
    return {name: _sum(path) for name, path in _files(what)}


def write(sums: Mapping[str, Sum], file: Path) -> None:
    """Write sums to a file, which is there as a whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps(sums))
    fresh.replace(file)


def read(file: Path) -> dict[str, Sum] | None:
    """Return the sums that a file holds, None where there are none or they are damaged themselves."""
    try:
        return {name: Sum(*kept) for name, kept in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def damage(what: Path, kept: Mapping[str, Sum], *, thorough: bool = False) -> str:
    """Return what is wrong with the first file that is not as it was, "" for none."""
    for name, was in kept.items():
        path = what / name if name else what
        try:
            now = path.stat()
        except FileNotFoundError:
            return f"{path.name} is gone"
        if now.st_size != was.size:
            return f"{path.name} has {now.st_size:,} bytes and was built with {was.size:,}"
        if (thorough or now.st_mtime_ns != was.mtime_ns) and _sha256(path) != was.sha256:
            return f"{path.name} has the sha256 {_sha256(path)[:12]}... and was built with {was.sha256[:12]}..."
    return ""


def _files(what: Path) -> Iterator[tuple[str, Path]]:
    if what.is_file():
        yield "", what
    for folder, folders, files in os.walk(what):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for file in sorted(files):
            path = Path(folder, file)
            if not path.is_symlink():
                yield path.relative_to(what).as_posix(), path


def _sum(path: Path) -> Sum:
    found = path.stat()
    return Sum(found.st_size, found.st_mtime_ns, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
