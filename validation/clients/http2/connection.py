"""One HTTP/2 connection of a client, as asyncio's loop drives it."""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

from validation.clients.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    GOODBYE,
    HEAD,
    HEADERS,
    LARGEST,
    MOST_STREAMS,
    NUMBER,
    PAIR,
    PING,
    PREFACE,
    PUSH,
    REFUSED,
    RESET,
    SETTINGS,
    TABLE_SIZE,
    USUAL_WINDOW,
    WIDE,
    WINDOW,
    ProtocolError,
    frame,
    unpadded,
)
from validation.clients.http2.sending import Exchange, Sending

_WIDEN_AFTER = 2**30
_BUFFER = 4 * LARGEST


class Connection(asyncio.BufferedProtocol):
    """Takes requests, and ends each once; `lost` is called once, when it takes no more."""

    def __init__(self, fields: Sequence[tuple[str, str]], lost: Callable[[], None]) -> None:
        self._lost = lost
        self._sending = Sending(fields)
        self._transport: Any = None
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._taken = 0
        self._unfinished: tuple[int, int, bytes] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server spoke HTTP/2; ProtocolError or ConnectionError when it did not."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.takes_requests = True

    def send(self, exchange: Exchange) -> None:
        """Send a request, as soon as the server takes it."""
        self._sending.send(exchange)

    def forget(self, exchange: Exchange) -> None:
        """Wait for the answer no longer."""
        self._sending.forget(exchange)

    def close(self) -> None:
        """End the connection; `closed` is done when it has ended, where it had begun."""
        self.ready.cancel()
        self._end("the client closed the connection")
        if self._transport is not None:
            self._transport.abort()

    # what the loop calls

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common type with `write`
        """Say how it is to be: remember no headers, push nothing, windows as wide as they go (3.4, 6.5, 6.9)."""
        self._transport = transport
        self._sending.begin(transport)
        wishes = ((TABLE_SIZE, 0), (PUSH, 0), (FIRST_WINDOW, WIDE))
        settings = frame(SETTINGS, 0, 0, b"".join(PAIR.pack(*wish) for wish in wishes))
        transport.write(PREFACE + settings + frame(WINDOW, 0, 0, NUMBER.pack(WIDE - USUAL_WINDOW)))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the room behind what is there of the next frame: it is larger than any frame."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take the whole frames off what arrived, and keep the rest."""
        self._filled += nbytes
        try:
            at = self._take_frames()
        except (ProtocolError, struct.error, IndexError) as error:
            self._break(error if isinstance(error, ProtocolError) else ProtocolError(f"it sent a frame that is none ({error})"))
            return
        self._filled -= at
        self._buffer[: self._filled] = self._buffer[at : at + self._filled]

    def _take_frames(self) -> int:
        """Return where the first frame begins that is not whole yet."""
        at = 0
        while self._filled - at >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(self._buffer, at)
            begin = at + HEAD.size
            end = begin + (high << 8 | low)
            if end - begin > LARGEST or not (self.ready.done() or kind == SETTINGS):
                raise ProtocolError("it does not speak HTTP/2")
            if end > self._filled:
                break
            self._take(kind, flags, stream & WIDE, bytes(self._view[begin:end]))
            at = end
        return at

    def eof_received(self) -> None:
        """Let the loop close the connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that is under way."""
        self._end(f"the connection was lost ({exc or 'the server closed it'})")
        self.closed.set_result(None)

    # what comes in

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == DATA:
            self._note_taken(len(content))
            exchange = self._sending.streams.get(stream)
            if exchange is not None:
                exchange.answer += unpadded(flags, content)
            if flags & END_STREAM:
                self._finish(stream)
        elif kind == HEADERS:
            self._take_headers(flags, stream, unpadded(flags, content))
        elif kind == CONTINUATION and self._unfinished:
            first_flags, began, begun = self._unfinished
            self._take_headers(first_flags | flags & END_HEADERS, began, begun + content)
        else:
            self._take_control(kind, flags, stream, content)

    def _note_taken(self, size: int) -> None:
        """Open the connection's window again long before it closes (6.9.1)."""
        self._taken += size
        if self._taken >= _WIDEN_AFTER:
            self._transport.write(frame(WINDOW, 0, 0, NUMBER.pack(self._taken)))
            self._taken = 0

    def _take_headers(self, flags: int, stream: int, content: bytes) -> None:
        if not flags & END_HEADERS:
            self._unfinished = flags, stream, content
            return
        self._unfinished = None
        exchange = self._sending.streams.get(stream)
        if exchange is not None:
            if exchange.head:
                exchange.tail = content
            else:
                exchange.head = content
        if flags & END_STREAM:
            self._finish(stream)

    def _finish(self, stream: int) -> None:
        exchange = self._sending.ended(stream)
        if exchange is not None:
            exchange.answered()

    def _take_control(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._agree(content)
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, content))
        elif kind == WINDOW:
            self._sending.widen(stream, NUMBER.unpack(content)[0] & WIDE)
        elif kind == RESET:
            self._reset(stream, NUMBER.unpack(content)[0])
        elif kind == GOODBYE:  # what the server has not looked at may be sent elsewhere (6.8)
            self._stop()
            for exchange in self._sending.unseen(NUMBER.unpack_from(content)[0] & WIDE):
                exchange.refused()

    def _agree(self, content: bytes) -> None:
        """Do as the server wishes; what it may say of compression and sizes is kept already (6.5.2)."""
        for name, value in (PAIR.unpack_from(content, at) for at in range(0, len(content), PAIR.size)):
            if name == MOST_STREAMS:
                self._sending.allow_streams(value)
            elif name == FIRST_WINDOW:
                self._sending.resize_windows(value)
        self._transport.write(frame(SETTINGS, ACK, 0))
        if not self.ready.done():
            self.ready.set_result(None)
        self._sending.go_on()

    def _reset(self, stream: int, code: int) -> None:
        exchange = self._sending.ended(stream)
        if exchange is None:
            return
        if code == REFUSED:
            exchange.refused()
        else:
            exchange.failed(f"the server ended the request (HTTP/2 error {code})")

    # how it ends

    def _stop(self) -> None:
        if self.takes_requests:
            self.takes_requests = False
            self._lost()

    def _break(self, error: ProtocolError) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
        self._end(str(error))
        self._transport.abort()

    def _end(self, why: str) -> None:
        self._stop()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        for exchange in self._sending.all():
            exchange.failed(why)
