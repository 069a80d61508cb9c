"""One `make up` or `make down` at a time on a machine: a lock that dies with its holder.

It is a socket in the kernel's abstract namespace: no file to leave behind, and the kernel tells the second who the first is.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from lab.errors import LabError

NAME = "\0milvus-x10000-lab"


@contextmanager
def only_one(name: str = NAME) -> Iterator[None]:
    """Hold the lock for the block.

    Raises LabError naming the holder's process id when another command has it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        try:
            held.bind(name)
        except OSError:
            pid = _holder(name)
            raise LabError(
                f"process {pid} is changing the lab at this moment", f"wait for it, or end it: `kill {pid}`; then the same command again"
            ) from None
        held.listen()
        yield


def _holder(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(name)
        except OSError:
            return "(just ended)"
        pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return str(pid)
