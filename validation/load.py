"""Open-loop load: requests leave at planned times whether or not earlier ones came back, and latency counts from the planned time.

A closed loop waits for a slow answer before it asks again, and so leaves out just the requests that would have suffered (coordinated
omission). Here a server that stalls for two seconds at 100 requests/s shows two hundred slow requests, as its users would.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np

Send = Callable[[int], Awaitable[Any]]
"""Sends request number i, returns the answer, raises on any failure."""

Read = Callable[[Any], list[int]]
"""Takes the ids out of an answer, raises where it is an error; called when all answers are there, so that it delays no request."""

Progress = Callable[[int], None]

_LEAD_S = 0.05
_THIRDS = 3


@dataclass(frozen=True, slots=True)
class Shot:
    """One request: when it was due, left and ended, in seconds of the same monotonic clock; `error` is empty when it was answered."""

    number: int
    planned_s: float
    sent_s: float
    ended_s: float
    ids: list[int]
    error: str

    @property
    def latency_s(self) -> float:
        """From the planned time to the end."""
        return self.ended_s - self.planned_s

    def counted_s(self, timeout_s: float) -> float:
        """As it counts in a percentile: a failed request is as slow as the time-out, so that failing fast never looks fast."""
        return max(self.latency_s, timeout_s) if self.error else self.latency_s

    @property
    def delay_s(self) -> float:
        """How late the gate itself was."""
        return self.sent_s - self.planned_s


def offsets(count: int, rate_per_s: float, arrivals: Literal["constant", "poisson"], seed: int) -> list[float]:
    """Return when each of `count` requests is due, in seconds from the start; Poisson arrivals are drawn from the seed."""
    if arrivals == "constant":
        return [number / rate_per_s for number in range(count)]
    gaps = np.random.default_rng(seed).exponential(1 / rate_per_s, count)
    return [float(due) for due in np.cumsum(gaps) - gaps[0]]


def _ids(answer: Any) -> list[int]:  # noqa: ANN401 - whatever `send` returned
    found: list[int] = answer
    return found


def punctual_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that wakes within microseconds: the usual one rounds every wait up to a millisecond, which latency would carry."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def constant_rate(send: Send, numbers: range, rate_per_s: float, progress: Progress = lambda _: None) -> list[Shot]:
    """Send `numbers` evenly at `rate_per_s` from now on."""
    due = dict(zip(numbers, offsets(len(numbers), rate_per_s, "constant", 0), strict=True))
    return await at_times(send, due, asyncio.get_running_loop().time() + _LEAD_S, progress)


async def while_going(send: Send, rate_per_s: float, going: Callable[[], bool]) -> list[Shot]:
    """Send evenly at `rate_per_s` as long as `going` says so, and return one Shot each when the last one ended."""
    loop = asyncio.get_running_loop()
    start_s = loop.time() + _LEAD_S
    async with asyncio.TaskGroup() as group:
        tasks = list[asyncio.Task[tuple[float, float, Any]]]()
        while going():
            await asyncio.sleep(start_s + len(tasks) / rate_per_s - loop.time())
            tasks.append(group.create_task(_shoot(send, len(tasks))))
    return [_shot(number, start_s + number / rate_per_s, task.result(), _ids) for number, task in enumerate(tasks)]


async def at_times(
    send: Send, due: Mapping[int, float], start_s: float, progress: Progress = lambda _: None, read: Read = _ids
) -> list[Shot]:
    """Send each number at its offset from `start_s` of the running loop's clock, and return one Shot each when the last one ended.

    How many are under way at once is bounded by `send`'s own time-out: rate times time-out.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for position, (number, offset) in enumerate(due.items(), 1):
            planned = start_s + offset
            await asyncio.sleep(planned - loop.time())
            tasks.append(group.create_task(_shoot(send, number)))
            progress(position)
    return [_shot(number, start_s + due[number], task.result(), read) for number, task in zip(due, tasks, strict=True)]


async def _shoot(send: Send, number: int) -> tuple[float, float, Any]:
    """Return when the request left, when it ended, and its answer, or what it died of."""
    clock = asyncio.get_running_loop().time
    sent_s = clock()
    try:
        answer = await send(number)
    except Exception as failure:  # noqa: BLE001 - whatever a request dies of is a failed request, counted and named in the report
        return sent_s, clock(), failure
    return sent_s, clock(), answer


def _shot(number: int, planned_s: float, outcome: tuple[float, float, Any], read: Read) -> Shot:
    sent_s, ended_s, answer = outcome
    ids, failure = list[int](), answer if isinstance(answer, Exception) else None
    if failure is None:
        try:
            ids = read(answer)
        except Exception as error:  # noqa: BLE001 - an answer that says no, or is nonsense, is a failed request as well
            failure = error
    told = "" if failure is None else f"{type(failure).__name__}: {failure}"
    return Shot(number=number, planned_s=planned_s, sent_s=sent_s, ended_s=ended_s, ids=ids, error=told)


def sent_rate(shots: Sequence[Shot]) -> float | None:
    """Return the rate at which requests really left; None for fewer than two."""
    span = shots[-1].sent_s - shots[0].sent_s if shots else 0
    return (len(shots) - 1) / span if span > 0 else None


def answered_rate(shots: Sequence[Shot]) -> float | None:
    """Return the answers per second from the first planned time until the last end."""
    if not shots:
        return None
    span = max(shot.ended_s for shot in shots) - shots[0].planned_s
    return sum(not shot.error for shot in shots) / span if span > 0 else None


def drift_s(shots: Sequence[Shot]) -> float | None:
    """Return how much slower the last third was than the first, by median; None for fewer than three.

    A queue that grows shows here long before a percentile does: then every percentile only says how long was measured.
    """
    part = len(shots) // _THIRDS
    if not part:
        return None
    return median(shot.latency_s for shot in shots[-part:]) - median(shot.latency_s for shot in shots[:part])
