"""Load from processes of their own, started together: no garbage, progress bar or other work of the gate delays a request.

Each process gets its share of the planned searches, makes their bytes, warms up, says that it is ready, and waits for the common start on
the monotonic clock, which all processes of one machine share. What happened to every request comes back; percentiles are taken from merged
histograms. A process that dies or says nothing makes the run invalid, and none outlives the run.
"""

import asyncio
import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from validation.clients import milvus_tls
from validation.clients.milvus_login import Login
from validation.clients.milvus_tls import Tls
from validation.clients.searcher import RawSearcher
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError
from validation.judge.profile import Search
from validation.load import open_loop
from validation.load.open_loop import Shot
from validation.run.interrupts import held_back

_LEAD_S = 0.2
_PATIENCE_S = 60.0
_TELL_EVERY_S = 1.0
_DIED = "a load generator ended in the middle of the run; was it killed, or the memory full?"

_NOBODY = Login()


@dataclass(frozen=True, kw_only=True)
class Aim:
    """Where searches go, and how; it reaches the process through a pipe, never as an argument."""

    uri: str
    database: str
    collection: str
    search: Search
    limit: int
    login: Login = _NOBODY
    tls: Tls = milvus_tls.DEFAULT


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one process sends: numbers in the order of the whole plan, each with its vector, filter and offset in seconds."""

    numbers: Sequence[int]
    vectors: Matrix
    expressions: Sequence[str]
    due_s: Sequence[float]


def deal(vectors: Matrix, expressions: Sequence[str], due_s: Sequence[float], processes: int) -> list[Share]:
    """Deal the searches to the processes in turn, so that each has the same mix at its part of the rate."""
    return [
        Share(
            numbers=range(first, len(due_s), processes),
            vectors=vectors[first::processes],
            expressions=expressions[first::processes],
            due_s=due_s[first::processes],
        )
        for first in range(min(processes, len(due_s)))
    ]


def _soon() -> float:
    return time.monotonic() + _LEAD_S


def run(
    aim: Aim,
    shares: Sequence[Share],
    advance: Callable[[int], None] = lambda _: None,
    started: Callable[[float], None] = lambda _: None,
    start: Callable[[], float] = _soon,
) -> list[Shot]:
    """Send every share at its times, all from one start, and return all shots in the order of the plan.

    `start` is asked once every process is ready, and returns the start in seconds of the monotonic clock; `started` is called with it, a
    moment before it.
    """
    with _started(aim, shares) as pipes:
        for pipe in pipes:
            _expect(pipe, "ready", _PATIENCE_S + aim.search.warmup_requests * aim.search.timeout_ms / 1e3)
        start_s = start()
        for pipe in pipes:
            _tell(pipe, start_s)
        started(start_s)
        longest = max((share.due_s[-1] for share in shares), default=0.0) + aim.search.timeout_ms / 1e3 + _PATIENCE_S
        shots = _collect(pipes, start_s + longest, advance)
    return sorted(shots, key=lambda shot: shot.number)


@contextmanager
def _started(aim: Aim, shares: Sequence[Share]) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # pymilvus takes seconds to import: once is enough
    processes, pipes = list[ForkServerProcess](), list[Connection]()
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_generate, args=(aim, share, theirs), daemon=True)
            with held_back():
                process.start()
            theirs.close()
            processes.append(process)
            pipes.append(ours)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for pipe in pipes:
            pipe.close()


def _expect(pipe: Connection, wanted: str, patience_s: float) -> Any:  # noqa: ANN401 - whatever belongs to the word
    if not pipe.poll(patience_s):
        raise InvalidRunError(f"a load generator said nothing for {patience_s:g} s; this machine has no CPU for it, or Milvus hangs")
    word, content = _receive(pipe)
    if word != wanted:
        raise InvalidRunError(f"a load generator could not work: {content}")
    return content


def _tell(pipe: Connection, start_s: float) -> None:
    try:
        pipe.send(start_s)
    except OSError:
        raise InvalidRunError(_DIED) from None


def _receive(pipe: Connection) -> tuple[str, Any]:
    try:
        word, content = pipe.recv()
    except (EOFError, OSError):
        raise InvalidRunError(_DIED) from None
    return word, content


def _collect(pipes: Sequence[Connection], until_s: float, advance: Callable[[int], None]) -> list[Shot]:
    """Wait for the shots of every process, telling what is done on the way."""
    open_pipes, done, shots = [*pipes], dict[Connection, int](), list[Shot]()
    while open_pipes:
        ready = wait(open_pipes, timeout=max(until_s - time.monotonic(), 0))
        if not ready:
            raise InvalidRunError("a load generator did not come back in time; this machine has no CPU for it")
        for pipe in (one for one in open_pipes.copy() if one in ready):
            word, content = _receive(pipe)
            if word == "failed":
                raise InvalidRunError(f"a load generator could not work: {content}")
            if word == "done":
                done[pipe] = content
                advance(sum(done.values()))
            else:
                shots += content
                open_pipes.remove(pipe)
    return shots


def _generate(aim: Aim, share: Share, pipe: Connection) -> None:
    """Be one generator process; Ctrl-C is for the gate, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with asyncio.Runner(loop_factory=open_loop.punctual_loop) as runner:
            shots = runner.run(_shoot(aim, share, pipe))
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate must hear of it and end
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
        return
    pipe.send(("shots", shots))


async def _shoot(aim: Aim, share: Share, pipe: Connection) -> list[Shot]:
    async with RawSearcher(
        uri=aim.uri, database=aim.database, collection=aim.collection, search=aim.search, limit=aim.limit, login=aim.login, tls=aim.tls
    ) as searcher:
        requests = [searcher.prepare(vector, expression) for vector, expression in zip(share.vectors, share.expressions, strict=True)]
        by_number = dict(zip(share.numbers, requests, strict=True))
        span = share.due_s[-1] - share.due_s[0]
        rate = (len(requests) - 1) / span if span > 0 else len(requests)

        def fire(number: int, done: open_loop.Done) -> None:
            searcher.fire(by_number[number], done)

        def warm(number: int, done: open_loop.Done) -> None:
            searcher.fire(requests[number % len(requests)], done)

        await open_loop.constant_rate(warm, range(aim.search.warmup_requests), rate)
        gc.collect()
        gc.freeze()
        gc.disable()  # its pauses would be ours
        pipe.send(("ready", None))
        start_s = await asyncio.to_thread(pipe.recv)
        return await open_loop.at_times(fire, dict(zip(share.numbers, share.due_s, strict=True)), start_s, _teller(pipe), searcher.read)


def _teller(pipe: Connection) -> Callable[[int], None]:
    told_s = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_EVERY_S:
            told_s = now_s
            pipe.send(("done", done))

    return tell
