"""One HTTP/2 connection of a client, as asyncio's loop drives it."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from grpc_unary import frames as h2
from grpc_unary.call import Call

_WIDEN_AFTER = 2**30
_BUFFER = 4 * h2.LARGEST


class Sending:
    """The requests of one connection that have no answer yet."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._block = h2.block(fields)
        self._opening = h2.frame(h2.HEADERS, h2.END_HEADERS, 0, self._block)[: h2.HEAD.size - h2.NUMBER.size]
        self.transport: Any = None  # where it is sent to, once there is a connection
        self._waiting = deque[Call]()
        self._next, self.most = 1, h2.WIDE  # number of the next stream, and how many may be under way at once
        self._room, self._room_of_each = h2.USUAL_WINDOW, h2.USUAL_WINDOW
        self.streams = dict[int, Call]()  # what was sent, or begun, by its number

    def send(self, call: Call) -> None:
        """Send a request, at once where that is allowed."""
        size = len(call.body)
        if self._waiting or size > min(self._room, self._room_of_each, h2.LARGEST) or len(self.streams) >= self.most:
            self._waiting.append(call)
            self.go_on()
            return
        number = h2.NUMBER.pack(self._number(call))
        self._room -= size
        ending = h2.HEAD.pack(size >> 8, size & 0xFF, h2.DATA, h2.END_STREAM, call.stream)
        self.transport.write(b"".join((self._opening, number, self._block, ending, call.body)))

    def _number(self, call: Call) -> int:
        stream = call.stream = self._next
        self._next += 2
        self.streams[stream] = call
        return stream

    def go_on(self) -> None:
        """Send as much of what waits as is allowed by now."""
        while self._waiting:
            call = self._waiting[0]
            if not call.stream:
                if len(self.streams) >= self.most:
                    return
                call.room, call.sent = self._room_of_each, 0
                self.transport.write(self._opening + h2.NUMBER.pack(self._number(call)) + self._block)
            if not self._send_part(call):
                return
            self._waiting.popleft()

    def _send_part(self, call: Call) -> bool:
        """Send what fits, and return whether it was all."""
        while (left := len(call.body) - call.sent) > 0:
            size = min(left, h2.LARGEST, self._room, call.room)
            if size <= 0:
                return False
            part = call.body[call.sent : call.sent + size]
            self.transport.write(h2.frame(h2.DATA, h2.END_STREAM if size == left else 0, call.stream, part))
            self._room -= size
            call.room -= size
            call.sent += size
        return True

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

    def ended(self, stream: int) -> Call | None:
        """Return what had that number, and send what it kept waiting; None where nobody waits for it."""
        call = self.streams.pop(stream, None)
        if call is not None and self._waiting:
            if call in self._waiting:
                self._waiting.remove(call)
            self.go_on()
        return call

    def forget(self, call: Call) -> None:
        """Wait for its answer no longer, and tell the server."""
        if call in self._waiting:
            self._waiting.remove(call)
        if self.streams.get(call.stream) is call:
            self.transport.write(h2.frame(h2.RESET, 0, call.stream, h2.NUMBER.pack(h2.CANCEL)))
            self.ended(call.stream)

    def unseen(self, last: int) -> list[Call]:
        """Give up and return what has a higher number than `last`, or none yet."""
        given_up = [call for stream, call in self.streams.items() if stream > last]
        given_up += [call for call in self._waiting if not call.stream]
        self.streams = {stream: call for stream, call in self.streams.items() if stream <= last}
        self._waiting = deque(call for call in self._waiting if 0 < call.stream <= last)
        return given_up


class Connection(asyncio.BufferedProtocol):
    """Takes requests, and ends each once; `lost` is called once, when it takes no more."""

    def __init__(self, fields: Sequence[tuple[str, str]], lost: Callable[[], None]) -> None:
        self._lost = lost
        self._sending = Sending(fields)
        self.send, self.forget = self._sending.send, self._sending.forget
        self._transport: Any = None
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._taken = 0
        self._unfinished: tuple[int, int, bytes] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server spoke HTTP/2; h2.ProtocolError or ConnectionError when it did not."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.takes_requests = True

    def close(self) -> None:
        """End the connection; `closed` is done when it has ended, where it had begun."""
        self.ready.cancel()
        self._end("the client closed the connection")
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports have no common type with `write`
        """Say how it is to be: remember no headers, push nothing, windows as wide as they go (3.4, 6.5, 6.9)."""
        self._transport = transport
        self._sending.transport = transport
        wishes = ((h2.TABLE_SIZE, 0), (h2.PUSH, 0), (h2.FIRST_WINDOW, h2.WIDE))
        settings = h2.frame(h2.SETTINGS, 0, 0, b"".join(h2.PAIR.pack(*wish) for wish in wishes))
        transport.write(h2.PREFACE + settings + h2.frame(h2.WINDOW, 0, 0, h2.NUMBER.pack(h2.WIDE - h2.USUAL_WINDOW)))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the room behind what is there of the next frame: it is larger than any frame."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take the whole frames off what arrived, and keep the rest."""
        self._filled += nbytes
        try:
            at = self._take_frames()
        except (h2.ProtocolError, struct.error, IndexError) as error:
            broken = error if isinstance(error, h2.ProtocolError) else h2.ProtocolError(f"it sent a frame that is none ({error})")
            if not self.ready.done():
                self.ready.set_exception(broken)
            self._end(str(broken))
            self._transport.abort()
            return
        self._filled -= at
        self._buffer[: self._filled] = self._buffer[at : at + self._filled]

    def _take_frames(self) -> int:
        """Return where the first frame begins that is not whole yet."""
        at = 0
        while self._filled - at >= h2.HEAD.size:
            high, low, kind, flags, stream = h2.HEAD.unpack_from(self._buffer, at)
            begin = at + h2.HEAD.size
            end = begin + (high << 8 | low)
            if end - begin > h2.LARGEST or not (self.ready.done() or kind == h2.SETTINGS):
                raise h2.ProtocolError("it does not speak HTTP/2")
            if end > self._filled:
                break
            self._take(kind, flags, stream & h2.WIDE, bytes(self._view[begin:end]))
            at = end
        return at

    def eof_received(self) -> None:
        """Let the loop close the connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that is under way."""
        self._end(f"the connection was lost ({exc or 'the server closed it'})")
        self.closed.set_result(None)

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == h2.DATA:
            self._taken += len(content)
            if self._taken >= _WIDEN_AFTER:  # opens the connection's window again long before it closes (6.9.1)
                self._transport.write(h2.frame(h2.WINDOW, 0, 0, h2.NUMBER.pack(self._taken)))
                self._taken = 0
            call = self._sending.streams.get(stream)
            if call is not None:
                call.answer += h2.unpadded(flags, content)
            if flags & h2.END_STREAM:
                self._finish(stream)
        elif kind == h2.HEADERS:
            self._take_headers(flags, stream, h2.unpadded(flags, content))
        elif kind == h2.CONTINUATION and self._unfinished:
            first_flags, began, begun = self._unfinished
            self._take_headers(first_flags | flags & h2.END_HEADERS, began, begun + content)
        else:
            self._take_control(kind, flags, stream, content)

    def _take_headers(self, flags: int, stream: int, content: bytes) -> None:
        if not flags & h2.END_HEADERS:
            self._unfinished = flags, stream, content
            return
        self._unfinished = None
        call = self._sending.streams.get(stream)
        if call is not None:
            if call.head:
                call.tail = content
            else:
                call.head = content
        if flags & h2.END_STREAM:
            self._finish(stream)

    def _finish(self, stream: int) -> None:
        call = self._sending.ended(stream)
        if call is not None:
            call.answered()

    def _take_control(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == h2.SETTINGS and not flags & h2.ACK:
            self._agree(content)
        elif kind == h2.PING and not flags & h2.ACK:
            self._transport.write(h2.frame(h2.PING, h2.ACK, 0, content))
        elif kind == h2.WINDOW:
            self._sending.widen(stream, h2.NUMBER.unpack(content)[0] & h2.WIDE)
        elif kind == h2.RESET:
            self._reset(stream, h2.NUMBER.unpack(content)[0])
        elif kind == h2.GOODBYE:  # what the server has not looked at may be sent elsewhere (6.8)
            self._stop()
            for call in self._sending.unseen(h2.NUMBER.unpack_from(content)[0] & h2.WIDE):
                call.refused()

    def _agree(self, content: bytes) -> None:
        """Do as the server wishes; what it may say of compression and sizes is kept already (6.5.2)."""
        for name, value in (h2.PAIR.unpack_from(content, at) for at in range(0, len(content), h2.PAIR.size)):
            if name == h2.MOST_STREAMS:
                self._sending.most = value
            elif name == h2.FIRST_WINDOW:
                self._sending.resize_windows(value)
        self._transport.write(h2.frame(h2.SETTINGS, h2.ACK, 0))
        if not self.ready.done():
            self.ready.set_result(None)
        self._sending.go_on()

    def _reset(self, stream: int, code: int) -> None:
        call = self._sending.ended(stream)
        if call is None:
            return
        if code == h2.REFUSED:
            call.refused()
        else:
            call.failed(f"the server ended the request (HTTP/2 error {code})")

    def _stop(self) -> None:
        if self.takes_requests:
            self.takes_requests = False
            self._lost()

    def _end(self, why: str) -> None:
        self._stop()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        for call in self._sending.unseen(0):
            call.failed(why)
