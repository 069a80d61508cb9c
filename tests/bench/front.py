"""A Milvus that answers searches at once: passes every other call on to the real one, and its first search too, whose answer it repeats.

What a client itself can do is not seen on a server that is slower than it. This speaks just as much HTTP/2 as gRPC needs, over a socket
without TLS, for about a twentieth of a millisecond a search. `front.py MILVUS` prints its port, and ends when its standard input does.
"""

import asyncio
import struct
import sys
from typing import Any

import grpc.aio
from hpack import Decoder

from grpc_unary import framed
from grpc_unary.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEADERS,
    LARGEST,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    USUAL_WINDOW,
    WIDE,
    WINDOW,
    frame,
)

_SEARCH = "/milvus.proto.milvus.MilvusService/Search"
_OK = b"\x88" + b"\x0f\x10\x10application/grpc"  # :status 200, content-type, neither remembered
_OF_THE_TRANSPORT = {"te", "content-type", "user-agent"}
_TRAILERS = b"\x00\x0bgrpc-status\x010"


def answer(stream: int, message: bytes) -> bytes:
    """Return a whole gRPC answer: headers, the message, trailers that say that all is well."""
    whole = framed(message)
    data = [frame(DATA, 0, stream, whole[at : at + LARGEST]) for at in range(0, len(whole), LARGEST)]
    return b"".join([frame(HEADERS, END_HEADERS, stream, _OK), *data, frame(HEADERS, END_HEADERS | END_STREAM, stream, _TRAILERS)])


def refusal(stream: int, status: int) -> bytes:
    """Return a gRPC answer that is nothing but a status, of two digits at most."""
    told = b"\x00\x0bgrpc-status" + bytes([len(str(status))]) + str(status).encode()
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, _OK + told)


class Front(asyncio.Protocol):
    """One connection."""

    kept: bytes = b""
    """Milvus's answer to the first search, of all connections."""

    def __init__(self, milvus: grpc.aio.Channel) -> None:
        self._milvus = milvus
        self._buffer = b""
        self._headers = Decoder()
        self._calls = dict[int, tuple[str, list[tuple[str, str]], list[bytes]]]()
        self._window = USUAL_WINDOW
        self._waiting = list[tuple[int, bytes]]()
        self._tasks = set[asyncio.Task[None]]()

    def connection_made(self, transport: Any) -> None:
        """Open both windows wide: requests of a whole run fit."""
        self._to = transport
        transport.write(frame(SETTINGS, 0, 0, struct.pack(">HIHI", 4, WIDE, 3, 1_000_000)))
        transport.write(frame(WINDOW, 0, 0, struct.pack(">I", WIDE - USUAL_WINDOW)))

    def data_received(self, data: bytes) -> None:
        """Take whole frames off what arrived."""
        held = self._buffer + data
        at = len(PREFACE) if held.startswith(PREFACE) else 0
        while len(held) - at >= HEAD.size:
            end = at + HEAD.size + int.from_bytes(held[at : at + 3], "big")
            if len(held) < end:
                break
            self._take(held[at + 3], held[at + 4], int.from_bytes(held[at + 5 : at + HEAD.size], "big"), held[at + HEAD.size : end])
            at = end
        self._buffer = held[at:]

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == DATA:
            self._calls[stream][2].append(body)
        elif kind == HEADERS:
            headers = [(str(name), str(value)) for name, value in self._headers.decode(body)]
            self._calls[stream] = dict(headers)[":path"], headers, []
        elif kind == RESET:
            self._calls.pop(stream, None)
        elif kind in {SETTINGS, PING} and not flags & ACK:
            self._to.write(frame(kind, ACK, 0, body if kind == PING else b""))
        elif kind == WINDOW and not stream:
            self._window += int.from_bytes(body, "big")
            self._flush()
        if kind in {DATA, HEADERS} and flags & END_STREAM:
            self._finish(stream)

    def _finish(self, stream: int) -> None:
        path, headers, parts = self._calls.pop(stream)
        if path == _SEARCH and Front.kept:
            self._send(stream, Front.kept)
            return
        task = asyncio.get_running_loop().create_task(self._pass_on(stream, path, headers, b"".join(parts)[5:]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, stream: int, path: str, headers: list[tuple[str, str]], request: bytes) -> None:
        about = [(name, value) for name, value in headers if not name.startswith((":", "grpc-")) and name not in _OF_THE_TRANSPORT]
        call: Any = self._milvus.unary_unary(path, request_serializer=None, response_deserializer=None)
        try:
            message = await call(request, metadata=about, timeout=30)
        except grpc.aio.AioRpcError as error:
            self._to.write(refusal(stream, error.code().value[0]))
            return
        if path == _SEARCH:
            Front.kept = message
        self._send(stream, message)

    def _send(self, stream: int, message: bytes) -> None:
        self._waiting.append((stream, message))
        self._flush()

    def _flush(self) -> None:
        """Send what the client's window allows."""
        while self._waiting and self._window >= len(self._waiting[0][1]) + 5:
            stream, message = self._waiting.pop(0)
            self._window -= len(message) + 5
            self._to.write(answer(stream, message))


async def main(milvus: str) -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel(milvus) as channel:
        server = await loop.create_server(lambda: Front(channel), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
