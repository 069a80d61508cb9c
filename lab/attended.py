"""Run a long command that must be allowed to end in order: Ctrl-C asks it once, and then it is waited for."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from lab.places import REPOSITORY

PATIENCE_S = 60
_PR_SET_PDEATHSIG = 1


def attended(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the exit code of `command`, whose output goes to the terminal.

    It has a process group of its own: a terminal's Ctrl-C, and make's repetition of it, would reach it twice, and Pulumi takes the
    second for "at once". Should this process be killed, the kernel asks the command to end as Ctrl-C would.
    Raises KeyboardInterrupt after it has ended, when it was asked to.
    """
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_the_parent,  # noqa: PLW1509  one call of the C library; no thread of ours holds a lock
    )
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


def _end_with_the_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
