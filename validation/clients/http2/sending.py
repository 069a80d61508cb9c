"""What goes out on a connection: requests in their order, as far as the server's windows and its limit of streams allow (5.1.2, 6.9)."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from validation.clients.http2.frames import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEADERS,
    LARGEST,
    NUMBER,
    RESET,
    USUAL_WINDOW,
    WIDE,
    block,
    frame,
)


class Exchange(Protocol):
    """A request and its answer, as a connection needs to know them."""

    body: bytes
    """What is sent."""
    stream: int
    """Its number on the connection; 0 until it was sent."""
    room: int
    """How many bytes the server still takes on this stream; kept only while a part of the body waits."""
    sent: int
    """How many bytes of the body were sent; kept only while a part of it waits."""
    head: bytes
    tail: bytes
    answer: bytes
    """Header block, trailers and body that came back so far."""

    def answered(self) -> None:
        """Take note that the answer is whole."""

    def refused(self) -> None:
        """Take note that the server has not looked at it: it may be sent again."""

    def failed(self, why: str) -> None:
        """Take note that there will be no answer."""


class Sending:
    """The requests of one connection that have no answer yet."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._block = block(fields)
        self._opening = frame(HEADERS, END_HEADERS, 0, self._block)[: HEAD.size - NUMBER.size]
        self._transport: Any = None
        self._waiting = deque[Exchange]()
        self._next, self._most = 1, WIDE
        self._room, self._room_of_each = USUAL_WINDOW, USUAL_WINDOW
        self.streams = dict[int, Exchange]()
        """What was sent, or begun, by its number."""

    def begin(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common type with `write`
        """Send through this from now on."""
        self._transport = transport

    def send(self, exchange: Exchange) -> None:
        """Send a request, at once where that is allowed."""
        size = len(exchange.body)
        if self._waiting or size > min(self._room, self._room_of_each, LARGEST) or len(self.streams) >= self._most:
            self._waiting.append(exchange)
            self.go_on()
            return
        number = NUMBER.pack(self._number(exchange))
        self._room -= size
        ending = HEAD.pack(size >> 8, size & 0xFF, DATA, END_STREAM, exchange.stream)
        self._transport.write(b"".join((self._opening, number, self._block, ending, exchange.body)))

    def _number(self, exchange: Exchange) -> int:
        stream = exchange.stream = self._next
        self._next += 2
        self.streams[stream] = exchange
        return stream

    def go_on(self) -> None:
        """Send as much of what waits as is allowed by now."""
        while self._waiting:
            exchange = self._waiting[0]
            if not exchange.stream:
                if len(self.streams) >= self._most:
                    return
                exchange.room, exchange.sent = self._room_of_each, 0
                self._transport.write(self._opening + NUMBER.pack(self._number(exchange)) + self._block)
            if not self._send_part(exchange):
                return
            self._waiting.popleft()

    def _send_part(self, exchange: Exchange) -> bool:
        """Send what fits, and return whether it was all."""
        while (left := len(exchange.body) - exchange.sent) > 0:
            size = min(left, LARGEST, self._room, exchange.room)
            if size <= 0:
                return False
            part = exchange.body[exchange.sent : exchange.sent + size]
            self._transport.write(frame(DATA, END_STREAM if size == left else 0, exchange.stream, part))
            self._room -= size
            exchange.room -= size
            exchange.sent += size
        return True

    def allow_streams(self, most: int) -> None:
        """Have no more than so many under way."""
        self._most = most

    def resize_windows(self, size: int) -> None:
        """Let each stream take so many bytes at first; one that has begun is told the difference (6.9.2)."""
        if self._waiting and self._waiting[0].stream:
            self._waiting[0].room += size - self._room_of_each
        self._room_of_each = size

    def widen(self, stream: int, more: int) -> None:
        """Send so many bytes more: on a stream, or 0 for all of them together."""
        if not stream:
            self._room += more
        elif self._waiting and self._waiting[0].stream == stream:
            self._waiting[0].room += more
        self.go_on()

    def ended(self, stream: int) -> Exchange | None:
        """Return what had that number, and send what it kept waiting; None where nobody waits for it."""
        exchange = self.streams.pop(stream, None)
        if exchange is not None and self._waiting:
            self._unqueue(exchange)
            self.go_on()
        return exchange

    def _unqueue(self, exchange: Exchange) -> None:
        if exchange in self._waiting:
            self._waiting.remove(exchange)

    def forget(self, exchange: Exchange) -> None:
        """Wait for its answer no longer, and tell the server."""
        self._unqueue(exchange)
        if self.streams.get(exchange.stream) is exchange:
            self._transport.write(frame(RESET, 0, exchange.stream, NUMBER.pack(CANCEL)))
            self.ended(exchange.stream)

    def unseen(self, last: int) -> list[Exchange]:
        """Give up and return what has a higher number than `last`, or none yet."""
        given_up = [exchange for stream, exchange in self.streams.items() if stream > last]
        given_up += [exchange for exchange in self._waiting if not exchange.stream]
        self.streams = {stream: exchange for stream, exchange in self.streams.items() if stream <= last}
        self._waiting = deque(exchange for exchange in self._waiting if 0 < exchange.stream <= last)
        return given_up

    def all(self) -> list[Exchange]:
        """Give up and return everything."""
        return self.unseen(0)
