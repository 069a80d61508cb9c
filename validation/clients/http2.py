"""One HTTP/2 connection of a client that asks, again and again, the same thing with another body: gRPC's unary calls of one method.

It exists because the client must cost less than what it measures: docs/bench.md says what gRPC's own and the h2 library take. The bytes of
a request are ready but for the number of its stream; whatever answers came are taken in one read, and each one's end is told at once. It
speaks what such a client needs and no more: flow control both ways, the limit of streams, pings, a server that says goodbye. No push, no
priorities, no body that comes bit by bit. The server is told to remember no headers (SETTINGS_HEADER_TABLE_SIZE 0), so equal blocks mean
equal headers, and each is decoded once. RFC 9113 and RFC 7541; numbers in brackets are the former's sections.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOODBYE, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_ACK = _END_STREAM = 1
_END_HEADERS, _PADDED, _PRIORITY = 4, 8, 32
_TABLE_SIZE, _PUSH, _MOST_STREAMS, _FIRST_WINDOW = 1, 2, 3, 4
_CANCEL, _REFUSED = 8, 7
_HEAD = struct.Struct(">HBBBI")
"""Length of what follows (as 16 and 8 bits), kind, flags, stream (4.1)."""
_PAIR, _NUMBER = struct.Struct(">HI"), struct.Struct(">I")
_LARGEST = 16_384
"""Of a frame, in bytes, both ways: what everybody must take (4.2)."""
_USUAL_WINDOW = 65_535
_WIDE = 2**31 - 1
_WIDEN_AFTER = 2**30
_BUFFER = 4 * _LARGEST


class Exchange(Protocol):
    """A request and its answer, as the connection needs to know them."""

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


class ProtocolError(Exception):
    """What came is no HTTP/2, or not as it was agreed."""


@lru_cache(maxsize=1_024)
def headers(block: bytes) -> dict[str, str]:
    """Return the headers of a block from a server that remembers none; ProtocolError when it is no such block."""
    try:
        return {str(name): str(value) for name, value in Decoder().decode(block)}
    except (HPACKError, UnicodeDecodeError) as error:
        raise ProtocolError(f"its headers cannot be read ({type(error).__name__}: {error})") from None


def block(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return a header block that leaves nothing behind in the server's memory, so that it can be sent again and again."""
    made: bytes = Encoder().encode([NeverIndexedHeaderTuple(name, value) for name, value in fields])
    if len(made) > _LARGEST:
        raise ValueError(f"the headers of a request take {len(made)} bytes, and {_LARGEST} is what every server takes")
    return made


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """Return one frame."""
    size = len(content)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + content


class Connection(asyncio.BufferedProtocol):
    """One connection; `lost` is called once, with the reason, when it takes no more requests."""

    def __init__(self, fields: Sequence[tuple[str, str]], lost: Callable[[], None]) -> None:
        self._block = block(fields)
        self._opening = _HEAD.pack(len(self._block) >> 8, len(self._block) & 0xFF, _HEADERS, _END_HEADERS, 0)[:5]
        self._lost = lost
        self._transport: Any = None
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._streams = dict[int, Exchange]()
        self._waiting = deque[Exchange]()
        self._next, self._most = 1, _WIDE
        self._room, self._room_of_each = _USUAL_WINDOW, _USUAL_WINDOW
        self._taken = 0
        self._unfinished: tuple[int, int, bytes] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server spoke HTTP/2; ProtocolError or ConnectionError when it did not."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.takes_requests = True

    # what the loop calls

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common type with these methods
        """Say what was agreed: remember no headers, push nothing, windows as wide as they go (3.4, 6.5, 6.9)."""
        self._transport = transport
        wishes = ((_TABLE_SIZE, 0), (_PUSH, 0), (_FIRST_WINDOW, _WIDE))
        settings = frame(_SETTINGS, 0, 0, b"".join(_PAIR.pack(*wish) for wish in wishes))
        transport.write(PREFACE + settings + frame(_WINDOW, 0, 0, _NUMBER.pack(_WIDE - _USUAL_WINDOW)))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the room behind what is there of the next frame: it is larger than any frame."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take the whole frames off what arrived, and keep the rest."""
        self._filled += nbytes
        at = 0
        try:
            while self._filled - at >= _HEAD.size:
                high, low, kind, flags, stream = _HEAD.unpack_from(self._buffer, at)
                begin = at + _HEAD.size
                end = begin + (high << 8 | low)
                if end - begin > _LARGEST or not (self.ready.done() or kind == _SETTINGS):
                    raise ProtocolError("it does not speak HTTP/2")  # noqa: TRY301 - told as all others are
                if end > self._filled:
                    break
                self._take(kind, flags, stream & _WIDE, bytes(self._view[begin:end]))
                at = end
        except (ProtocolError, struct.error, IndexError) as error:
            self._break(error if isinstance(error, ProtocolError) else ProtocolError(f"it sent a frame that is none ({error})"))
            return
        self._filled -= at
        self._buffer[: self._filled] = self._buffer[at : at + self._filled]

    def eof_received(self) -> None:
        """Let the loop close the connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that is under way."""
        self._end(f"the connection was lost ({exc or 'the server closed it'})")
        self.closed.set_result(None)

    # what the client calls

    def send(self, exchange: Exchange) -> None:
        """Send a request, at once where the windows allow it."""
        size = len(exchange.body)
        if self._waiting or size > min(self._room, self._room_of_each, _LARGEST) or len(self._streams) >= self._most:
            self._waiting.append(exchange)
            self._send_waiting()
            return
        stream = self._begin(exchange)
        self._room -= size
        self._transport.write(
            b"".join(
                (
                    self._opening,
                    _NUMBER.pack(stream),
                    self._block,
                    _HEAD.pack(size >> 8, size & 0xFF, _DATA, _END_STREAM, stream),
                    exchange.body,
                )
            )
        )

    def forget(self, exchange: Exchange) -> None:
        """Wait for the answer no longer."""
        if exchange in self._waiting:
            self._waiting.remove(exchange)
        if self._streams.get(exchange.stream) is exchange:
            del self._streams[exchange.stream]
            self._transport.write(frame(_RESET, 0, exchange.stream, _NUMBER.pack(_CANCEL)))
            self._send_waiting()

    def close(self) -> None:
        """End the connection; `closed` is done when it has ended, where it had begun."""
        self.ready.cancel()
        self._end("the client closed the connection")
        if self._transport is not None:
            self._transport.abort()

    # sending

    def _begin(self, exchange: Exchange) -> int:
        stream = exchange.stream = self._next
        self._next += 2
        self._streams[stream] = exchange
        return stream

    def _send_waiting(self) -> None:
        """Send as much of what waits, in its order, as windows and streams allow (6.9)."""
        while self._waiting:
            exchange = self._waiting[0]
            if not exchange.stream:
                if len(self._streams) >= self._most:
                    return
                stream = self._begin(exchange)
                exchange.room, exchange.sent = self._room_of_each, 0
                self._transport.write(self._opening + _NUMBER.pack(stream) + self._block)
            if not self._send_part(exchange):
                return

    def _send_part(self, exchange: Exchange) -> bool:
        """Send what fits, and return whether it was all."""
        while (left := len(exchange.body) - exchange.sent) > 0:
            size = min(left, _LARGEST, self._room, exchange.room)
            if size <= 0:
                return False
            part = exchange.body[exchange.sent : exchange.sent + size]
            self._transport.write(frame(_DATA, _END_STREAM if size == left else 0, exchange.stream, part))
            self._room -= size
            exchange.room -= size
            exchange.sent += size
        self._waiting.popleft()
        return True

    # receiving

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == _DATA:
            self._note_taken(len(content))
            exchange = self._streams.get(stream)
            if exchange is not None:
                exchange.answer += _unpadded(flags, content)
        elif kind == _HEADERS:
            self._take_headers(flags, stream, _unpadded(flags, content))
            return
        elif kind == _CONTINUATION and self._unfinished:
            began, first_flags, begun = self._unfinished
            self._take_headers(first_flags | flags & _END_HEADERS, began, begun + content)
            return
        else:
            self._take_other(kind, flags, stream, content)
            return
        if flags & _END_STREAM:
            self._finish(stream)

    def _take_headers(self, flags: int, stream: int, content: bytes) -> None:
        if not flags & _END_HEADERS:
            self._unfinished = stream, flags, content
            return
        self._unfinished = None
        exchange = self._streams.get(stream)
        if exchange is None:
            return
        if exchange.head:
            exchange.tail = content
        else:
            exchange.head = content
        if flags & _END_STREAM:
            self._finish(stream)

    def _finish(self, stream: int) -> None:
        exchange = self._streams.pop(stream, None)
        if exchange is None:
            return
        if self._waiting:
            if exchange in self._waiting:  # answered before all of it was sent
                self._waiting.remove(exchange)
            self._send_waiting()
        exchange.answered()

    def _note_taken(self, size: int) -> None:
        """Open the connection's window again long before it closes (6.9.1)."""
        self._taken += size
        if self._taken >= _WIDEN_AFTER:
            self._transport.write(frame(_WINDOW, 0, 0, _NUMBER.pack(self._taken)))
            self._taken = 0

    def _take_other(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self._agree([_PAIR.unpack_from(content, at) for at in range(0, len(content), _PAIR.size)])
        elif kind == _PING and not flags & _ACK:
            self._transport.write(frame(_PING, _ACK, 0, content))
        elif kind == _WINDOW:
            self._widen(stream, _NUMBER.unpack(content)[0] & _WIDE)
        elif kind == _RESET:
            self._reset(stream, _NUMBER.unpack(content)[0])
        elif kind == _GOODBYE:
            self._say_goodbye(_NUMBER.unpack_from(content)[0] & _WIDE)

    def _agree(self, wishes: Sequence[tuple[int, int]]) -> None:
        """Do as the server wishes (6.5.2); what it says about compression and sizes is kept already."""
        for name, value in wishes:
            if name == _MOST_STREAMS:
                self._most = value
            elif name == _FIRST_WINDOW:
                if self._waiting and self._waiting[0].stream:
                    self._waiting[0].room += value - self._room_of_each
                self._room_of_each = value
        self._transport.write(frame(_SETTINGS, _ACK, 0))
        if not self.ready.done():
            self.ready.set_result(None)
        self._send_waiting()

    def _widen(self, stream: int, more: int) -> None:
        if not stream:
            self._room += more
        elif self._waiting and self._waiting[0].stream == stream:
            self._waiting[0].room += more
        self._send_waiting()

    def _reset(self, stream: int, code: int) -> None:
        exchange = self._streams.pop(stream, None)
        if exchange is None:
            return
        if exchange in self._waiting:
            self._waiting.remove(exchange)
        if code == _REFUSED:
            exchange.refused()
        else:
            exchange.failed(f"the server ended the request (HTTP/2 error {code})")
        self._send_waiting()

    def _say_goodbye(self, last: int) -> None:
        """Take no more requests; those that the server has not looked at may be sent elsewhere (6.8)."""
        self._stop()
        unseen = [exchange for stream, exchange in self._streams.items() if stream > last]
        unsent = [exchange for exchange in self._waiting if not exchange.stream]
        self._streams = {stream: exchange for stream, exchange in self._streams.items() if stream <= last}
        self._waiting = deque(exchange for exchange in self._waiting if 0 < exchange.stream <= last)
        for exchange in unseen + unsent:
            exchange.refused()

    # ending

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
        under_way = [*self._streams.values(), *(exchange for exchange in self._waiting if not exchange.stream)]
        self._streams, self._waiting = {}, deque()
        for exchange in under_way:
            exchange.failed(why)


def _unpadded(flags: int, content: bytes) -> bytes:
    """Return a frame's content without padding and priority (6.1, 6.2)."""
    if not flags & (_PADDED | _PRIORITY):
        return content
    begin, end = 0, len(content)
    if flags & _PADDED:
        begin, end = 1, end - content[0]
    return content[begin + (5 if flags & _PRIORITY else 0) : end]
