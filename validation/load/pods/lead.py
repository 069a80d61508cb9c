"""Leads generators that are made already: agrees on the start, waits for what they bring, and merges it.

Every wait is bounded. A generator that is missing, fails, is late, or brings another number of requests than it was given makes the run
INVALID, with its name and its last words: a part of the load is no load.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from validation.judge.errors import InvalidRunError
from validation.load.open_loop import Shot
from validation.load.pods import clock
from validation.load.pods.clock import Bounds
from validation.load.pods.exchange import Result, Status, Word, unpack_result
from validation.load.pods.job import Job, require
from validation.load.pods.mailbox import Mailbox
from validation.load.samples import Samples

READY_PATIENCE_S = 300.0
_ROUND_PATIENCE_S = 20.0
_ROUNDS, _MOST_ROUNDS = 5, 25
_SPREAD_S = 0.25
"""Most that starts may lie apart: for so long a run begins and ends with a part of its rate."""
_LEAD_S = 1.5
_POLL_S = 0.02
_LOOK_S = 1.0
END_PATIENCE_S = 60.0


@dataclass(kw_only=True)
class Lead:
    """One run of generators that are made already."""

    job: Job
    mailbox: Mailbox
    pods: int
    bounds: list[Bounds] = field(default_factory=list)
    _looked_s: float = 0.0

    def await_all(self) -> None:
        """Return once every generator is ready."""
        deadline_s = time.monotonic() + READY_PATIENCE_S
        while missing := [index for index in range(self.pods) if self._status(index) is None]:
            self._look()
            if time.monotonic() > deadline_s:
                waiting = {index: pod for index, pod in self.job.pods().items() if index in missing}
                told = ", ".join(f"{index} ({waiting[index].waits_for or 'runs' if index in waiting else 'no pod'})" for index in missing)
                raise InvalidRunError(f"load generators are not ready after {READY_PATIENCE_S:g} s: {told}; is there room for {self.pods}?")
            time.sleep(10 * _POLL_S)

    def agree(self) -> float:
        """Bound every clock, tell the start to each generator in its own, and return by how much they may start apart, in seconds."""
        self.bounds = [Bounds()] * self.pods
        number = 0
        while number < _ROUNDS or (clock.spread_s(self.bounds) > _SPREAD_S and number < _MOST_ROUNDS):
            number += 1
            self._round(number)
        spread_s = clock.spread_s(self.bounds)
        if spread_s > _SPREAD_S:
            raise InvalidRunError(
                f"load generators cannot be started together: after {number} rounds through the bucket their clocks are known to "
                f"{spread_s:.3f} s, must be {_SPREAD_S:g} s; the store, or a node, is too slow"
            )
        start_s = time.time() + _LEAD_S
        starts = tuple(start_s + one.middle_s for one in self.bounds)
        self.mailbox.put("word", Word(number=number + 1, start_s=starts).model_dump_json().encode())
        return spread_s

    def _round(self, number: int) -> None:
        """Say one word, and note when it was heard and answered."""
        asked_s, open_indices = time.time(), set(range(self.pods))
        deadline_s = time.monotonic() + _ROUND_PATIENCE_S
        self.mailbox.put("word", Word(number=number).model_dump_json().encode())
        while open_indices:
            for index in tuple(open_indices):
                status, seen_s = self._status(index), time.time()
                if status is not None and status.heard == number:
                    self.bounds[index] = self.bounds[index].after(
                        asked_s=asked_s, heard_s=status.heard_at_s, told_s=status.told_at_s, seen_s=seen_s
                    )
                    open_indices.remove(index)
            if open_indices:
                self._look()
                if time.monotonic() > deadline_s:
                    raise InvalidRunError(
                        f"load generators {sorted(open_indices)} said nothing for {_ROUND_PATIENCE_S:g} s before the start"
                    )
                time.sleep(_POLL_S)

    def collect(self, longest_s: float, advance: Callable[[int], None]) -> list[Result]:
        """Return the result of every generator, telling what is done on the way."""
        deadline_s = time.monotonic() + _LEAD_S + longest_s + END_PATIENCE_S
        found, done = dict[int, Result](), [0] * self.pods
        while len(found) < self.pods:
            for index in (one for one in range(self.pods) if one not in found):
                body = self.mailbox.get(f"{index}/result")
                if body is not None:
                    found[index] = unpack_result(body)
                    done[index] = len(found[index].shots)
                    continue
                status = self._status(index)
                done[index] = max(done[index], status.done if status else 0)
            advance(sum(done))
            if len(found) < self.pods:
                self._look(besides=found.keys())
                if time.monotonic() > deadline_s:
                    raise InvalidRunError(f"load generators {sorted(set(range(self.pods)) - found.keys())} brought no result in time")
                time.sleep(_LOOK_S)
        return [found[index] for index in range(self.pods)]

    def _status(self, index: int) -> Status | None:
        """What a generator says of itself; InvalidRunError when that is: failed."""
        body = self.mailbox.get(f"{index}/status")
        status = Status.model_validate_json(body) if body else None
        if status is not None and status.state == "failed":
            pod = self.job.pods().get(index)
            raise InvalidRunError(f"load generator {index}, pod {pod.name if pod else '?'}: {status.reason}")
        return status

    def _look(self, besides: Any = ()) -> None:  # noqa: ANN401 - any collection of numbers
        """Ask once a second whether every pod lives that has brought nothing yet."""
        if time.monotonic() - self._looked_s >= _LOOK_S:
            self._looked_s = time.monotonic()
            require({index: pod for index, pod in self.job.pods().items() if index not in besides}, self.job)


def merge(results: Sequence[Result], planned: Sequence[int], timeout_s: float) -> tuple[list[Shot], Samples]:
    """Merge shots and histograms; InvalidRunError unless every planned request is there once, and counted once."""
    shots = sorted((shot for result in results for shot in result.shots), key=lambda shot: shot.number)
    if [shot.number for shot in shots] != list(planned):
        raise InvalidRunError(
            f"{len(shots)} requests came back for {len(planned)} planned ones, or not the same: the run counts nothing twice"
        )
    merged = Samples()
    for result in results:
        merged.merge(Samples.decoded(result.histogram))
    if merged.encoded() != Samples(shot.counted_s(timeout_s) for shot in shots).encoded():
        raise InvalidRunError(
            "the histograms of the load generators do not hold the requests that they brought; are gate and image of one version?"
        )
    return shots, merged
