"""Room on disk: asked for before long work, and told in bytes, with the folder, when it ran out after all. Standard library only."""

import errno
import shutil
from pathlib import Path

from lab.errors import LabError
from lab.places import CACHE, STATE

SPARE_GIB = 1  # what must be free in any case
CACHE_GIB = {"venv": 1, "tools": 11, "images": 2}  # what an empty one grows by: in the end 0.7, 8.3 (with all of Go's) and 1.3 GiB
STATE_GIB = 4  # what a new lab's state grows by: unpacked images, volumes, buckets
BUILD_GIB = 1  # what one more build needs where most of it is there: a tool, an image, a virtual environment
_GIB = 2**30
_NOTHING_BYTES = 16 * 2**20
FULL = "no space left on device"


def check_room() -> None:
    """Raise LabError where cache or state would run out of space half-way."""
    grows = sum(gib for folder, gib in CACHE_GIB.items() if not any((CACHE / folder).glob("*")))
    needs = {CACHE: grows, STATE: 0 if STATE.exists() else STATE_GIB}
    for place in needs:
        shared = [other for other in needs if existing(other).stat().st_dev == existing(place).stat().st_dev]
        require(place, SPARE_GIB + sum(needs[other] for other in shared), " and ".join(map(str, shared)))


def require(place: Path, needed_gib: float, what: str) -> None:
    """Raise LabError where the disk under `place` has less than `needed_gib` free for `what`."""
    free, needed = free_bytes(place), int(needed_gib * _GIB)
    if free < needed:
        problem = f"{free / _GIB:.1f} GiB free under {existing(place)}; {what} need {needed_gib:g} ({free:,} of {needed:,} bytes)"
        raise LabError(problem, _cure(place))


def is_full(error: OSError) -> bool:
    """Return whether an operation failed since there was no room for it."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def is_used_up() -> bool:
    """Return whether next to nothing is free: many a command that fails for want of room does not say so."""
    return min(map(free_bytes, (CACHE, STATE))) < _NOTHING_BYTES


def ran_out(error: object) -> LabError:
    """Return what to tell when there was no room in the middle: every folder of the lab with what is free there."""
    free = ", ".join(f"{free_bytes(place):,} bytes free under {existing(place)}" for place in (CACHE, STATE))
    fullest = min((CACHE, STATE), key=free_bytes)
    return LabError(f"the disk is full: {error}; {free}; what was being made is not kept half-done", _cure(fullest))


def _cure(place: Path) -> str:
    look = f"`du -xh --max-depth=2 {existing(place)} | sort -h | tail`"
    return f"free space ({look}), or `XDG_CACHE_HOME=/a/larger/disk ./rag up` for the cache"


def free_bytes(place: Path) -> int:
    """Return what is free on the disk where `place` is, or would be."""
    return shutil.disk_usage(existing(place)).free


def existing(place: Path) -> Path:
    """Return `place`, or the nearest folder above it that is there."""
    return next(path for path in (place, *place.parents) if path.exists())
