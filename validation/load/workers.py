"""Load from processes of their own, started together: no garbage, progress bar or other work of the gate delays a request.

Each process makes the bytes of its share, warms up, says that it is ready, and waits for the common start on the monotonic clock, which all
processes of one machine share. What happened to every request comes back. A process that dies makes the run invalid; none outlives it.
"""

import asyncio
import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from validation.clients.searcher import LoadTarget
from validation.clients.vectors import Matrix, unit
from validation.judge.errors import InvalidRunError
from validation.load import open_loop
from validation.load.plan import pushed
from validation.run.interrupts import held_back
from validation.run.record import at_most_every

_LEAD_S = 0.2
_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one process sends: numbers in the order of the whole plan, each with its vector, filter and offset in seconds."""

    numbers: Sequence[int]
    vectors: Matrix
    expressions: Sequence[str]
    due_s: Sequence[float]


def partition(vectors: Matrix, expressions: Sequence[str], due_s: Sequence[float], processes: int) -> list[Share]:
    """Give the searches to the processes in turn, so that each has the same mix at its part of the rate."""
    turns, numbers = [slice(first, None, processes) for first in range(min(processes, len(due_s)))], range(len(due_s))
    return [Share(numbers=numbers[turn], vectors=vectors[turn], expressions=expressions[turn], due_s=due_s[turn]) for turn in turns]


def run_load(
    target: LoadTarget,
    shares: Sequence[Share],
    advance: Callable[[int], None] = lambda _: None,
    started: Callable[[float], None] = lambda _: None,
    start: Callable[[], float] = lambda: time.monotonic() + _LEAD_S,
) -> list[open_loop.Sample]:
    """Send every share at its times, all from one start, and return all samples in the order of the plan.

    `start`, asked once every process is ready, returns the start by the monotonic clock; `started` is called with it, a moment before it.
    """
    timeout_s = target.search.timeout_ms / 1e3
    patience_s = _PATIENCE_S + target.search.warmup_requests * timeout_s
    with _started(target, shares) as pipes:
        for pipe in pipes:
            _await_ready(pipe, patience_s)
        start_s = start()
        for pipe in pipes:
            with _alive():
                pipe.send(start_s)
        started(start_s)
        longest = max((share.due_s[-1] for share in shares), default=0.0) + timeout_s + _PATIENCE_S
        samples = _collect(pipes, start_s + longest, advance)
    return sorted(samples, key=lambda sample: sample.number)


def preload() -> None:
    """Begin to import what generators need, in a process of their own: it takes seconds, for which the first load would wait."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    with held_back():
        forkserver.ensure_running()


@contextmanager
def _started(target: LoadTarget, shares: Sequence[Share]) -> Iterator[list[Connection]]:
    preload()
    context = multiprocessing.get_context("forkserver")
    processes, pipes = list[ForkServerProcess](), list[Connection]()
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_generate, args=(target, share, theirs), daemon=True)
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


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise InvalidRunError("a load generator ended in the middle of the run; was it killed, or the memory full?") from None


def _await_ready(pipe: Connection, patience_s: float) -> None:
    if not pipe.poll(patience_s):
        raise InvalidRunError(f"a load generator said nothing for {patience_s:g} s; this machine has no CPU for it, or Milvus hangs")
    _receive(pipe)


def _receive(pipe: Connection) -> tuple[str, Any]:
    with _alive():
        kind, content = pipe.recv()
    if kind == "failed":
        raise InvalidRunError(f"a load generator could not work: {content}")
    return kind, content


def _collect(pipes: Sequence[Connection], until_s: float, advance: Callable[[int], None]) -> list[open_loop.Sample]:
    """Wait for the samples of every process, telling what is done on the way."""
    open_pipes, done, samples = [*pipes], dict[Connection, int](), list[open_loop.Sample]()
    while open_pipes:
        ready = wait(open_pipes, timeout=max(until_s - time.monotonic(), 0))
        if not ready:
            raise InvalidRunError("a load generator did not come back in time; this machine has no CPU for it")
        for pipe in [pipe for pipe in open_pipes if pipe in ready]:
            kind, content = _receive(pipe)
            if kind == "done":
                done[pipe] = content
                advance(sum(done.values()))
            else:
                samples += content
                open_pipes.remove(pipe)
    return samples


def _generate(target: LoadTarget, share: Share, pipe: Connection) -> None:
    """Be one generator process; Ctrl-C is for the gate, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):  # the gate has ended: nobody is there to hear of it
        try:
            with asyncio.Runner(loop_factory=open_loop.punctual_loop) as runner:
                outcome: tuple[str, Any] = "samples", runner.run(_send(target, share, pipe))
        except Exception as error:  # noqa: BLE001 - whatever it is, the gate must hear of it and end
            outcome = "failed", f"{type(error).__name__}: {error}"
        pipe.send(outcome)


async def _send(target: LoadTarget, share: Share, pipe: Connection) -> list[open_loop.Sample]:
    async with target.searcher() as searcher:
        requests = [searcher.prepare(vector, expression) for vector, expression in zip(share.vectors, share.expressions, strict=True)]
        by_number = dict(zip(share.numbers, requests, strict=True))
        span = share.due_s[-1] - share.due_s[0]
        rate = (len(requests) - 1) / span if span > 0 else len(requests)

        used = dict[int, int]()

        def submit(number: int, done: open_loop.Done) -> None:
            used[number] = searcher.fire(by_number[number], done)

        # never a request that is timed: a cache on the way would answer it, and be measured in the place of Milvus
        aside = pushed(unit(share.vectors[: target.search.warmup_requests]), share.numbers[0])
        warming = [searcher.prepare(vector, expression) for vector, expression in zip(aside, share.expressions, strict=False)]

        def warm(number: int, done: open_loop.Done) -> None:
            searcher.fire(warming[number % len(warming)], done)

        await open_loop.constant_rate(warm, range(target.search.warmup_requests), rate)
        gc.collect()
        gc.freeze()
        gc.disable()  # its pauses would be ours
        pipe.send(("ready", None))
        start_s = await asyncio.to_thread(pipe.recv)
        due = dict(zip(share.numbers, share.due_s, strict=True))
        tell = at_most_every(1.0, lambda sent: pipe.send(("done", sent)))
        samples = await open_loop.at_times(submit, due, start_s, tell, searcher.read)
        return [replace(sample, connection=used.get(sample.number, 0)) for sample in samples]
