"""How far the last `make up` came: written down at every step, so that one that was killed is known, and where. Standard library only."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.places import CACHE, REPOSITORY
from lab.processes import identity, is_alive

FILE = CACHE / "log" / "progress.json"


def enter(steps: Sequence[str], pid: int, file: Path = FILE) -> None:
    """Write down that the process `pid` is in those steps."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({**identity(pid), "steps": list(steps), "since": since, "checkout": str(REPOSITORY)}))
    fresh.replace(file)


def leave(file: Path = FILE) -> None:
    """Write down that it came to its end."""
    file.unlink(missing_ok=True)


def read(file: Path = FILE) -> dict[str, Any] | None:
    """Return the steps that were under way last in a `make up` that has not come to its end, None for none."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return found


def cut_short(file: Path = FILE) -> str:
    """Return where the last `make up` failed or was killed, "" where it was not."""
    found = read(file)
    return "" if found is None or is_alive(found) else f"{_named(found)} ({found['since']}, in {found['checkout']})"


def at_work(file: Path = FILE) -> str:
    """Return in which steps a `make up` is at this moment, "" where none is."""
    found = read(file)
    return f"in {_named(found)}" if found is not None and is_alive(found) else ""


def _named(found: Mapping[str, Any]) -> str:
    return " and ".join(f"`{step}`" for step in found.get("steps", ["?"]))
