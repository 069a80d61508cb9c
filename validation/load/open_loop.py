"""Open-loop load: requests leave at planned times whether or not earlier ones came back, and latency counts from the planned time.

A closed loop waits for a slow answer before it asks again, and so leaves out just the requests that would have suffered (coordinated
omission). Here a server that stalls for two seconds at 100 requests/s shows two hundred slow requests, as its users would.
"""

import asyncio
import selectors
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, takewhile
from statistics import median
from typing import Any, Literal

import numpy as np

Done = Callable[[Any], None]  # takes the answer of a request, or the exception that it died of
Submit = Callable[[int, Done], None]
"""Sends request number i and returns at once; calls its second argument once, at the moment the request ended."""
Found = tuple[list[int], list[float]]  # ids of an answer, best first, and the score of each
Read = Callable[[Any], Found]
"""Takes ids and scores out of an answer, raises where it is an error; called when all answers are there, so that it delays no request."""
Progress = Callable[[int], None]
_LEAD_S = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, left and ended, in seconds of the same monotonic clock; `error` is empty when it was answered."""

    number: int
    planned_s: float
    sent_s: float
    ended_s: float
    ids: list[int]
    error: str
    connection: int = 0  # over which connection of its generator it went
    scores: list[float] = field(default_factory=list)  # of each id, as the answer has it

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


def punctual_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that wakes within microseconds: the usual one rounds every wait up to a millisecond, which latency would carry."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def constant_rate(submit: Submit, numbers: range, rate_per_s: float, progress: Progress = lambda _: None) -> list[Sample]:
    """Send `numbers` evenly at `rate_per_s` from now on."""
    due = dict(zip(numbers, offsets(len(numbers), rate_per_s, "constant", 0), strict=True))
    return await at_times(submit, due, asyncio.get_running_loop().time() + _LEAD_S, progress)


async def while_going(submit: Submit, rate_per_s: float, going: Callable[[], bool]) -> list[Sample]:
    """Send evenly at `rate_per_s` as long as `going` says so, and return one Sample each when the last one ended."""
    start_s = asyncio.get_running_loop().time() + _LEAD_S
    plan = ((number, start_s + number / rate_per_s) for number in takewhile(lambda _: going(), count()))
    return await _LoadRun(submit, plan).run(lambda answer: (answer, []))


async def at_times(
    submit: Submit, due: Mapping[int, float], start_s: float, progress: Progress = lambda _: None, read: Read = lambda ids: (ids, [])
) -> list[Sample]:
    """Send each number at its offset from `start_s` of the running loop's clock, and return one Sample each when the last one ended.

    How many are under way at once is bounded by the time-out of whatever `submit` calls: rate times time-out.
    """
    return await _LoadRun(submit, ((number, start_s + offset) for number, offset in due.items()), progress).run(read)


@dataclass(slots=True)
class _InFlight:
    """One request under way."""

    number: int
    planned_s: float
    sent_s: float
    ended_s: float = 0.0
    outcome: Any = None


class _LoadRun:
    """Requests that leave by one timer and are noted where they end: no task waits for any of them, which would be CPU and delay."""

    def __init__(self, submit: Submit, plan: Iterable[tuple[int, float]], progress: Progress = lambda _: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock, self._submit, self._progress = self._loop.time, submit, progress
        self._plan, self._requests = iter(plan), list[_InFlight]()
        self._timer: asyncio.TimerHandle | None = None
        self._open = 1  # requests without an end, and one for the plan itself
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self, read: Read) -> list[Sample]:
        """Send all of the plan, wait for the last end, and only then look at answers."""
        self._wait_for(next(self._plan, None))
        try:
            await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()
        return [_sample(request, read) for request in self._requests]

    def _wait_for(self, due: tuple[int, float] | None) -> None:
        if due is None:
            self._end_one()
        else:
            self._timer = self._loop.call_at(due[1], self._send_due, due)

    def _send_due(self, first: tuple[int, float]) -> None:
        """Send what the timer was for and what else was due by now, but nothing that falls due meanwhile: answers have their turn first."""
        due: tuple[int, float] | None = first
        until_s = max(self._clock(), first[1])
        try:
            while due is not None and due[1] <= until_s:
                self._send(*due)
                due = next(self._plan, None)
            self._wait_for(due)
        except Exception as error:  # noqa: BLE001 - of the plan or of `progress`: it belongs to whoever waits
            self._over.set_exception(error)

    def _send(self, number: int, planned_s: float) -> None:
        request = _InFlight(number, planned_s, self._clock())
        self._requests.append(request)
        self._open += 1
        try:
            self._submit(number, partial(self._end, request))
        except Exception as failure:  # noqa: BLE001 - whatever a request dies of is a failed request, counted and named in the report
            self._end(request, failure)
        self._progress(len(self._requests))

    def _end(self, request: _InFlight, outcome: Any) -> None:  # noqa: ANN401 - whatever came of it
        request.ended_s, request.outcome = self._clock(), outcome
        self._end_one()

    def _end_one(self) -> None:
        self._open -= 1
        if not self._open and not self._over.done():
            self._over.set_result(None)


def _sample(request: _InFlight, read: Read) -> Sample:
    ids, scores, outcome = list[int](), list[float](), request.outcome
    failure = outcome if isinstance(outcome, Exception) else None
    if failure is None:
        try:
            ids, scores = read(outcome)
        except Exception as error:  # noqa: BLE001 - an answer that says no, or is nonsense, is a failed request as well
            failure = error
    reason = "" if failure is None else f"{type(failure).__name__}: {failure}"
    return Sample(request.number, request.planned_s, request.sent_s, request.ended_s, ids, reason, scores=scores)


def sent_rate(samples: Sequence[Sample]) -> float | None:
    """Return the rate at which requests really left; None for fewer than two."""
    span = samples[-1].sent_s - samples[0].sent_s if samples else 0
    return (len(samples) - 1) / span if span > 0 else None


def answered_rate(samples: Sequence[Sample]) -> float | None:
    """Return the answers per second from the first planned time until the last end."""
    if not samples:
        return None
    span = max(sample.ended_s for sample in samples) - samples[0].planned_s
    return sum(not sample.error for sample in samples) / span if span > 0 else None


def drift_s(samples: Sequence[Sample]) -> float | None:
    """Return how much slower the last third was than the first, by median; None for fewer than three.

    A queue that grows shows here long before a percentile does: then every percentile only says how long was measured.
    """
    part = len(samples) // 3
    if not part:
        return None
    return median(sample.latency_s for sample in samples[-part:]) - median(sample.latency_s for sample in samples[:part])
