"""Search at a constant rate while a command runs, and say how long nobody was served: what a rotation, an upgrade or a drain costs.

Owns the load and its figures; what the command does is its own business. Bounded: the command by a limit, the load by the command's end,
a calm moment before and after, and two minutes for a service that does not come back.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from validation.checks.context import RunContext
from validation.checks.ingest import ingest
from validation.checks.reachable import reachable
from validation.clients.searcher import RawSearcher
from validation.experiments import outage, supervised
from validation.experiments.outage import Outage
from validation.experiments.supervised import Ended
from validation.judge import slo_file
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.outcome import Outcome
from validation.load import open_loop
from validation.load.open_loop import Done, Fire, Shot
from validation.load.samples import Samples
from validation.reports import json
from validation.reports.model import RunReport
from validation.run.guard import guarded
from validation.run.progress import Reporter
from validation.run.record import Record
from validation.suites import runner

SCHEMA = "milvus-x10000/gate-during"
_TOP_K = 10
_QUERIES = 300
_CALM_S = 5.0
_COMING_BACK_S = 120.0
_SENT_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to run, how to search meanwhile, and what is still good."""

    command: Sequence[str]
    rate: float
    limit_s: float
    longest_outage_s: float | None
    """More than that without service is a failure; None: only measured."""


@dataclass(kw_only=True)
class During:
    """What was found so far."""

    record: Record
    wanted: Wanted
    ended: Ended = field(default_factory=Ended)
    command_s: float | None = None
    requests: int | None = None
    failed: int | None = None
    sent_rate: float | None = None
    delay_p99_ms: float | None = None
    outages: list[Outage] = field(default_factory=list)

    @property
    def longest_s(self) -> float | None:
        """Longest time without service; None where nothing was measured."""
        return max((one.seconds for one in self.outages), default=0.0) if self.requests else None

    @property
    def without_service_s(self) -> float | None:
        """All of them together."""
        return sum(one.seconds for one in self.outages) if self.requests else None

    @property
    def outcome(self) -> Outcome:
        """FAIL where the command failed or the outage was longer than is good."""
        return self.record.outcome if self.record.stopped else Outcome.FAIL if self._problem() else Outcome.PASS

    @property
    def reason(self) -> str:
        """One line."""
        if self.record.stopped:
            return self.record.reason
        told = (
            f"{self.failed} of {self.requests} searches failed; longest time without service {self.longest_s:.2f} s, "
            f"in all {self.without_service_s:.2f} s, while the command ran for {self.command_s:.0f} s"
        )
        return f"{self._problem()}; {told}" if self._problem() else told

    def _problem(self) -> str:
        if self.ended.code:
            return f"the command ended with {self.ended.code}"
        if self.ended.code is None:
            return f"the command was ended after {self.wanted.limit_s:g} s"
        if any(not one.ended for one in self.outages):
            return f"service did not come back within {_COMING_BACK_S:g} s after the command"
        good, longest = self.wanted.longest_outage_s, self.longest_s
        return f"more than {good:g} s without service" if good is not None and longest is not None and longest > good else ""


def execute(order: runner.Order, wanted: Wanted, reporter: Reporter, path: Path) -> During:
    """Load a collection, run the command under load, write the report to `path`, and return what was found."""
    found = During(record=Record(run_id=runner.new_run_id(), strict=False), wanted=wanted)
    guarded(found.record, reporter, lambda: _run(order, reporter, found), lambda: json.write(found.record, path, as_data(found)))
    return found


def _run(order: runner.Order, reporter: Reporter, found: During) -> None:
    if not found.wanted.command:
        raise UsageError("no command to run; name it after --: python -m validation during --stack lab -- make rotate ENV=lab")
    with ExitStack() as closing:
        profile = slo_file.read_profile(order.slo_file)
        run = runner.make_context(order, profile, reporter=reporter, record=found.record, closing=closing)
        reachable(run)
        ingest(run)
        reporter.say(f"{found.wanted.rate:g} searches/s, and after {_CALM_S:g} s: {' '.join(found.wanted.command)}")
        _judge(asyncio.run(_serve(run, found)), found)


async def _serve(run: RunContext, found: During) -> list[Shot]:
    searcher = RawSearcher(
        uri=run.services.milvus.uri,
        database=run.target.milvus_database,
        collection=run.loaded.collection.name,
        search=run.profile.search,
        limit=_TOP_K,
        login=run.services.milvus.logins.search(),
        tls=run.services.milvus.tls,
    )
    async with searcher:
        requests = [searcher.prepare(vector, "") for vector in run.loaded.matrix[:_QUERIES]]

        async def send(number: int) -> list[int]:
            return await searcher.send(requests[number % len(requests)])

        fire = open_loop.awaiting(send)
        await open_loop.constant_rate(fire, range(_QUERIES), found.wanted.rate)
        shots, found.ended = await under_load(fire, found.wanted.rate, _after_a_calm(found.wanted))
        return shots


async def under_load(fire: Fire, rate: float, command: Coroutine[Any, Any, Ended]) -> tuple[list[Shot], Ended]:
    """Send while the command runs, and on until a calm moment has passed without a failure, or the service does not come back."""
    loop = asyncio.get_running_loop()
    running, failed_s = asyncio.create_task(command), 0.0

    def watched(number: int, done: Done) -> None:
        def ended(outcome: Any) -> None:  # noqa: ANN401 - an answer, or what the request died of
            nonlocal failed_s
            if isinstance(outcome, Exception):
                failed_s = loop.time()
            done(outcome)

        fire(number, ended)

    def going() -> bool:
        if not running.done():
            return True
        if running.exception() is not None:
            return False
        ended_s = running.result().ended_s
        return loop.time() - max(ended_s, failed_s) < _CALM_S and loop.time() - ended_s < _COMING_BACK_S

    try:
        return await open_loop.while_going(watched, rate, going), await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _after_a_calm(wanted: Wanted) -> Ended:
    await asyncio.sleep(_CALM_S)
    try:
        return await supervised.run(wanted.command, wanted.limit_s)
    except OSError as error:
        raise UsageError(f"the command cannot be run: {error}") from None


def _judge(shots: list[Shot], found: During) -> None:
    found.command_s = found.ended.ended_s - found.ended.begun_s
    found.requests, found.failed = len(shots), sum(bool(shot.error) for shot in shots)
    found.sent_rate = open_loop.sent_rate(shots)
    found.delay_p99_ms = Samples(shot.delay_s for shot in shots).percentile_ms(99)
    found.outages = outage.find(shots)
    if found.sent_rate is None or found.sent_rate < found.wanted.rate * _SENT_SHARE:
        raise InvalidRunError(
            f"only {found.sent_rate or 0:.0f} of {found.wanted.rate:g} requests/s could be sent; this machine has no CPU for it"
        )


def as_data(found: During) -> dict[str, Any]:
    """Return it as plain data."""
    head = RunReport.from_record(found.record, SCHEMA).as_data() | {"result": {"outcome": found.outcome, "reason": found.reason}}
    return head | {
        "command": list(found.wanted.command),
        "command_exit_code": found.ended.code,
        "command_s": found.command_s,
        "offered_rate": found.wanted.rate,
        "sent_rate": found.sent_rate,
        "delay_p99_ms": found.delay_p99_ms,
        "requests": found.requests,
        "failed": found.failed,
        "longest_without_service_s": found.longest_s,
        "without_service_s": found.without_service_s,
        "outages": [asdict(one) for one in found.outages],
    }
