"""What of a latency is the generator's own: the same searches against a server on loopback that answers each at once.

The server is as little as HTTP/2 lets it be: it looks at no request but for its end. So this is the generator, the sockets and the wake-ups
of this machine, which every search of the run has paid as well.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from grpc_unary import framed
from grpc_unary import frames as http2
from validation.clients.login import Login
from validation.clients.milvus_connection import DEFAULT_TLS
from validation.clients.searcher import LoadTarget
from validation.load import open_loop, workers

_SEARCHES, _RATE = 200, 100.0
_OK = http2.block([(":status", "200"), ("content-type", "application/grpc")])
_WELL = http2.block([("grpc-status", "0")])


class _Server(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, and let the peer send as much as it likes."""
        self._wire, self._left = transport, b""
        wide = http2.frame(http2.WINDOW, 0, 0, http2.NUMBER.pack(http2.WIDE - http2.USUAL_WINDOW))
        self._wire.write(http2.frame(http2.SETTINGS, 0, 0) + wide)  # type: ignore[attr-defined]  # of a socket it is a Transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        left = self._left + data
        left = left.removeprefix(http2.PREFACE)
        while len(left) >= http2.HEAD.size and len(left) >= (end := http2.HEAD.size + int.from_bytes(left[:3])):
            kind, flags, stream = left[3], left[4], int.from_bytes(left[5:9])
            if kind == http2.SETTINGS and not flags & http2.ACK:
                self._wire.write(http2.frame(http2.SETTINGS, http2.ACK, 0))  # type: ignore[attr-defined]
            elif kind == http2.DATA and flags & http2.END_STREAM:
                answer = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, _OK) + http2.frame(http2.DATA, 0, stream, framed(b""))
                done = http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, _WELL)
                self._wire.write(answer + done)  # type: ignore[attr-defined]
            left = left[end:]
        self._left = left


@contextmanager
def serving() -> Iterator[str]:
    """Serve in a thread, and yield the address."""
    loop = open_loop.punctual_loop()
    server = loop.run_until_complete(loop.create_server(_Server, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def samples(target: LoadTarget, dimension: int) -> Sequence[open_loop.Sample]:
    """Send searches as `target` is sent them, to loopback."""
    vectors = np.random.default_rng(0).standard_normal((_SEARCHES, dimension)).astype(np.float32)
    due_s = open_loop.offsets(_SEARCHES, _RATE, "constant", 0)
    with serving() as uri:
        local = replace(target, uri=uri, tls=DEFAULT_TLS, login=Login(), connections=1)
        return workers.run_load(local, workers.partition(vectors, [""] * _SEARCHES, due_s, 1))
