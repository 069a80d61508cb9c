"""The gate's own HTTP/2 against servers that do what a test says: what is rare, what is wrong, and what is nonsense."""

import asyncio
import re
import struct
from collections.abc import Callable
from contextlib import closing
from itertools import accumulate
from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from grpc_unary.call import Call, CallError, framed
from grpc_unary.connection import Connection
from grpc_unary.frames import CONTINUATION, DATA, GOODBYE, HEADERS, PING, RESET, SETTINGS, WINDOW, block, frame
from tests.grpc_unary.peer import OK, WELL, Peer, Script, told


def answering(*frames: Callable[[int], bytes]) -> Script:
    async def script(peer: Peer) -> None:
        await peer.greet()
        stream, _ = await peer.next(DATA, last=True)
        peer.say(*(make(stream) for make in frames))
        await peer.hear()
        await peer.next(RESET)

    return script


def test_padding_and_headers_in_pieces_are_read_as_what_they_are() -> None:
    padded = b"\x03" + framed(b"yes") + b"\0\0\0"
    prioritised = b"\0" * 5 + OK[:3]
    script = answering(
        lambda stream: frame(HEADERS, 32, stream, prioritised),
        lambda stream: frame(CONTINUATION, 4, stream, OK[3:]),
        lambda stream: frame(DATA, 8, stream, padded),
        lambda stream: frame(200, 0, stream, b"a kind of frame that nobody knows"),
        lambda stream: frame(HEADERS, 5, stream, WELL),
    )
    assert told(script) == [b"yes"]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ((lambda s: frame(HEADERS, 5, s, block([(":status", "503"), ("content-type", "text/html")])),), "UNKNOWN: .*HTTP status 503"),
        ((lambda s: frame(HEADERS, 4, s, OK), lambda s: frame(DATA, 1, s, framed(b"yes"))), "UNKNOWN: the answer is not gRPC's"),
        (
            (lambda s: frame(HEADERS, 4, s, OK), lambda s: frame(DATA, 0, s, b"\0\0\0\0\x09yes"), lambda s: frame(HEADERS, 5, s, WELL)),
            "INTERNAL: the answer of 8 bytes is no gRPC message",
        ),
        (
            (lambda s: frame(HEADERS, 4, s, OK), lambda s: frame(DATA, 0, s, b"\1\0\0\0\3yes"), lambda s: frame(HEADERS, 5, s, WELL)),
            "INTERNAL: the answer of 8 bytes is no gRPC message",
        ),
        ((lambda s: frame(HEADERS, 5, s, b"\xff\xff\xff"),), "INTERNAL: its headers cannot be read"),
        ((lambda s: frame(HEADERS, 5, s, Encoder().encode([("a", "b")]) + b"\xbe"),), "UNKNOWN: the answer is not gRPC's"),
        ((lambda s: frame(RESET, 0, s, struct.pack(">I", 2)),), r"UNAVAILABLE: the server ended the request \(HTTP/2 error 2\)"),
        ((lambda s: frame(WINDOW, 0, s, b"?"),), "UNAVAILABLE: it sent a frame that is none"),
        ((lambda s: b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes([s]),), "UNAVAILABLE: it does not speak HTTP/2"),
    ],
)
def test_an_answer_that_is_none_fails_that_call_and_says_what_came(frames: tuple[Callable[[int], bytes], ...], why: str) -> None:
    (error,) = told(answering(*frames))
    with pytest.raises(CallError, match=f"^{why}"):
        raise error  # type: ignore[misc]  # bytes would be a failure of this test


def test_a_server_that_speaks_something_else_is_no_milvus() -> None:
    async def web(peer: Peer) -> None:
        peer.say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with pytest.raises(CallError, match=r"UNAVAILABLE: .*: it does not speak HTTP/2"):
        told(web)


def test_a_server_that_closes_while_it_is_greeted_is_told() -> None:
    async def gone(_: Peer) -> None:
        return

    with pytest.raises(CallError, match=r"UNAVAILABLE: .*the connection was lost"):
        told(gone)


def test_a_call_without_an_answer_ends_with_the_time_out_and_the_server_is_told() -> None:
    heard = list[int]()

    async def silent(peer: Peer) -> None:
        await peer.greet()
        heard.append((await peer.next(RESET))[0])

    (error,) = told(silent, timeout_s=0.1)
    assert str(error) == "DEADLINE_EXCEEDED: no answer within 0.1 s"
    assert heard == [1]


def test_a_connection_that_breaks_fails_what_was_under_way() -> None:
    async def breaking(peer: Peer) -> None:
        await peer.greet()
        await peer.next(DATA, last=True)

    assert [str(error) for error in told(breaking)] == ["UNAVAILABLE: the connection was lost (the server closed it)"]


def test_what_a_server_has_not_looked_at_before_it_said_goodbye_is_sent_to_the_next() -> None:
    async def leaving(peer: Peer) -> None:
        await peer.greet()
        first, _ = await peer.next(DATA, last=True)
        await peer.next(DATA, last=True)
        peer.say(frame(GOODBYE, 0, 0, struct.pack(">II", first, 0)))
        peer.answer(first, b"from the old one")
        await peer.hear()

    async def following(peer: Peer) -> None:
        await peer.greet()
        peer.answer((await peer.next(DATA, last=True))[0], b"from the new one")
        await peer.next(RESET)

    assert told(leaving, following, messages=(b"1", b"2")) == [b"from the old one", b"from the new one"]


def test_a_call_that_is_refused_unseen_is_sent_again_until_its_time_is_over() -> None:
    async def refusing(peer: Peer) -> None:
        await peer.greet()
        while True:
            stream, content = await peer.next(DATA, last=True)
            if content == framed(b"thrice") and stream > 5:
                peer.answer(stream)
            else:
                peer.say(frame(RESET, 0, stream, struct.pack(">I", 7)))

    answer, error = told(refusing, messages=(b"thrice", b"always"), timeout_s=1.5)
    assert answer == b"yes"
    assert re.fullmatch(r"DEADLINE_EXCEEDED: no answer within 1\.5 s; the server refused it \d+ times without looking at it", str(error))


def test_a_ping_is_answered_with_its_own_content() -> None:
    async def asking(peer: Peer) -> None:
        await peer.greet()
        stream, _ = await peer.next(DATA, last=True)
        peer.say(frame(PING, 0, 0, b"12345678"))
        peer.answer(stream, (await peer.next(PING))[1])
        await peer.next(RESET)

    assert told(asking) == [b"12345678"]


def test_no_byte_more_is_sent_than_the_server_takes() -> None:
    taken = list[int]()

    async def narrow(peer: Peer) -> None:
        await peer.greet((4, 10))
        for _ in range(10):
            stream, content = await peer.next(DATA)
            taken.append(len(content))
            if sum(taken) == 45:
                peer.answer(stream)
                break
            peer.say(frame(WINDOW, 0, stream, struct.pack(">I", 10)))
        await peer.next(RESET)

    assert told(narrow, messages=(b"x" * 40,)) == [b"yes"]
    assert taken == [10, 10, 10, 10, 5]


def test_a_window_that_shrinks_and_widens_by_agreement_is_kept() -> None:
    async def agreeing(peer: Peer) -> None:
        await peer.greet((4, 10))
        _, first = await peer.next(DATA)
        peer.say(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1_000)))
        stream, second = await peer.next(DATA, last=True)
        peer.answer(stream, b"%d %d" % (len(first), len(second)))
        await peer.next(RESET)

    assert told(agreeing, messages=(b"x" * 40,)) == [b"10 35"]


def test_an_answer_before_the_whole_question_ends_the_call() -> None:
    async def impatient(peer: Peer) -> None:
        await peer.greet((4, 10))
        stream, _ = await peer.next(DATA)
        peer.say(frame(HEADERS, 5, stream, block([(":status", "200"), ("grpc-status", "8"), ("grpc-message", "too%20large")])))
        await peer.next(RESET)

    assert [str(error) for error in told(impatient, messages=(b"x" * 40,))] == ["RESOURCE_EXHAUSTED: too large"]


def test_a_header_that_no_server_must_take_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match=r"the headers of a request take .* bytes, and 16384"):
        block([("authorization", "\0" * 20_000)])


# bytes in any pieces


class Sink:
    """Where a connection's own bytes go when nobody reads them."""

    def write(self, data: bytes) -> None:
        assert data

    def abort(self) -> None:
        raise AssertionError("the connection gave up")


@given(st.lists(st.binary(max_size=40_000), min_size=1, max_size=5), st.lists(st.integers(1, 20_000), min_size=1))
def test_answers_are_the_same_in_whatever_pieces_their_bytes_arrive(messages: list[bytes], pieces: list[int]) -> None:
    def said(stream: int, message: bytes) -> bytes:
        whole = framed(message)
        parts = [frame(DATA, 0, stream, whole[at : at + 16_384]) for at in range(0, len(whole), 16_384)]
        return b"".join([frame(HEADERS, 4, stream, OK), *parts, frame(HEADERS, 5, stream, WELL)])

    with closing(asyncio.new_event_loop()) as loop:
        connection = loop.run_until_complete(_connection())
        connection.connection_made(Sink())
        ended = list[Any]()
        arriving = frame(SETTINGS, 0, 0) + b"".join(said(2 * at + 1, message) for at, message in enumerate(messages))
        for message in messages:
            connection.send(Call(framed(message), ended.append, 0, lambda _: None))
        for begin, size in zip(accumulate([0, *_for_ever(pieces, len(arriving))]), _for_ever(pieces, len(arriving)), strict=False):
            _feed(connection, arriving[begin : begin + size])
    assert ended == messages


async def _connection() -> Connection:
    return Connection([(":method", "POST")], lambda: None)


def _for_ever(pieces: list[int], until: int) -> list[int]:
    return pieces * (until // sum(pieces) + 1)


def _feed(connection: Connection, data: bytes) -> None:
    while data:
        room = connection.get_buffer(-1)
        size = min(len(room), len(data))
        room[:size] = data[:size]
        connection.buffer_updated(size)
        data = data[size:]
