"""Which process is meant: an id alone is not enough, since the kernel gives it to another program, and after a restart to any.

A process is known by its id, the clock tick at which it started, and the boot of the machine that the tick counts from.
Standard library only.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_START_TIME = 19


def stat(pid: int | str) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent, ..., start time as the 20th; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def start_time(pid: int) -> str:
    """Return the kernel's start time of a process in clock ticks since boot; "" where there is none or it is dead."""
    fields = stat(pid)
    return fields[_START_TIME] if fields and fields[0] != "Z" else ""


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since 1970 and true to a second; 0 where there is none."""
    ticks = start_time(pid)
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + int(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def boot() -> str:
    """Return the id that the kernel drew when this machine started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identity(pid: int) -> dict[str, Any]:
    """Return what makes a process that process and no other."""
    return {"pid": pid, "start": start_time(pid), "boot": boot()}


def is_alive(known: Mapping[str, Any]) -> bool:
    """Return whether the process with that identity still runs."""
    # a record of before the boot was written down has none
    return known.get("boot", boot()) == boot() and bool(known["start"]) and start_time(known["pid"]) == known["start"]


def first_child(pid: int) -> int | None:
    """Return a child of `pid`, None where it has none."""
    return next((int(found.name) for found in Path("/proc").glob("[0-9]*") if stat(found.name)[1:2] == [str(pid)]), None)


def words(pid: int | str) -> list[str]:
    """Return the command line of a process; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
