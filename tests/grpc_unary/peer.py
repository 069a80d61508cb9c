"""A server's side of HTTP/2 that does what a test says, also what no good server does."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from grpc_unary import UnaryCalls, framed
from grpc_unary.frames import DATA, HEADERS, PREFACE, SETTINGS, block, frame

METHOD = "/test.Service/Ask"
OK = block([(":status", "200"), ("content-type", "application/grpc")])
WELL = block([("grpc-status", "0")])


def calls(port: int, timeout_s: float = 20) -> UnaryCalls:
    return UnaryCalls(url=f"http://127.0.0.1:{port}", method=METHOD, metadata=[("dbname", "db")], timeout_s=timeout_s)


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def greet(self, *wishes: tuple[int, int]) -> None:
        assert await self._reader.readexactly(len(PREFACE)) == PREFACE
        self.say(frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *wish) for wish in wishes)))

    async def hear(self) -> tuple[int, int, int, bytes]:
        """Return kind, flags, stream and content of the next frame."""
        head = await self._reader.readexactly(9)
        return head[3], head[4], int.from_bytes(head[5:]), await self._reader.readexactly(int.from_bytes(head[:3]))

    async def next(self, kind: int, *, last: bool = False) -> tuple[int, bytes]:
        """Return stream and content of the next frame of a kind; `last`: one that ends its stream."""
        while True:
            found, flags, stream, content = await self.hear()
            if found == kind and (not last or flags & 1):
                return stream, content

    def say(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))

    def answer(self, stream: int, message: bytes = b"yes") -> None:
        self.say(frame(HEADERS, 4, stream, OK), frame(DATA, 0, stream, framed(message)), frame(HEADERS, 5, stream, WELL))


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def served(*scripts: Script) -> AsyncIterator[int]:
    """Play one script for each connection, in their order, and close it."""
    left, playing = list(scripts), set[asyncio.Task[None]]()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        playing.add(task)
        try:
            await left.pop(0)(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went first
        finally:
            writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


def told(*scripts: Script, messages: tuple[bytes, ...] = (b"x",), timeout_s: float = 20) -> list[bytes | BaseException]:
    """Return what came of calls that were made at the same time."""

    async def run() -> list[bytes | BaseException]:
        async with served(*scripts) as port, calls(port, timeout_s) as client:
            return await asyncio.gather(*(client.ask(framed(message)) for message in messages), return_exceptions=True)

    return asyncio.run(run())
