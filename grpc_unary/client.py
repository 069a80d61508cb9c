"""Calls over one connection at a time, which is made anew when it has to be.

A server that comes back is found within a fifth of a second. It does not retry what a server may have seen; what fails is counted. What a
server says that it has not looked at is sent again until its time is over: one that allows few streams refuses some for a moment, since it
counts a stream as open for longer than its client.
"""

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import grpc

from grpc_unary.call import Call, CallError, Done
from grpc_unary.connection import Connection
from grpc_unary.frames import ProtocolError

_SILENT_MS = 10_000
_AGAIN_AFTER_S = 0.2
"""A server that could not be reached is taken to be away for so long: calls meanwhile fail at once, as with gRPC."""
_PAUSE_S = 0.001  # before a call that was refused twice is sent again; doubled each time


class UnaryCalls:
    """An async context manager; `fire` sends without waiting, `ask` waits for the answer. `metadata` may name a user-agent."""

    def __init__(
        self,
        *,
        url: str,
        method: str,
        metadata: Sequence[tuple[str, str]],
        timeout_s: float,
        ssl_context: ssl.SSLContext | None = None,
        server_name: str = "",
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._timeout_s = parts.hostname or "", parts.port or (443 if ssl_context else 80), timeout_s
        self._ssl_context, self._server_name = ssl_context, server_name
        self._fields = [
            (":method", "POST"),
            (":scheme", parts.scheme),
            (":path", method),
            (":authority", server_name or parts.netloc),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", f"{round(timeout_s * 1e3)}m"),
            *metadata,
        ]
        self._connection: Connection | None = None
        self._connections = list[Connection]()
        self._connecting: asyncio.Task[None] | None = None
        self._waiting = list[Call]()
        self._calls = deque[Call]()
        self._timer: asyncio.TimerHandle | None = None
        self._away_until_s, self._away = 0.0, ""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._connection = await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for call in self._calls:
            call.failed("the client was closed")
        for connection in self._connections:
            connection.close()
            await connection.closed

    async def ask(self, body: bytes) -> bytes:
        """Send what `framed` returned, and return the answer; CallError when there is none, after the time-out at the latest."""
        ended = self._loop.create_future()

        def end(outcome: bytes | CallError) -> None:
            if not ended.done():
                ended.set_result(outcome)

        self.fire(body, end)
        outcome: bytes | CallError = await ended
        if isinstance(outcome, CallError):
            raise outcome
        return outcome

    def fire(self, body: bytes, done: Done) -> None:
        """Send what `framed` returned, and return at once."""
        call = Call(body, done, self._loop.time() + self._timeout_s, self._send_again)
        while self._calls and self._calls[0].ended:
            self._calls.popleft()
        self._calls.append(call)
        if self._timer is None:
            self._timer = self._loop.call_at(call.until_s, self._expire)
        self._send(call)

    def _send(self, call: Call) -> None:
        if call.ended:  # while it waited to be sent again
            return
        if self._connection is not None:
            self._connection.send(call)
        elif self._connecting is None and self._loop.time() < self._away_until_s:
            call.failed(self._away)
        else:
            self._waiting.append(call)
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect_again())

    def _send_again(self, call: Call) -> None:
        if call.refusals == 1:
            self._send(call)
        else:
            self._loop.call_later(_PAUSE_S * 2.0 ** (call.refusals - 2), self._send, call)

    def _expire(self) -> None:
        """End the calls whose time is over; all have the same time, so they stand in the order in which it ends."""
        self._timer = None
        now_s = self._loop.time()
        while self._calls and (self._calls[0].ended or self._calls[0].until_s <= now_s):
            call = self._calls.popleft()
            if not call.ended:
                if call in self._waiting:
                    self._waiting.remove(call)
                for connection in self._connections:
                    connection.forget(call)
                refused = f"; the server refused it {call.refusals} times without looking at it" if call.refusals else ""
                call.end(CallError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer within {self._timeout_s:g} s{refused}"))
        if self._calls:
            self._timer = self._loop.call_at(self._calls[0].until_s, self._expire)

    async def _connect_again(self) -> None:
        try:
            self._connection = await self._connected()
        except CallError as error:
            self._away, self._away_until_s = error.why, self._loop.time() + _AGAIN_AFTER_S
        waiting, self._waiting, self._connecting = self._waiting, [], None
        for call in waiting:
            self._send(call)

    async def _connected(self) -> Connection:
        """Return a connection over which the server spoke HTTP/2; CallError when there is none within the time-out."""
        connection = Connection(self._fields, self._lost)
        tls: dict[str, Any] = {"ssl": self._ssl_context, "server_hostname": self._server_name or self._host}
        try:
            async with asyncio.timeout(self._timeout_s):
                made = self._loop.create_connection(lambda: connection, self._host, self._port, **(tls if self._ssl_context else {}))
                transport, _ = await made
                if hasattr(
                    socket, "TCP_USER_TIMEOUT"
                ):  # or a peer that vanishes in silence, as a killed pod does, is written to for minutes
                    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
                await connection.ready
            if not connection.takes_requests:
                raise ProtocolError("it said goodbye at once")  # noqa: TRY301 - reported as all others are
        except (OSError, ProtocolError, TimeoutError) as error:
            connection.close()
            reason = str(error) or f"no answer within {self._timeout_s:g} s"
            if isinstance(error, ConnectionError) and error.errno:
                reason = os.strerror(error.errno)  # asyncio's own words name the address once more
            raise CallError(grpc.StatusCode.UNAVAILABLE, f"{self._host}:{self._port}: {reason}") from None
        self._connections = [each for each in self._connections if not each.closed.done()] + [connection]
        return connection

    def _lost(self) -> None:
        self._connection = None
