"""One call: the bytes that are sent, what came back of it, and what that means in gRPC's words."""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import grpc

from grpc_unary.frames import ProtocolError, headers

Done = Callable[[Any], None]
"""Takes the bytes of an answer, or the exception that the call died of; called once, at the moment that it ended."""
_FRAMED = struct.Struct(">BI")
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class CallError(Exception):
    """A call without an answer: gRPC's name of the reason, and what is known of it."""

    def __init__(self, status: grpc.StatusCode | int, message: str) -> None:
        code = status if isinstance(status, int) else status.value[0]
        super().__init__(f"{_NAMES.get(code, code)}: {message}")
        self.why = message


def framed(message: bytes) -> bytes:
    """Return the message as it is sent: not compressed, with its length."""
    return _FRAMED.pack(0, len(message)) + message


class Call:
    """One call that is under way: `stream` is its number on the connection, 0 until it was sent.

    `room` and `sent`: how many bytes of the body the server still takes, and were sent, kept only while a part of it waits. `head`, `tail`
    and `answer`: header block, trailers and body that came back so far.
    """

    __slots__ = ("_again", "_done", "answer", "body", "ended", "head", "refusals", "room", "sent", "stream", "tail", "until_s")

    def __init__(self, body: bytes, done: Done, until_s: float, again: Callable[["Call"], None]) -> None:
        self.body, self.until_s = body, until_s
        self.stream = self.room = self.sent = self.refusals = 0
        self.head = self.tail = self.answer = b""
        self.ended = False
        self._done, self._again = done, again

    def answered(self) -> None:
        """End with the answer, or with what the server said instead."""
        status, reason = _status(self.head, self.tail)
        message = self.answer
        if status:
            self.end(CallError(status, reason))
        elif len(message) < _FRAMED.size or _FRAMED.unpack_from(message) != (0, len(message) - _FRAMED.size):
            self.end(CallError(grpc.StatusCode.INTERNAL, f"the answer of {len(message)} bytes is no gRPC message"))
        else:
            self.end(message[_FRAMED.size :])

    def refused(self) -> None:
        """Send it again."""
        self.refusals += 1
        self.stream, self.head = 0, b""
        self._again(self)

    def failed(self, why: str) -> None:
        """End without an answer."""
        self.end(CallError(grpc.StatusCode.UNAVAILABLE, why))

    def end(self, outcome: bytes | CallError) -> None:
        """Pass the outcome on, once."""
        if not self.ended:
            self.ended = True
            self._done(outcome)


@lru_cache(maxsize=256)
def _status(head: bytes, tail: bytes) -> tuple[int, str]:
    """Return status and message of an answer by its first headers and its trailers, which may be one block."""
    try:
        first, last = headers(head), headers(tail or head)
    except ProtocolError as error:
        return int(grpc.StatusCode.INTERNAL.value[0]), str(error)
    status = last.get("grpc-status", "")
    if status.isdecimal():
        return int(status), unquote(last.get("grpc-message", ""))
    came = f"HTTP status {first.get(':status', 'none')}, {first.get('content-type', 'no content type')}"
    return int(grpc.StatusCode.UNKNOWN.value[0]), f"the answer is not gRPC's ({came})"
