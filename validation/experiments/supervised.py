"""A command that runs while something is measured: begun after a calm moment, and never left behind."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

_ENDING_S = 60.0


@dataclass(kw_only=True)
class Ended:
    """How it went; times are the running loop's clock."""

    begun_s: float = 0.0
    ended_s: float = 0.0
    code: int | None = None
    """None for one that had to be ended."""


async def run(command: Sequence[str], limit_s: float) -> Ended:
    """Run it with its output on the terminal; one that lasts longer than `limit_s` is asked to end as by Ctrl-C, then ended.

    It has a process group of its own, so that whatever it started ends with it. Raises OSError where there is no such command.
    """
    loop = asyncio.get_running_loop()
    found = Ended(begun_s=loop.time())
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)
    try:
        async with asyncio.timeout(limit_s):
            found.code = await process.wait()
    except TimeoutError:
        await _end(process)
    except asyncio.CancelledError:
        await asyncio.shield(_end(process))
        raise
    found.ended_s = loop.time()
    return found


async def _end(process: asyncio.subprocess.Process) -> None:
    for one in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, one)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                await process.wait()
                return
