"""What a stall looks like: the gate shows it to every request that was due meanwhile, a loop that waits for answers to one."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.bench.stall import Stalling
from tests.validation.load.tasks import awaiting
from validation.load import open_loop

STALL_S = 0.6
REQUEST = b"x" * 1_700
METHOD = "/milvus.proto.milvus.MilvusService/Search"


class Echo(grpc.GenericRpcHandler):
    """Answers every call with what it got."""

    def service(self, _details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, _context: request)


@pytest.fixture
def stalling() -> Iterator[Stalling]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Echo()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with Stalling("127.0.0.1", port) as proxy:
            yield proxy
        server.stop(grace=1).wait()


def test_every_request_that_was_due_during_a_stall_ends_after_it(stalling: Stalling) -> None:
    async def shoot() -> list[open_loop.Sample]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{stalling.port}") as channel:
            call: Any = channel.unary_unary(METHOD)

            async def send(_: int) -> list[int]:
                return [len(await call(REQUEST, timeout=60))]

            stalling.arm(after_s=0.2, for_s=STALL_S)
            return await open_loop.while_going(awaiting(send), 100, lambda: not stalling.held)

    samples = asyncio.run(shoot())
    begun_s, ended_s = stalling.held[0]
    due = [sample for sample in samples if begun_s <= sample.planned_s < ended_s]
    assert {sample.error for sample in samples} == {""}
    assert len(due) > 5, "the plan goes on: about sixty"
    assert all(sample.ended_s >= ended_s for sample in due), "each of them waited for the end of the stall"


def test_a_loop_that_waits_for_answers_notices_one_slow_request(stalling: Stalling) -> None:
    slow, asked = 0, 0
    with grpc.insecure_channel(f"127.0.0.1:{stalling.port}") as channel:
        call: Any = channel.unary_unary(METHOD)
        stalling.arm(after_s=0.2, for_s=STALL_S)
        while not stalling.held or asked < 20:
            begun_s = time.monotonic()
            call(REQUEST, timeout=60)
            asked += 1
            slow += any(begun_s < end_s <= time.monotonic() for _, end_s in stalling.held)
    assert slow == 1


def test_what_is_not_armed_does_not_stall(stalling: Stalling) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{stalling.port}") as channel:
        call: Any = channel.unary_unary(METHOD)
        assert [len(call(REQUEST, timeout=60)) for _ in range(30)] == [len(REQUEST)] * 30
    assert stalling.held == []
