"""Open-loop load, on a virtual clock: no test waits, and none depends on how fast the machine is."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np
import pytest

from tests.validation.load.tasks import awaiting
from validation.load.open_loop import Sample, answered_rate, at_times, constant_rate, drift_s, offsets, punctual_loop, sent_rate

_Result = TypeVar("_Result")


class _SkippingSelector(selectors.DefaultSelector):
    """Does not wait: it puts the clock forward by as much as it was asked to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the selector's."""

    def __init__(self) -> None:
        self.skipping = _SkippingSelector()
        super().__init__(self.skipping)

    def time(self) -> float:
        return self.skipping.now


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def at_once(_number: int) -> list[int]:
    return [1]


def test_requests_leave_at_their_planned_times() -> None:
    samples = run(constant_rate(awaiting(at_once), range(100), 50))
    assert [sample.number for sample in samples] == list(range(100))
    assert [sample.planned_s - samples[0].planned_s for sample in samples] == pytest.approx([number / 50 for number in range(100)])
    assert max(sample.delay_s for sample in samples) < 0.002
    assert sent_rate(samples) == pytest.approx(50, rel=0.01)


def test_a_stalled_server_is_seen_by_every_request_that_was_due_meanwhile() -> None:
    async def stalled(number: int) -> list[int]:
        clock = asyncio.get_running_loop().time
        until_s = 3.0 if number >= 100 else 0.0
        await asyncio.sleep(max(until_s - clock(), 0.001))
        return [1]

    samples = run(constant_rate(awaiting(stalled), range(400), 100))
    slow = [sample for sample in samples if sample.latency_s > 0.1]
    assert len(slow) == pytest.approx(185, abs=3), "everything due from second 1.05 until 2.9 waited for second 3"
    assert max(sample.latency_s for sample in samples) == pytest.approx(1.95, abs=0.01)
    assert max(sample.delay_s for sample in samples) < 0.002, "the gate itself was never late"


def test_a_gate_that_is_held_up_shows_it_as_its_own_delay_and_in_the_latency() -> None:
    async def blocking(number: int) -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if number == 10:
            loop.skipping.now += 0.5
        return [1]

    samples = run(constant_rate(awaiting(blocking), range(100), 100))
    assert max(sample.delay_s for sample in samples) == pytest.approx(0.49, abs=0.01)
    assert all(sample.latency_s >= sample.delay_s for sample in samples)


def test_failures_are_kept_with_their_reason() -> None:
    async def failing(number: int) -> list[int]:
        if number % 2:
            raise TimeoutError("too slow")
        return [number]

    samples = run(constant_rate(awaiting(failing), range(10), 1000))
    assert [sample.error for sample in samples[:2]] == ["", "TimeoutError: too slow"]
    assert sum(bool(sample.error) for sample in samples) == 5


def test_a_request_that_its_client_cancels_is_a_failed_one_and_not_waited_for_without_end() -> None:
    async def cancelled(number: int) -> list[int]:
        if number == 1:
            raise asyncio.CancelledError
        return [number]

    assert [sample.error for sample in run(constant_rate(awaiting(cancelled), range(3), 100))] == [
        "",
        "ConnectionError: the request was cancelled",
        "",
    ]


def test_answered_rate_counts_only_answers() -> None:
    samples = [Sample(number, number / 10, number / 10, number / 10 + 0.1, [], "" if number % 2 else "x") for number in range(10)]
    assert answered_rate(samples) == pytest.approx(5)


def test_rates_of_nothing_are_not_numbers() -> None:
    assert sent_rate([]) is None
    assert answered_rate([]) is None


def test_poisson_arrivals_come_at_the_rate_in_bursts_and_the_same_for_the_same_seed() -> None:
    due = offsets(20_000, 100, "poisson", 7)
    gaps = np.diff(due)
    assert (due[0], due) == (0, sorted(due))
    assert due[-1] == pytest.approx(200, rel=0.03)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.05), "of an exponential distribution both are equal"
    assert due == offsets(20_000, 100, "poisson", 7) != offsets(20_000, 100, "poisson", 8)


def test_requests_leave_at_whatever_times_are_planned() -> None:
    samples = run(at_times(awaiting(at_once), {4: 0.0, 9: 0.5, 2: 0.5}, 1.0))
    assert [(sample.number, sample.planned_s) for sample in samples] == [(4, 1.0), (9, 1.5), (2, 1.5)]
    assert max(sample.delay_s for sample in samples) < 0.002


def test_a_queue_that_grows_shows_as_drift_and_a_steady_stream_as_none() -> None:
    def samples(latencies: list[float]) -> list[Sample]:
        return [Sample(number, number, number, number + latency, [], "") for number, latency in enumerate(latencies)]

    assert drift_s(samples([0.1 * number for number in range(300)])) == pytest.approx(20)
    assert drift_s(samples([0.1, 0.2, 0.1] * 100)) == pytest.approx(0)
    assert drift_s(samples([0.1, 0.1])) is None


def test_answers_are_read_when_all_are_there_and_one_that_says_no_is_a_failure() -> None:
    read = list[int]()
    open_requests = set[int]()

    async def send(number: int) -> int:
        open_requests.add(number)
        await asyncio.sleep(1)
        open_requests.remove(number)
        return number

    def ids(answer: int) -> tuple[list[int], list[float]]:
        assert not open_requests
        read.append(answer)
        if answer == 2:
            raise ValueError("no")
        return [answer], [0.5]

    samples = run(at_times(awaiting(send), {number: number / 10 for number in range(4)}, 1.0, read=ids))
    assert read == [0, 1, 2, 3]
    assert [(sample.ids, sample.error) for sample in samples] == [([0], ""), ([1], ""), ([], "ValueError: no"), ([3], "")]


def test_the_loop_of_a_generator_does_not_round_its_waits() -> None:
    loop = punctual_loop()
    try:
        selector = loop._selector  # type: ignore[attr-defined]  # asyncio has no public way to it
        assert isinstance(selector, selectors.SelectSelector), "epoll, poll and kqueue wait whole milliseconds"
    finally:
        loop.close()
