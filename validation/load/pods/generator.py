"""One generator, in a pod: it takes its share, says that it is ready, begins at the instant that is written, and hands its result in.

It knows its order and nothing else: no key of the store, no token of the cluster. Whatever goes wrong it says in its status and on
stdout, which is the pod's log, and ends with an exit code that is not 0. A pod whose clock differs from the store's by more than a second
refuses to send: it would begin before or after the others.
"""

import re
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import ValidationError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from validation.clients import kube
from validation.clients.login import Login
from validation.clients.milvus_connection import Tls
from validation.clients.searcher import LoadTarget
from validation.judge.errors import GateError, InvalidRunError, UsageError
from validation.load import workers
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.load.pods.exchange import VERSION, Order, Result, Start, Status, unpack_share

STORE_CA, MILVUS_CA, LOGIN = Path("/run/object-store-ca/ca.crt"), Path("/run/milvus-ca/ca.crt"), Path("/run/milvus-login")
"""Where the pod mounts them, where there are any."""
_PATIENCE_S = 300.0
_LEAST_LEAD_S = 0.02
MOST_AHEAD_S = 1.0  # most that a clock may differ from the store's: for so long a run begins and ends with a part of its rate
_DATE_S = 2.0
CGROUP = Path("/sys/fs/cgroup")
_CPU_COUNTS = (("cpu.stat", "throttled_usec", 1e6), *((f"{name}/cpu.stat", "throttled_time", 1e9) for name in ("cpu", "cpu,cpuacct")))
"""File, key and unit per second: control groups 2, then 1 under its two names."""
_SIGNED = re.compile(r"\?X-Amz\S*")  # the part of an address that opens an object: it has no place in a log
_REPEATED = retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_attempt(3), wait=wait_fixed(0.5), reraise=True)
ASKED_AGAIN = retry(retry=retry_if_exception_type(InvalidRunError), stop=stop_after_attempt(3), wait=wait_fixed(1.0), reraise=True)
"""For a clock that seems to be off: a busy server writes a `Date` that is some seconds old, and another one when it is asked again."""


def command(
    orders: Annotated[Path, typer.Argument(help="Directory with INDEX.json, as the pod mounts it.")],
    index: Annotated[int, typer.Option(envvar="JOB_COMPLETION_INDEX", help="Which of them to follow.")],
) -> None:
    """Follow the order, and exit with 3 where that fails."""
    try:
        order = _read(orders / f"{index}.json")
        with closing(Channel(order)) as channel:
            follow(order, Generator(channel))
    except GateError as error:
        print(f"load generator {index}: {error}", flush=True)
        raise typer.Exit(3) from None


class Channel:
    """The four objects that the order names."""

    def __init__(self, order: Order, ca_file: Path = STORE_CA) -> None:
        kube.bypass_proxies([order.uri, order.share_url])
        trusted = ssl.create_default_context(cafile=str(ca_file)) if ca_file.exists() else True
        self._order, self._client = order, httpx.Client(verify=trusted, timeout=10.0)
        self.close = self._client.close

    def share(self, clock: Callable[[], float]) -> tuple[bytes, tuple[float, float]]:
        """Return what is to be sent, and between which two numbers of seconds `clock` is ahead of the store's."""
        begin_s = clock()
        response = self._get(self._order.share_url)
        if response is None:
            raise InvalidRunError("its share is not in the bucket; was the run ended meanwhile?")
        return response.content, ahead_s(response.headers.get("Date", ""), begin_s, clock())

    def start(self) -> Start | None:
        """Return when to begin; None as long as that is not written."""
        response = self._get(self._order.start_url)
        return Start.model_validate_json(response.content) if response else None

    def report(self, status: Status) -> None:
        """Write how it stands."""
        self._put(self._order.status_url, status.model_dump_json().encode())

    def hand_in(self, result: Result) -> None:
        """Write the result."""
        self._put(self._order.result_url, result.pack())

    @_REPEATED
    def _get(self, url: str) -> httpx.Response | None:
        response = self._client.get(url)
        return None if response.status_code == httpx.codes.NOT_FOUND else response.raise_for_status()

    @_REPEATED
    def _put(self, url: str, body: bytes) -> None:
        self._client.put(url, content=body).raise_for_status()


def ahead_s(date: str, asked_s: float, answered_s: float) -> tuple[float, float]:
    """Return between which two numbers of seconds our clock is ahead of the one that wrote the header `Date`; InvalidRunError without one.

    The header was written after the request left and before its answer came; it counts whole seconds, and a server may keep it for one.
    """
    try:
        written_s = parsedate_to_datetime(date).timestamp()
    except ValueError:
        raise InvalidRunError.of("pods.no_date", date=date) from None
    return asked_s - (written_s + _DATE_S), answered_s - written_s


def require_clock(ahead: tuple[float, float], whose: str) -> None:
    """InvalidRunError for a clock that differs from the store's by more than a second, however long its answer took."""
    least_s = max(ahead[0], -ahead[1])
    if least_s > MOST_AHEAD_S:
        off = f"{least_s:.1f} s or more {'ahead of' if ahead[0] > 0 else 'behind'} the store's"
        raise InvalidRunError.of("pods.clock", whose=whose, off=off)


def throttled_s(root: Path = CGROUP) -> float | None:
    """Return for how long a limit kept this pod from its CPU since it began, which counts as latency of Milvus; None without a count."""
    for name, key, per_second in _CPU_COUNTS:
        with suppress(OSError, ValueError):
            counts = dict(line.split(maxsplit=1) for line in (root / name).read_text(encoding="ascii").splitlines())
            if key in counts:
                return int(counts[key]) / per_second
    return None


def _read(path: Path) -> Order:
    try:
        order = Order.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path} is no order ({error}); gate and image of the suite must be of one version: docs/suite-image.md") from None
    if order.version != VERSION:
        raise UsageError.of("pods.version", theirs=order.version, ours=VERSION)
    return order


def follow(order: Order, generator: "Generator") -> None:
    """Do what the order says; whatever it dies of is reported first."""
    try:
        generator.channel.hand_in(_work(order, generator))
    except Exception as error:  # whatever it is, the gate must hear of it
        known = isinstance(error, GateError)
        reason = str(error) if known else f"{type(error).__name__}: {_SIGNED.sub('?...', str(error))}"
        with suppress(httpx.HTTPError):
            generator.channel.report(Status(state="failed", reason=reason))
        if known:
            raise
        raise InvalidRunError(reason) from None


def _work(order: Order, generator: "Generator") -> Result:
    share, login = unpack_share(generator.take_share()), Login()
    if LOGIN.exists():
        user, password = (LOGIN.joinpath(name).read_text(encoding="utf-8") for name in ("username", "password"))
        login = Login(user=user, password=password)
    tls = Tls(ca_file=MILVUS_CA if MILVUS_CA.exists() else None)
    where = {name: getattr(order, name) for name in ("uri", "database", "collection", "search", "limit", "connections")}
    target = LoadTarget(**where, login=login, tls=tls)
    samples = workers.run_load(target, [share], generator.report_progress, start=generator.await_start)
    return generator.result(samples, order.search.timeout_ms / 1e3)


class Generator:
    """The common start, and what changed in the pod since."""

    def __init__(self, channel: Channel, clock: Callable[[], float] = time.time) -> None:
        self.channel, self._clock = channel, clock
        self._start_s, self._ahead_s = 0.0, (0.0, 0.0)
        self._epoch_s = 0.0  # wall clock minus monotonic clock when the start was heard of
        self._throttled_s: float | None = None

    @ASKED_AGAIN
    def take_share(self) -> bytes:
        """Return the share; InvalidRunError where this pod's clock is not the store's."""
        body, self._ahead_s = self.channel.share(self._clock)
        require_clock(self._ahead_s, "its")
        return body

    def await_start(self) -> float:
        """Say that all is ready, and return the start by the monotonic clock, a moment before it."""
        self.channel.report(Status())
        deadline_s = time.monotonic() + _PATIENCE_S
        while (start := self.channel.start()) is None:
            if time.monotonic() > deadline_s:
                raise InvalidRunError.of("pods.no_start", patience_s=_PATIENCE_S)
            time.sleep(0.1)
        self._epoch_s, self._throttled_s = self._clock() - time.monotonic(), throttled_s()
        self._start_s = start.at_s - self._epoch_s
        left_s = self._start_s - time.monotonic()
        if left_s < _LEAST_LEAD_S:
            raise InvalidRunError.of("pods.late_start", late_s=-left_s)
        return self._start_s

    def report_progress(self, done: int) -> None:
        """Write how far it is; not being able to is no reason to stop."""
        with suppress(httpx.HTTPError):
            self.channel.report(Status(done=done))

    def result(self, samples: Sequence[Sample], timeout_s: float) -> Result:
        """Put together what is handed in."""
        now_s, times = throttled_s(), ("planned_s", "sent_s", "ended_s")
        from_start = [{name: getattr(each, name) - self._start_s for name in times} for each in samples]
        return Result(
            samples=tuple(replace(each, **since) for each, since in zip(samples, from_start, strict=True)),
            histogram=Histogram(each.counted_s(timeout_s) for each in samples).encoded(),
            delays=Histogram(each.delay_s for each in samples).encoded(),
            throttled_s=None if now_s is None or self._throttled_s is None else now_s - self._throttled_s,
            stepped_s=self._clock() - time.monotonic() - self._epoch_s,
            clock_ahead_s=self._ahead_s,
        )
