"""Logs that do not grow without end: 16 MiB a file, and two older ones beside it.

Copied and truncated, as logrotate's `copytruncate` does, since the parts keep their files open; they append, so a truncated file is written
on from its new end. What a part prints between copy and truncation is lost. Standard library only: the node runs it.
"""

import contextlib
import os
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

LIMIT_BYTES: Final = 16 * 2**20
KEPT: Final = 2
EVERY_S: Final = 10.0


def rotate(log: Path, limit_bytes: int = LIMIT_BYTES, kept: int = KEPT) -> None:
    """Move the content of `log` to `log.1`, that one's to `log.2` and so on, where it is over the limit; on a full disk it is dropped."""
    if not log.is_file() or log.stat().st_size <= limit_bytes:
        return
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, kept + 1)]
    for newer, old in reversed(list(pairwise(older))):
        if newer.exists():
            newer.replace(old)
    try:
        shutil.copyfile(log, older[0])
    except OSError:  # no space: the bound counts for more than the content
        older[0].unlink(missing_ok=True)
    os.truncate(log, 0)


def keep_small(folder: Path) -> None:
    """Rotate the logs of `folder` as long as this process lives."""
    while True:
        for log in (path for path in folder.glob("*.log") if not path.is_symlink()):  # such a one is somebody else's to rotate
            with contextlib.suppress(OSError):
                rotate(log)
        time.sleep(EVERY_S)
