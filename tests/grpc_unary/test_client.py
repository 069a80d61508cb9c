"""Calls over HTTP/2 of our own, against a real gRPC server."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from grpc_unary import CallError, UnaryCalls, framed
from tests.grpc_unary.peer import METHOD, Peer, calls


class Echo(grpc.GenericRpcHandler):
    """Answers with what it got; `no` is refused with a reason."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if request == b"no":
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "nicht erlaubt: 100 %")
            return request

        return grpc.unary_unary_rpc_method_handler(answer) if details.method == METHOD else None


@contextmanager
def echo(**options: int) -> Iterator[int]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Echo()], options=[(f"grpc.{name}", value) for name, value in options.items()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(grace=1).wait()


async def asked(port: int, *messages: bytes) -> list[bytes | BaseException]:
    async with calls(port) as client:
        return await asyncio.gather(*(client.ask(framed(message)) for message in messages), return_exceptions=True)


def test_every_call_gets_its_own_answer() -> None:
    messages = [b"%d" % number * (number + 1) for number in range(200)]
    with echo() as port:
        assert asyncio.run(asked(port, *messages)) == messages


def test_a_message_larger_than_any_window_goes_out_and_comes_back_whole() -> None:
    messages = [bytes([number]) * 700_000 for number in range(3)]
    with echo() as port:
        assert asyncio.run(asked(port, *messages)) == messages


def test_no_more_calls_are_under_way_than_the_server_wants_at_once() -> None:
    messages = [b"%d" % number for number in range(50)]
    with echo(max_concurrent_streams=2) as port:
        assert asyncio.run(asked(port, *messages)) == messages


def test_a_call_that_is_refused_says_with_which_status_and_why() -> None:
    with echo() as port:
        (error,) = asyncio.run(asked(port, b"no"))
    assert isinstance(error, CallError)
    assert str(error) == "PERMISSION_DENIED: nicht erlaubt: 100 %"


def test_nobody_there_is_said_at_once_with_the_address() -> None:
    with echo() as port:
        pass
    with pytest.raises(CallError, match=rf"^UNAVAILABLE: 127\.0\.0\.1:{port}: .*refused"):
        asyncio.run(asked(port, b"x"))


def test_a_server_that_was_away_is_found_again() -> None:
    async def restarted() -> tuple[list[bytes | BaseException], bytes]:
        with echo() as port:
            client = calls(port)
            await client.__aenter__()
            assert await client.ask(framed(b"before")) == b"before"
        missed = await asyncio.gather(*(client.ask(framed(b"away")) for _ in range(3)), return_exceptions=True)
        with ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool, handlers=[Echo()])
            assert server.add_insecure_port(f"127.0.0.1:{port}") == port
            server.start()
            found = await _until_answered(client)
            await client.__aexit__()
            server.stop(grace=1).wait()
        return missed, found

    missed, found = asyncio.run(restarted())
    assert all(isinstance(error, CallError) and str(error).startswith("UNAVAILABLE: ") for error in missed)
    assert found == b"back"


async def _until_answered(client: UnaryCalls) -> bytes:
    for _ in range(600):
        try:
            return await client.ask(framed(b"back"))
        except CallError:
            await asyncio.sleep(0.05)
    raise AssertionError("a server that is back is not found")


def test_a_server_that_vanishes_in_silence_is_given_up_after_ten_seconds() -> None:
    async def option() -> int:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await Peer(reader, writer).greet()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with UnaryCalls(url=address, method="/a/b", metadata=(), timeout_s=5, ssl_context=None, server_name="") as calls:
                used = calls._connections[0]._transport.get_extra_info("socket")
                return int(used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    assert asyncio.run(option()) == 10_000
