"""The virtual environment's packages against what their wheels say of themselves: a sha256 for every file.

The installer links files from its own cache, so a file that is damaged in one environment is damaged in all, and in the next one made
from that cache: only the wheel's own list tells. Standard library only.
"""

import base64
import csv
from collections.abc import Mapping
from pathlib import Path

from lab.sums import Sum


def damaged(home: Path, sums: Mapping[str, Sum]) -> list[str]:
    """Return the names of the packages in `home` of which a file is gone or not what its wheel says."""
    lists = sorted(home.glob("lib/python*/site-packages/*.dist-info/RECORD"))
    return [_name(record) for record in lists if not _is_whole(record, home, sums)]


def _name(record: Path) -> str:
    return record.parent.name.partition("-")[0]


def _is_whole(record: Path, home: Path, sums: Mapping[str, Sum]) -> bool:
    packages = record.parent.parent
    with record.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    files = [(path, digest) for path, digest, _ in rows if digest.startswith("sha256=") and "__pycache__" not in path]
    return bool(rows) and all(_digest(sums, packages / path, home) == digest for path, digest in files)


def _digest(sums: Mapping[str, Sum], path: Path, home: Path) -> str:
    name = Path(*_normal(path.relative_to(home).parts)).as_posix()
    if name not in sums:
        return ""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sums[name].sha256)).rstrip(b"=").decode()


def _normal(parts: tuple[str, ...]) -> list[str]:
    """Resolve `..` by hand: a wheel's scripts are listed as ../../../bin/name, and links must stay what they are."""
    found: list[str] = []
    for part in parts:
        if part == ".." and found:
            found.pop()
        else:
            found.append(part)
    return found
