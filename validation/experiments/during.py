"""Search at a constant rate while a command runs, and say how long nobody was served: what a rotation, an upgrade or a drain costs.

Bounded: the command by a limit, the load by the command's end, a calm moment before and after, and two minutes for a service that does not
come back. An outage is a run of requests that failed, from the planned time of its first one until that of the next one that was answered.
It is as exact as the load is dense: 10 ms at 100 requests/s.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from validation.checks import timed
from validation.checks.context import RunContext, reachable
from validation.checks.ingest import ingest
from validation.clients.vectors import Matrix
from validation.judge.errors import InvalidRunError, Outcome, UsageError
from validation.load import open_loop
from validation.load.histogram import Histogram
from validation.load.open_loop import Done, Sample, Submit
from validation.reports import model, table
from validation.run.options import Json, report_path
from validation.run.record import Record, Reporter
from validation.suites import runner

SCHEMA = "milvus-x10000/gate-during"
_QUERIES, CALM_S, _COMING_BACK_S, _SENT = 300, 5.0, 120.0, 0.95  # the last: share of the rate that has to leave
_ENDING_S = 60.0  # from asking a command to end until it is killed


@dataclass(frozen=True, kw_only=True)
class Options(runner.Order):
    """The options of `during`: what to run, how to search meanwhile, and what is still good."""

    command: Annotated[list[str], typer.Argument(help="The command, after --", metavar="-- COMMAND")]
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/<UTC time>/during.json")] = None
    as_json: Json = False
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Searches per second.")] = 100
    limit_s: Annotated[float, typer.Option(min=1, max=7_200, help="No command may last longer.")] = 1_800
    longest_outage_s: Annotated[float | None, typer.Option(min=0, help="Longer without service exits 1; by itself it is measured.")] = None


@dataclass(kw_only=True)
class Ended:
    """How it went; times are the running loop's clock."""

    begun_s: float = 0.0
    ended_s: float = 0.0
    code: int | None = None  # None for one that had to be ended


@dataclass(kw_only=True)
class Outage:
    """A run of requests that failed."""

    begin_s: float  # since the first request of all
    seconds: float = 0.0
    failed: int = 0
    first_error: str
    ended: bool = False  # False where no later request was answered: it lasted longer than was looked


@dataclass(kw_only=True)
class Requests:
    """How many were sent and failed, and their outages; none is kept, so that it may be any number."""

    first_s: float | None = None
    sent: int = 0
    failed: int = 0
    outages: list[Outage] = field(default_factory=list)

    def add(self, samples: Iterable[Sample]) -> Self:
        """Count more of them, in the order in which they were planned."""
        for sample in samples:
            self.first_s = sample.planned_s if self.first_s is None else self.first_s
            outage = self.outages[-1] if self.outages and not self.outages[-1].ended else None
            if sample.error and outage is None:
                self.outages.append(outage := Outage(begin_s=sample.planned_s - self.first_s, first_error=sample.error))
            if outage is not None:
                outage.seconds = (sample.ended_s if sample.error else sample.planned_s) - self.first_s - outage.begin_s
                outage.failed, outage.ended = outage.failed + bool(sample.error), not sample.error
            self.sent, self.failed = self.sent + 1, self.failed + bool(sample.error)
        return self

    @property
    def longest_s(self) -> float:
        """The longest time without service."""
        return max((outage.seconds for outage in self.outages), default=0.0)


@dataclass(kw_only=True)
class During(Record):
    """What was measured so far."""

    options: Options
    ended: Ended = field(default_factory=Ended)
    command_s: float | None = None
    requests: Requests = field(default_factory=Requests)
    sent_rate: float | None = None
    delay_p99_ms: float | None = None

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL where the command failed or the outage was longer than is good, and what service was lost."""
        requests, whole_s = self.requests, sum(each.seconds for each in self.requests.outages)
        away = f"longest time without service {requests.longest_s:.2f} s, in all {whole_s:.2f} s"
        lost = f"{requests.failed} of {requests.sent} searches failed; {away}, while the command ran for {self.command_s:.0f} s"
        ended, good, problem = self.ended, self.options.longest_outage_s, ""
        if ended.code:
            problem = f"the command ended with {ended.code}"
        elif ended.code is None:
            problem = f"the command was ended after {self.options.limit_s:g} s"
        elif not all(outage.ended for outage in requests.outages):
            problem = f"service did not come back within {_COMING_BACK_S:g} s after the command"
        elif good is not None and requests.longest_s > good:
            problem = f"more than {good:g} s without service"
        return (Outcome.FAIL, f"{problem}; {lost}") if problem else (Outcome.PASS, lost)


def act(options: Options) -> int:
    """Search while the command runs, print the RESULT line, and return the exit code."""
    during, report = During(options=options), options.out or report_path(None, "during.json")
    return table.perform(during, partial(_run, during), report, as_data, as_json=options.as_json)


def _run(during: During, reporter: Reporter) -> None:
    options = during.options
    if not options.command:
        raise UsageError("no command to run; name it after --: ./rag during lab -- ./rag rotate lab")
    with runner.opened(options, reporter, during, reachable, ingest) as run:
        reporter.say(f"{options.rate:g} searches/s, and after {CALM_S:g} s: {' '.join(options.command)}")
        samples = asyncio.run(_serve(run, during))
        during.command_s = during.ended.ended_s - during.ended.begun_s
        during.requests.add(samples)
        during.sent_rate = open_loop.sent_rate(samples)
        during.delay_p99_ms = Histogram(sample.delay_s for sample in samples).percentile_ms(99)
    require_sent(samples, options.rate)


async def _serve(run: RunContext, during: During) -> list[Sample]:
    async def after_a_calm() -> Ended:
        await asyncio.sleep(CALM_S)
        return await supervise(during.options.command, during.options.limit_s)

    async with searching(run, run.loaded.collection.name, run.loaded.matrix[:_QUERIES]) as submit:
        await open_loop.constant_rate(submit, range(_QUERIES), during.options.rate)
        samples, during.ended = await under_load(submit, during.options.rate, after_a_calm())
        return samples


@asynccontextmanager
async def searching(run: RunContext, collection: str, vectors: Matrix) -> AsyncIterator[Submit]:
    """Yield what sends these searches in turn; ids are read at once: how long service is away must be known while the load goes on."""
    async with timed.load_target(run, collection).searcher() as searcher:
        requests = [searcher.prepare(vector, "") for vector in vectors]

        def read(answer: Any) -> Any:  # noqa: ANN401 - an answer, or what the request died of
            try:
                return answer if isinstance(answer, Exception) else searcher.read(answer)
            except Exception as error:  # noqa: BLE001 - an answer that says no is a failed request as well
                return error

        def submit(number: int, done: Done) -> None:
            searcher.fire(requests[number % len(requests)], lambda answer: done(read(answer)))

        yield submit


def require_sent(samples: Sequence[Sample], rate: float) -> None:
    """Refuse a load that this machine could not send."""
    if (sent := open_loop.sent_rate(samples) or 0) < rate * _SENT:
        raise InvalidRunError(f"only {sent:.0f} of {rate:g} requests/s could be sent; this machine has no CPU for it")


async def under_load(submit: Submit, rate: float, command: Coroutine[Any, Any, Ended]) -> tuple[list[Sample], Ended]:
    """Send while the command runs, and on until a calm moment has passed with answers and without a failure, or no service comes back."""
    loop = asyncio.get_running_loop()
    running, last_s = asyncio.create_task(command), {"answered": 0.0, "failed": 0.0}

    def watched(number: int, done: Done) -> None:
        def ended(outcome: Any) -> None:  # noqa: ANN401 - an answer, or what the request died of
            last_s["failed" if isinstance(outcome, Exception) else "answered"] = loop.time()
            done(outcome)

        submit(number, ended)

    def going() -> bool:
        if not running.done() or running.exception() is not None:
            return not running.done()
        ended_s = running.result().ended_s
        is_calm = loop.time() - max(ended_s, last_s["failed"]) >= CALM_S
        is_silent = loop.time() - last_s["answered"] > CALM_S / 2  # requests that hang have not failed yet
        return (not is_calm or is_silent) and loop.time() - ended_s < _COMING_BACK_S

    try:
        return await open_loop.while_going(watched, rate, going), await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def supervise(command: Sequence[str], limit_s: float) -> Ended:
    """Run it with its output on the terminal; one that lasts longer than `limit_s` is asked to end as by Ctrl-C, then ended.

    It has a process group of its own, so that whatever it started ends with it. Raises UsageError where there is no such command.
    """
    loop = asyncio.get_running_loop()
    ended = Ended(begun_s=loop.time())
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise UsageError(f"the command cannot be run: {error}") from None
    try:
        async with asyncio.timeout(limit_s):
            ended.code = await process.wait()
    except TimeoutError:
        await _end(process)
    except asyncio.CancelledError:
        await asyncio.shield(_end(process))
        raise
    ended.ended_s = loop.time()
    return ended


async def _end(process: asyncio.subprocess.Process) -> None:
    for ending in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _ENDING_S)
            return


def as_data(during: During) -> dict[str, Any]:
    """Return it as plain data."""
    requests, counted = during.requests, ("command_s", "sent_rate", "delay_p99_ms")
    return model.RunReport.from_record(during, SCHEMA).as_data() | {
        "result": {"outcome": during.outcome, "reason": during.reason},
        "command": list(during.options.command),
        "command_exit_code": during.ended.code,
        "offered_rate": during.options.rate,
        "requests": requests.sent or None,
        "failed": requests.failed if requests.sent else None,
        "longest_without_service_s": requests.longest_s if requests.sent else None,
        "without_service_s": sum(outage.seconds for outage in requests.outages) if requests.sent else None,
        **{name: getattr(during, name) for name in counted},
        "outages": [asdict(outage) for outage in requests.outages],
    }


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something in a thread beside the block, which sets the event at its end and waits for it."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
