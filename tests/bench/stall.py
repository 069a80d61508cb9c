"""A server that stalls: a TCP proxy on loopback that, once asked, holds every byte in both directions for some seconds and then lets it go.

It counts from the moment that searches flow, so that a contestant may take as long as it likes to get ready; it stalls once for each `arm`.
"""

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_FLOWING = 20_000
"""Bytes from clients after which searches are under way: a dozen of 384 dimensions, more than any connection needs to be set up."""


class Stalling:
    """A context manager; `port` is where to connect instead of `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks = set[asyncio.Task[None]]()
        self._plan: tuple[float, float] | None = None
        self._passed = 0
        self.held: list[tuple[float, float]] = []
        """When each stall began and ended, on the monotonic clock."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def arm(self, after_s: float, for_s: float) -> None:
        """Stall once, `after_s` after searches began to flow, for `for_s`."""
        self._passed, self._plan = 0, (after_s, for_s)

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there_reader, there_writer = await asyncio.open_connection(*self._upstream)
        try:
            await asyncio.gather(self._pass(reader, there_writer, counted=True), self._pass(there_reader, writer, counted=False))
        except (ConnectionError, asyncio.CancelledError):
            pass  # one side went away, or the block ended: so does the other
        finally:
            writer.close()
            there_writer.close()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        while data := await reader.read(_CHUNK):
            if counted:
                self._count(len(data))
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    def _count(self, size: int) -> None:
        self._passed += size
        if self._plan and self._passed > _FLOWING:
            (after_s, for_s), self._plan = self._plan, None
            self._loop.call_later(after_s, self._hold, for_s)

    def _hold(self, for_s: float) -> None:
        self._open.clear()
        begun_s = time.monotonic()

        def let_go() -> None:
            self.held.append((begun_s, time.monotonic()))
            self._open.set()

        self._loop.call_later(for_s, let_go)
