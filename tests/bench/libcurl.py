"""What a search costs over libcurl, beside the gate's own HTTP/2: CPU of a client process for each call, on a server that answers at once.

libcurl is given every advantage: handles that are used again, one connection, no time-outs, no errors, no clock, no trailers read. So what
it costs here is the least that a load generator over it would cost. `python -m tests.bench.libcurl`, with pycurl installed by hand.
"""

import asyncio
import importlib
import io
import multiprocessing
import resource
import statistics
import sys
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import grpc

from grpc_unary import UnaryCalls, framed

METHOD = "/bench.Bench/Search"
BODY, ANSWER = b"q" * 1_700, b"a" * 400
"""About what a search with 384 dimensions and its answer with ten ids weigh."""
CALLS, IN_FLIGHT, ROUNDS = 20_000, 16, 5


def serve(pipe: Connection) -> None:
    """Answer every call at once, until the pipe ends."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda _request, _context: ANSWER)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bench", {"Search": handler}),))
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    with suppress(EOFError):
        pipe.recv()


def own(port: int) -> None:
    """Make the calls with the gate's client."""

    async def run() -> None:
        calls = UnaryCalls(url=f"http://127.0.0.1:{port}", method=METHOD, metadata=(), timeout_s=30)
        over, body = asyncio.get_running_loop().create_future(), framed(BODY)
        sent = answered = 0

        def done(outcome: object) -> None:
            nonlocal sent, answered
            if outcome != ANSWER:
                raise SystemExit(f"not the answer: {outcome!r}")
            answered += 1
            if sent < CALLS:
                sent += 1
                calls.fire(body, done)
            elif answered == CALLS:
                over.set_result(None)

        async with calls:
            for _ in range(IN_FLIGHT):
                sent += 1
                calls.fire(body, done)
            await over

    asyncio.run(run())


class Curls:
    """Handles of one multi, each of which sends the next call once its last one is answered."""

    def __init__(self, curl: Any, port: int) -> None:
        self.curl, self.multi = curl, curl.CurlMulti()
        self.multi.setopt(curl.M_PIPELINING, curl.PIPE_MULTIPLEX)
        self.multi.setopt(curl.M_MAX_HOST_CONNECTIONS, 1)
        self.sent = self.answered = 0
        self.handles = [self._handle(port) for _ in range(IN_FLIGHT)]

    def _handle(self, port: int) -> Any:
        handle = self.curl.Curl()
        handle.setopt(self.curl.URL, f"http://127.0.0.1:{port}{METHOD}")
        handle.setopt(self.curl.HTTP_VERSION, self.curl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        handle.setopt(self.curl.HTTPHEADER, ["te: trailers", "content-type: application/grpc"])
        handle.setopt(self.curl.POSTFIELDS, framed(BODY))
        handle.setopt(self.curl.PIPEWAIT, 1)
        return handle

    def send(self, handle: Any) -> None:
        """Send one call, if one is left."""
        if self.sent < CALLS:
            handle.answer = io.BytesIO()
            handle.setopt(self.curl.WRITEFUNCTION, handle.answer.write)
            self.multi.add_handle(handle)
            self.sent += 1

    def take_answers(self) -> None:
        """Send the next call over every handle that has its answer."""
        for handle in self.multi.info_read()[1]:
            self.multi.remove_handle(handle)
            if handle.answer.getvalue() != framed(ANSWER):
                raise SystemExit(f"not the answer: {handle.answer.getvalue()!r}")
            self.answered += 1
            self.send(handle)


def libcurl(port: int) -> None:
    """Make the calls with libcurl."""
    curls = Curls(importlib.import_module("pycurl"), port)
    for handle in curls.handles:
        curls.send(handle)
    while curls.answered < CALLS:
        curls.multi.select(1.0)
        while curls.multi.perform()[0] == curls.curl.E_CALL_MULTI_PERFORM:
            pass
        curls.take_answers()


def cpu_us(client: Callable[[int], None], port: int) -> float:
    """Return the CPU time of one call in microseconds: user and system time of a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF)
        client(port)
        after = resource.getrusage(resource.RUSAGE_SELF)
        theirs.send((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / CALLS * 1e6)

    process = context.Process(target=run)
    process.start()
    spent: float = ours.recv()
    process.join()
    return spent


def main() -> int:
    """Print the table, median and range of the rounds in turn."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    spent: dict[str, list[float]] = {"the gate's own": [], "libcurl": []}
    for _ in range(ROUNDS):
        spent["the gate's own"].append(cpu_us(own, port))
        spent["libcurl"].append(cpu_us(libcurl, port))
    for name, times in spent.items():
        print(f"{name:15} {statistics.median(times):6.0f} us of CPU a call ({min(times):.0f} to {max(times):.0f})")
    ratios = [second / first for first, second in zip(*spent.values(), strict=True)]
    print(f"libcurl costs {statistics.median(ratios):.2f} times as much ({min(ratios):.2f} to {max(ratios):.2f})")
    server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
