"""One command at a time: an abstract socket, which dies with its holder and tells who that is; and how far a killed `./rag up` came."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lab.errors import LabError
from lab.places import CACHE, REPOSITORY, read_json, write_whole
from lab.processes import identity, is_alive, started_at, words

LAB = "\0milvus-x10000-lab"
PACKAGES = "\0milvus-x10000-venv"
PROGRESS = CACHE / "log" / "progress.json"
SIGN_OF_LIFE_S = 15
_POLL_S = 0.2


class Holder(NamedTuple):
    """Who holds a lock, as far as the kernel tells; `pid` is 0 where it does not tell, as of another container."""

    pid: int
    command: str = "a command"
    since: str = ""
    checkout: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "a process that cannot be seen from here"
        return f"process {self.pid} ({self.command}, since {self.since} UTC, in {self.checkout})"

    @property
    def cure(self) -> str:
        """What to type."""
        return f"wait for it, or end it: `kill {self.pid or 'PID'}`; then the same command again"


@contextmanager
def only_one(name: str, *, patience_s: float = 0, say: Callable[[str], object] = str) -> Iterator[None]:
    """Hold the lock for the block, waiting up to `patience_s` and telling `say` for whom; LabError naming who still has it."""
    began, told = time.monotonic(), -float(SIGN_OF_LIFE_S)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        while not _take(held, name):
            waited, who = time.monotonic() - began, holder(name)
            if who is not None and waited >= patience_s:
                raise LabError(f"{who} is changing the lab at this moment", who.cure)
            if who is not None and waited - told >= SIGN_OF_LIFE_S:
                told = waited
                say(f"...    waiting for {who}: {waited:.0f} s of at most {patience_s:.0f} s; Ctrl-C ends the wait")
            time.sleep(_POLL_S)
        held.listen()
        answering = threading.Thread(target=_answer, args=(held,), daemon=True)
        answering.start()
        try:
            yield
        finally:
            held.shutdown(socket.SHUT_RDWR)
            answering.join()


def _answer(held: socket.socket) -> None:
    """Take every question off the queue: once that is full, whoever asks would wait for the end of the lock."""
    with contextlib.suppress(OSError):
        while True:
            held.accept()[0].close()


def _take(held: socket.socket, name: str) -> bool:
    try:
        held.bind(name)
    except OSError:
        return False
    return True


def holder(name: str) -> Holder | None:
    """Return who holds the lock, None where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
        except BlockingIOError:  # held, by one that answers nobody
            return Holder(0)
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    command = words(pid)  # the lock is held, so the process lives and is the one that took it
    if "-m" in command and command[command.index("-m") + 1 :][:1] == ["lab"]:
        command = ["./rag", *command[command.index("-m") + 2 :]]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(started_at(pid)))
    try:
        checkout = str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:  # another user's
        checkout = "a folder that this user may not see"
    return Holder(pid, " ".join(command)[:100] or "a command", since, checkout)


def enter(steps: Sequence[str], pid: int, file: Path = PROGRESS) -> None:
    """Write down that the process `pid` is in those steps."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps({**identity(pid), "steps": list(steps), "since": since, "checkout": str(REPOSITORY)}))


def leave(file: Path = PROGRESS) -> None:
    """Write down that it came to its end."""
    file.unlink(missing_ok=True)


def unfinished(file: Path = PROGRESS) -> dict[str, Any] | None:
    """Return the steps that were under way last in a `./rag up` that has not come to its end, None for none."""
    return read_json(file)


def cut_short(file: Path = PROGRESS) -> str:
    """Return where the last `./rag up` failed or was killed, "" where it was not."""
    progress = unfinished(file)
    return "" if progress is None or is_alive(progress) else f"{_steps(progress)} ({progress['since']}, in {progress['checkout']})"


def at_work(file: Path = PROGRESS) -> str:
    """Return in which steps a `./rag up` is at this moment, "" where none is."""
    progress = unfinished(file)
    return f"in {_steps(progress)}" if progress is not None and is_alive(progress) else ""


def _steps(progress: Mapping[str, Any]) -> str:
    return " and ".join(f"`{step}`" for step in progress.get("steps", ["?"]))
