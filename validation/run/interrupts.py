"""Ctrl-C while the command line is still loading, which takes seconds: told in one line, with the exit code of any interrupted run.

Only `python -m validation` itself is meant. Whoever imports the package, a test or a generator process, keeps its own handlers.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


def install_handlers() -> None:
    """Take over Ctrl-C and SIGTERM when this is `python -m validation`: until its module is found, Python calls the program `-m`."""
    if sys.argv[:1] == ["-m"]:
        signal.signal(signal.SIGINT, _end)
        signal.signal(signal.SIGTERM, _end)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    print("RESULT: ERROR interrupted while nothing of the run was there yet (exit 2)", flush=True)
    raise SystemExit(2)


@contextmanager
def interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt inside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C wait until the block is left; processes started inside never see it, nor the terminal their traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
