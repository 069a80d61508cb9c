"""Processes by id, start and boot, for an id goes to another program; and a long command that may end in order. Standard library only."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.places import REPOSITORY

_START_TIME = 19
PATIENCE_S = 60
_PR_SET_PDEATHSIG = 1


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


def words(pid: int | str, file: str = "cmdline") -> list[str]:
    """Return the command line of a process, or with `environ` its environment; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def attended(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the exit code of `command`, whose output goes to the terminal; KeyboardInterrupt after it has ended, when it was asked to.

    It has a process group of its own: a terminal's Ctrl-C, and make's repetition of it, would reach it twice, and Pulumi takes the
    second for "at once". Should this process be killed, the kernel asks the command to end as Ctrl-C would.
    """
    end_with_us = partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, signal.SIGINT)  # one call of the C library
    here: dict[str, Any] = {"cwd": REPOSITORY, "env": {**os.environ, **environment}, "stdin": subprocess.DEVNULL, "start_new_session": True}
    process: subprocess.Popen[bytes] = subprocess.Popen(command, preexec_fn=end_with_us, **here)  # noqa: PLW1509  no thread of ours holds a lock
    try:
        return process.wait()
    except KeyboardInterrupt:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise
