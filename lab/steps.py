"""One line a step, with its seconds, and a sign of life in a long one; output goes to a log, whose end is shown where the step fails."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from lab import disk
from lab.errors import LabError
from lab.logs import rotate

SIGN_OF_LIFE_S = 15
TAIL_LINES = 15


@dataclass
class Steps:
    """The steps of one command, in order, with the seconds that each took."""

    log: Path
    seconds: dict[str, float] = field(default_factory=dict)
    # seconds of the monotonic clock; handed on when the command continues in the virtual environment
    started: float = field(default_factory=lambda: float(os.environ.get("LAB_STARTED", time.monotonic())))
    out: TextIO | None = None  # where steps are printed; standard output unless that is somebody's input
    on_steps: Callable[[Sequence[str]], None] | None = None  # called with the steps under way, whenever one begins or ends
    _under_way: list[str] = field(default_factory=list)
    _reporting: threading.Lock = field(default_factory=threading.Lock)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _stopped: bool = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print `title` with its seconds when the block ends; every 15 s that it is still going. Several may be under way at once."""
        began, over, mark = time.monotonic(), threading.Event(), "FAILED"

        def show_life() -> None:
            while not over.wait(SIGN_OF_LIFE_S):
                self.say(f"...    {title}: {time.monotonic() - began:.0f} s")

        watch = threading.Thread(target=show_life, daemon=True)
        watch.start()
        self._report(begins=title)
        try:
            yield
            mark = "ok"
        finally:
            over.set()
            watch.join()
            took = time.monotonic() - began
            self.seconds[title] = round(self.seconds.get(title, 0) + took, 1)
            self.say(f"{mark:6} {title:.<68} {took:6.1f} s")
        self._report(ends=title)

    def _report(self, begins: str = "", ends: str = "") -> None:
        """Keep and report what is under way; a step that fails stays, for that is where the command ended."""
        with self._reporting:
            self._under_way = [*(title for title in self._under_way if title != ends), *filter(None, [begins])]
            if self.on_steps is not None and self._under_way:
                self.on_steps(self._under_way)

    def say(self, text: str) -> None:
        """Print one line."""
        print(f"  {text}\n", end="", file=self.out or sys.stdout, flush=True)

    def total_s(self) -> float:
        """Return the seconds since the command began."""
        return time.monotonic() - self.started

    def save(self, path: Path) -> None:
        """Write the seconds of each step and their total as JSON."""
        path.write_text(json.dumps({"seconds": self.seconds, "total_seconds": round(self.total_s(), 1)}, indent=2) + "\n")

    def run(self, command: Sequence[str | Path], *, cure: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        """Run `command` with its output in the log; LabError with the end of that output and `cure` when it fails."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        rotate(self.log)
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            start = log.tell()
            here: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": {**os.environ, **(env or {})}, "cwd": cwd}
            with subprocess.Popen([*dies_with_us(), *command], stdout=log, stderr=log, **here) as process:
                code = self._wait(process)
        if code:
            problem = f"`{' '.join(map(str, command))[:100]}` ended with {code}:\n{tail(self.log, start)}"
            raise disk.ran_out(problem) if disk.FULL in problem.lower() or disk.is_used_up() else LabError(problem, cure)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        self._running.append(process)
        try:
            if self._stopped:
                process.kill()
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            self._running.remove(process)

    def stop(self) -> None:
        """End every command of these steps, those of other threads too: the whole has failed or was interrupted."""
        self._stopped = True
        for process in list(self._running):
            process.kill()


def dies_with_us() -> list[str]:
    """Return what makes the kernel end a command with this process: one that went on alone would write where the next run writes."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


def tail(log: Path, start: int = 0) -> str:
    """Return the last lines of a log, from byte `start` on, and where the rest is."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join([*(f"    {line}" for line in lines), f"    (all of it: {log})"])
