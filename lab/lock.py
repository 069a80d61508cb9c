"""One command at a time on a machine: a lock that dies with its holder.

It is a socket in the kernel's abstract namespace: no file to leave behind, and the kernel tells the second who the first is.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.errors import LabError

LAB = "\0milvus-x10000-lab"
PACKAGES = "\0milvus-x10000-venv"


@contextmanager
def only_one(name: str, *, patience_s: float = 0) -> Iterator[None]:
    """Hold the lock for the block, waiting for it up to `patience_s` seconds.

    Raises LabError naming the holder's process id when another command has it.
    """
    end = time.monotonic() + patience_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        while not _bound(held, name):
            if time.monotonic() >= end:
                pid = holder(name) or "(just ended)"
                cure = f"wait for it, or end it: `kill {pid}`; then the same command again"
                raise LabError(f"process {pid} is changing the lab at this moment", cure)
            time.sleep(0.5)
        held.listen()
        yield


def _bound(held: socket.socket, name: str) -> bool:
    try:
        held.bind(name)
    except OSError:
        return False
    return True


def holder(name: str) -> str:
    """Return the id of the process that holds the lock, "" where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(name)
        except OSError:
            return ""
        pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return str(pid)
