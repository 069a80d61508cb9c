"""`./rag soak`: search and ingest for hours with random faults, and say what grows: memory, descriptors, the bucket, latency.

Load, documents and faults are those of the drills. Rows are bounded: what is old is read back and deleted, so that growth of data is not
taken for a leak. Owns schedule and SLO; whether a number grows is `judge.trend`'s. Ends by itself, after the hours and the last fault.
"""

import asyncio
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import grpc
import psutil
import typer
from kubernetes.client.exceptions import ApiException
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from rich.console import Console
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from urllib3.exceptions import HTTPError

from validation.checks import timed
from validation.checks.context import RunContext, reachable
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.documents import DocumentStore
from validation.corpus.documents import Corpus
from validation.experiments import during, workload
from validation.experiments.drill import DRILLS
from validation.experiments.faults import PART, Faults
from validation.judge import trend
from validation.judge.errors import GateError, UsageError
from validation.judge.judgement import Grade
from validation.load import open_loop
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.reports import export, model, table
from validation.run.options import Target, report_path
from validation.run.record import Reporter
from validation.suites import runner

Series = dict[str, dict[str, list[tuple[float, float]]]]  # by name and lifetime: (hour, value)
SCHEMA = "milvus-x10000/soak-report"
DEFAULT = ("kill-milvus", "embedder-down", "llm-down", "burst")
_ROWS, _WRITE_EVERY_S, _QUESTION_EVERY_S, _SEAL_EVERY_S, _BURST, _LEAD_S = 5_000, 0.5, 1.0, 60.0, 5, 0.05
_PERCENTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "max_ms": 100}
_WARM_UP_SHARE, _WARM_UP_H, _WANTING, _AT_RATE, _FAILED_SHARE = 1 / 6, 1 / 6, 0.05, 0.95, 0.001
_LATENCY, _DESCRIPTORS = 2.5, 5  # times the share by which latency may grow: it is the machine's as well; so many are no leak
_FILLED_AT_ONCE, _BATCHES, _SERVED_S = 1_000, 100, 120  # documents a batch; batches until they are dropped; a new pod answers by then
_GARBAGE_H = 4.0  # Milvus removes files three hours after it dropped them, and looks once an hour (dataCoord.gc)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `soak`."""

    stack: Target
    hours: Annotated[float, typer.Option(min=0.02, max=168, help="How long.")]
    faults: Annotated[str, typer.Option(metavar="NAME,...", help=f"Drills to draw from. Default: {','.join(DEFAULT)}")] = ""
    no_faults: Annotated[bool, typer.Option("--no-faults", help="Search and ingest alone.")] = False
    seed: Annotated[int, typer.Option(help="Same seed, same faults at the same times.")] = 7
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Searches per second.")] = 50
    growth: Annotated[float, typer.Option(min=0, max=10, help="Share by which a number may grow over the soak; latency by more.")] = 0.2
    slo: Annotated[Path | None, typer.Option(help="The SLO file, for how to search. Default: validation/slo.ENV.yaml")] = None
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/<UTC time>/soak.json")] = None
    fill: Annotated[int, typer.Option(min=0, max=10_000_000, help="Documents written and dropped first and after a restart.")] = 0
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False

    @property
    def window_s(self) -> float:
        """How long a window is."""
        return min(max(self.hours * 60, 10.0), 30.0)


@dataclass(kw_only=True)
class SoakRecord(workload.LoadRecord):
    """What was counted."""

    options: Options
    begun_s: float = 0.0
    broken: list[dict[str, Any]] = field(default_factory=list)  # each drill: name, begin_s, end_s, since the soak began
    windows: list[dict[str, Any]] = field(default_factory=list)
    series: Series = field(default_factory=dict)

    @property
    def now_s(self) -> float:
        """Seconds since the soak began."""
        return time.monotonic() - self.begun_s

    def note(self, name: str, value: float, lifetime: str = "") -> None:
        """Add a point to a series."""
        self.series.setdefault(name, {}).setdefault(lifetime, []).append((self.now_s / 3600, value))

    @cached_property
    def rows(self) -> list[model.ObjectiveResult]:  # trends take a moment: worked out once the soak is over
        """What is judged: what was lost, the time without service beside faults, whether anything failed without one, and what grew."""
        came, calm = {"burst", *(each["name"] for each in self.broken)}, [each for each in self.windows if not each["faults"]]
        rows = self.judged(*(max(getattr(DRILLS[each], name) for each in came) for name in ("search_s", "question_s")))
        sent, failed = (sum(window[name] for window in calm) for name in ("sent", "failed"))
        rows.append(model.at_most("failed_without_fault", failed / sent if sent else None, "share", _FAILED_SHARE))
        wanting = {"soak_cut_short": max(0.0, 1 - len(self.windows) * self.options.window_s / self.options.hours / 3600)}
        wanting["windows_late"] = sum(each["is_late"] for each in self.windows) / max(len(self.windows), 1)  # no CPU here for the rate
        for name, share in wanting.items():
            rows.append(model.at_most(name, share, "share", _WANTING, grade=Grade.UNDECIDED if share > _WANTING else None))
        latency = {f"search_{name}": {"": [(each["from_s"] / 3600, each[name]) for each in calm]} for name in ("p50_ms", "p99_ms")}
        return [*rows, *_grown(self, self.series | latency)]


def _grown(record: SoakRecord, series: Series) -> Iterator[model.ObjectiveResult]:
    """Judge each series of which there is anything; the warm-up of each lifetime is left out."""
    hours, share = record.options.hours, record.options.growth
    for name, lifetimes in sorted(series.items()):
        warm_h = _GARBAGE_H if name.startswith("bucket") else min(hours * _WARM_UP_SHARE, _WARM_UP_H)
        kept = [[point for point in points if point[0] >= points[0][0] + warm_h] for points in lifetimes.values() if points]
        if warm_h >= hours:
            record.skipped[f"{name}_growth"] = f"not judged: Milvus keeps what it replaced for {_GARBAGE_H:g} h, longer than this soak"
            continue
        if (seen := trend.estimate(kept)) is None:
            why = f"{max(map(len, kept), default=0)} windows of a lifetime after its warm-up, at least {trend.LEAST} are needed"
            yield model.at_most(f"{name}_growth", None, "share", share, why=why)
            continue
        whole, is_latency = hours / (seen.level or 1.0), name.startswith("search")
        least = share * _LATENCY if is_latency else _DESCRIPTORS * whole / hours if name.endswith("descriptors") else 0.0
        limit, grade = max(share, least), seen.grade(max(share, least) / whole)
        why = f"{seen.per_hour:+,.4g} an hour of {seen.level:,.4g}; over the soak {seen.low * whole:+.1%} to {seen.high * whole:+.1%}"
        why += f", by {seen.points} windows of {seen.lifetimes} lifetimes"
        grade = Grade.WARN if is_latency and grade is Grade.UNDECIDED else grade  # no length of a soak quiets the 99th percentile
        yield model.at_most(f"{name}_growth", seen.per_hour * whole, "share", limit, grade=grade, why=why)


def act(options: Options) -> int:
    """Soak, print the table and the RESULT line, and return the exit code."""
    names = named(options)
    record, out = SoakRecord(options=options), options.out or report_path(None, "soak.json")
    record.inputs = {"hours": options.hours, "faults": names, "seed": options.seed, "rate": options.rate}
    record.inputs |= {"growth": options.growth, "fill": options.fill}
    code = table.perform(record, partial(_run, record, names), out, _as_data, show=_show, quiet=options.quiet)
    export.write_forms(model.GateReport.from_rows(record, "soak", record.rows), out, record.hide)
    return code


def named(options: Options) -> list[str]:
    """Return the drills that are asked for; UsageError for one that there is not, or that is a command."""
    there = [name for name in DRILLS if not DRILLS[name].is_command]
    names = [] if options.no_faults else options.faults.split(",") if options.faults else list(DEFAULT)
    if options.no_faults and options.faults:
        raise UsageError("--no-faults and --faults exclude each other: leave one out")
    if unknown := [name for name in names if name not in there]:
        raise UsageError(f"--faults: no drill without a command is called {unknown[0]!r}; there are: {', '.join(there)}")
    return names


def schedule(names: Sequence[str], seconds: float, seed: int) -> list[tuple[float, str]]:
    """Return when which fault comes: each about as often, at random times one after the other, so many as the time has room for.

    Those by which a process begins anew come in the first third: growth is told of a process that lives for long.
    """
    drawn, every_s, plan = random.Random(seed), min(max(seconds / 12, 45), 300), list[tuple[float, str]]()  # noqa: S311 - nothing is secret
    for number in range(int(seconds / every_s)):
        at_s = (number + drawn.uniform(0.25, 0.75)) * every_s
        counts = {name: sum(name == other for _, other in plan) for name in names if at_s < seconds / 3 or not DRILLS[name].restarts}
        if rarest := [name for name, count in counts.items() if count == min(counts.values())]:
            plan.append((at_s, drawn.choice(rarest)))
    return plan


def _run(record: SoakRecord, names: Sequence[str], reporter: Reporter) -> None:
    options = record.options
    with runner.opened(runner.Order(stack=options.stack, slo=options.slo), reporter, record, corpus=Corpus()) as run:
        faults = Faults(run.closing.enter_context(closing(kube.connect())), run.target)
        faults.undo()
        run.closing.callback(faults.undo)
        parts = {(pod.metadata.labels or {}).get(PART) for pod in faults.pods()}
        absent = [name for name in names if DRILLS[name].part not in {"", *parts}]
        if absent and options.faults:
            raise UsageError(f"--faults: namespace {run.target.namespace} has no pod {DRILLS[absent[0]].part}: leave {absent[0]} out")
        record.skipped |= dict.fromkeys(absent, "the namespace has no pod of it")
        plan = schedule([name for name in names if name not in absent], options.hours * 3600, options.seed)
        if any(DRILLS[name].store for _, name in plan):
            faults.put_proxy_before_store()
        reachable(run)
        writer = record.writer = workload.Writer(run.make_collection("_soak"), run.target.embedding_dimension)
        writer.begin(run.profile.patience.searchable_s, _ROWS)
        rates = f"{options.rate:g} searches/s, {workload.BATCH / _WRITE_EVERY_S:g} documents/s"
        reporter.say(f"{rates}, {len(plan)} faults in {options.hours:g} h")
        with record.check("retrieval", "Are searches answered, and what grows?") as check:
            check.facts["over_time"] = record.windows
            with suppress(KeyboardInterrupt):  # what was measured until then is judged
                _Soak(run, record, writer, faults).go(plan)
        record.read_back()


class _Soak:
    """The load, the faults, and what is watched meanwhile."""

    def __init__(self, run: RunContext, record: SoakRecord, writer: workload.Writer, faults: Faults) -> None:
        self._run, self._record, self._writer, self._faults, self._asked = run, record, writer, faults, list[Sample]()
        self._scratch = run.reserve_collection("_fill")
        self._window_s, self._seconds = record.options.window_s, record.options.hours * 3600
        self._cluster = run.closing.enter_context(closing(kube.connect()))  # its own: no two threads may run something in pods over one
        self._bucket, pods = list[DocumentStore](), Faults(self._cluster, run.target)
        self._watched = {part: partial(pods.usage, part) for part in ("milvus", "embedding")} | {"bucket": self._objects}

    def go(self, plan: Sequence[tuple[float, str]]) -> None:
        """Search, write, ask and watch until the hours are over."""
        self._fill()
        question = partial(workload.ask, self._run, self._writer.collection, self._asked)
        write, self._record.begun_s = partial(self._writer.once_within, _ROWS), time.monotonic()
        loads = (write, _WRITE_EVERY_S), (question, _QUESTION_EVERY_S), (self._writer.seal, _SEAL_EVERY_S), (self._watch, self._window_s)
        with workload.repeated(*loads):
            asyncio.run(self._serve(plan))

    def _fill(self) -> None:
        """Fill the buffers of Milvus's log, empty in a young process, with documents that nobody needs: they would grow for hours."""
        documents, dimension, index = self._record.options.fill, self._run.target.embedding_dimension, self._run.profile.search.chosen_index
        rows, vectors = [workload.document(number) for number in range(_FILLED_AT_ONCE)], self._writer.vectors(_FILLED_AT_ONCE)
        patient = Retrying(retry=retry_if_exception_type(GateError), stop=stop_after_delay(_SERVED_S), wait=wait_fixed(1), reraise=True)
        portion = _FILLED_AT_ONCE * _BATCHES
        for first in range(0, documents, portion):
            self._run.reporter.say(f"Milvus's buffers are filled: {first:,} of {documents:,} documents")
            patient(self._scratch.create, dimension, index)  # a pod that is ready may not answer yet
            for _ in range(first, 0 if self._faults.stopped.is_set() else min(first + portion, documents), _FILLED_AT_ONCE):
                with suppress(MilvusException, grpc.RpcError):
                    self._scratch.write(rows, vectors, replacing=False)
            patient(self._scratch.drop)

    def _watch(self) -> None:
        """Add a point to each series; a part of which no number was ever read is left out, and says why."""
        record, own = self._record, psutil.Process()
        record.note("soak_memory_mib", own.memory_info().rss / 2**20)
        record.note("soak_descriptors", own.num_fds())
        for part, read in self._watched.items():
            try:
                for name, lifetime, value in read():
                    record.note(name, value, lifetime)
                record.skipped.pop(part, None)
            except (ApiException, HTTPError, GateError, ValueError) as error:
                if not any(name.startswith(part) for name in record.series):
                    record.skipped[part] = f"not tried: {error}"

    def _objects(self) -> Iterator[tuple[str, str, float]]:
        """Yield how much Milvus's bucket holds."""
        if not self._bucket:
            aim = self._run.target
            aim = aim.model_copy(update={"documents_bucket": aim.milvus_bucket, "documents_secret_name": aim.milvus_secret_name})
            connector = Connector(target=aim, kubernetes=self._cluster, closing=self._run.closing, secrets=self._record.secrets)
            self._bucket.append(connector.documents())
        objects, size = self._bucket[0].usage()
        yield from (("bucket_objects", "", objects), ("bucket_mib", "", size / 2**20))

    async def _serve(self, plan: Sequence[tuple[float, str]]) -> None:
        """Search at a constant rate, window after window without a gap, until the hours and the last fault are over."""
        record, loop, number, sent = self._record, asyncio.get_running_loop(), 0, list[asyncio.Task[list[Sample]]]()
        async with during.searching(self._run, self._writer.collection.name, self._writer.vectors(100)) as submit:
            record.begun_s = record.searches.first_s = record.questions.first_s = loop.time()
            breaking = asyncio.create_task(self._break(plan))
            try:
                while not breaking.done() or (not breaking.exception() and number * self._window_s < self._seconds):
                    is_burst = any(each["name"] == "burst" and each["end_s"] == math.inf for each in record.broken)
                    rate, begin_s = record.options.rate * (_BURST if is_burst else 1), record.begun_s + number * self._window_s
                    due = {each: each / rate for each in range(round(rate * self._window_s))}
                    sent.append(asyncio.create_task(open_loop.at_times(submit, due, begin_s + _LEAD_S)))
                    await asyncio.sleep(begin_s + self._window_s - loop.time())
                    if number:  # the last requests of the window before have had a whole window to end
                        self._settle(await sent.pop(0), (number - 1) * self._window_s)
                    number += 1
                self._settle(await sent.pop(), (number - 1) * self._window_s)
                await breaking
            finally:
                self._faults.stopped.set()
                breaking.cancel()
                await asyncio.gather(breaking, return_exceptions=True)

    async def _break(self, plan: Sequence[tuple[float, str]]) -> None:
        """Let the faults come, one after the other; of a burst the next window is all."""
        record = self._record
        for at_s, name in plan:
            await asyncio.sleep(at_s - record.now_s)
            fault: dict[str, Any] = {"name": name, "begin_s": record.now_s, "end_s": math.inf}
            record.broken.append(fault)
            if (act := DRILLS[name].act) is not None:
                await asyncio.to_thread(act, self._faults)
                if DRILLS[name].restarts and DRILLS[name].part != "embedding":
                    await asyncio.to_thread(self._fill)
            else:
                await asyncio.sleep(2 * self._window_s - fault["begin_s"] % self._window_s - 2 * _LEAD_S)
            fault["end_s"] = record.now_s

    def _settle(self, samples: Sequence[Sample], from_s: float) -> None:
        """Count a window, and say in a line what it came to."""
        record, asked, end_s = self._record, self._asked[:], from_s + self._window_s
        del self._asked[: len(asked)]
        record.searches.add(samples)
        record.questions.add(asked)
        latency, sent = Histogram(timed.counted_s(self._run, samples)), (open_loop.sent_rate(samples) or 0) * self._window_s
        window: dict[str, Any] = {name: latency.percentile_ms(percentile) for name, percentile in _PERCENTILES.items()}
        window |= {"from_s": from_s, "sent": len(samples), "is_late": sent < _AT_RATE * len(samples)}
        window |= {name: sum(bool(each.error) for each in every) for name, every in (("failed", samples), ("questions_failed", asked))}
        beside = [each for each in record.broken if from_s <= each["end_s"] + during.CALM_S and end_s >= each["begin_s"]]
        window["faults"] = [each["name"] for each in beside]
        record.windows.append(window)
        newest = [f"{name} {next(reversed(lives.values()))[-1][1]:,.0f}" for name, lives in sorted(record.series.items())]
        served = f"p50 {window['p50_ms']:.1f} ms, p99 {window['p99_ms']:.1f} ms, {window['failed']} + {window['questions_failed']} failed"
        self._run.reporter.say("; ".join([f"{end_s / 60:.1f} of {self._seconds / 60:g} min: {served}", *newest, *window["faults"]]))


def _show(record: SoakRecord, console: Console) -> None:
    shown = table.empty_table(console, ("what", "measured", "limit", "verdict", "how"), right={"measured", "limit"}, wraps="how")
    for row in record.rows:
        shown.add_row(row.sli, table.number(row.value), row.limit, row.grade, row.why)
    console.print(shown)


def _as_data(record: SoakRecord) -> dict[str, Any]:
    judged = {"objectives": [row.model_dump() for row in record.rows], "faults": record.broken}
    series = {name: list(lifetimes.values()) for name, lifetimes in record.series.items()}
    return model.RunReport.from_record(record, SCHEMA).as_data() | record.counts() | judged | {"windows": record.windows, "series": series}
