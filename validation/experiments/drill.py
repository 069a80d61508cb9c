"""`./rag drill`: break a deployed stack on purpose, under load, and count what was lost.

A writer inserts numbered, checksummed documents and remembers each one that Milvus acknowledged; searches leave at a constant rate, and
questions go through the embedding service; then the fault. At the end every acknowledged document must be there, unchanged. Owns the
faults and the count; load and outages are those of `during`. Faults are what Kubernetes itself does to pods: deletion, eviction, scale.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import grpc
import numpy as np
import typer
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import RetryError, retry, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from validation.checks import timed
from validation.checks.context import RunContext, reachable
from validation.clients import kube
from validation.clients.milvus import Collection, Row
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.documents import Corpus
from validation.experiments.during import CALM_S, Ended, Outage, find_outages, longest, require_sent, searching, under_load
from validation.judge import slo_file
from validation.judge.errors import GateError, InvalidRunError, UsageError
from validation.judge.outcome import Outcome
from validation.load import open_loop
from validation.load.open_loop import Sample
from validation.reports import model, table
from validation.run.options import Target, report_path
from validation.run.progress import Reporter
from validation.run.record import Record
from validation.suites import runner

SCHEMA = "milvus-x10000/drill-report"
_FIRST, _BATCH, _EVERY_S, _QUESTION_EVERY_S, _READ_AT_ONCE = 500, 10, 0.1, 0.5, 500
_AWAY_S, _BURST_S, _BURST_FACTOR, _READY_S = 15.0, 30.0, 5, 300.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `drill`."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="The drill.")]
    stack: Target
    slo: Annotated[Path | None, typer.Option(help="The SLO file, for how to search. Default: validation/slo.ENV.yaml")] = None
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Searches per second.")] = 50
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/<UTC time>/drill.json")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False


class Faults:
    """What is done to the pods of a namespace, and undone."""

    def __init__(self, cluster: kube.Cluster, namespace: str) -> None:
        self._core, self._apps = client.CoreV1Api(cluster.api_client), client.AppsV1Api(cluster.api_client)
        self._namespace, self.stopped = namespace, threading.Event()

    def pods(self, labels: str = "") -> list[Any]:
        """Return the pods that are to run for ever; UsageError where there are none."""
        every: list[Any] = self._core.list_namespaced_pod(self._namespace, label_selector=labels).items
        if not (kept := [pod for pod in every if pod.spec.restart_policy == "Always"]):
            why = "it is part of another one, or runs elsewhere; nothing was broken"
            raise UsageError(f"namespace {self._namespace} has no pod {labels}: {why}")
        return kept

    def kill(self, labels: str) -> None:
        """SIGKILL all pods with these labels, and wait until others are ready in their place."""
        victims = self.pods(labels)
        for pod in victims:
            self._core.delete_namespaced_pod(pod.metadata.name, self._namespace, grace_period_seconds=0)
        self._wait_ready(victims)

    def take_away(self, name: str) -> None:
        """Leave a Deployment without pods for a while."""
        victims, replicas = self.pods(f"app.kubernetes.io/name={name}"), self._scale(name, 0)
        try:
            self.stopped.wait(_AWAY_S)
        finally:
            self._scale(name, replicas)
        self._wait_ready(victims)

    def drain(self) -> None:
        """Evict every pod, one after another; where a budget forbids it, again until it does not."""
        patiently = retry(retry=retry_if_exception_type(ApiException), stop=stop_after_delay(_READY_S), wait=wait_fixed(2), reraise=True)
        victims = self.pods()
        for pod in victims:
            body = client.V1Eviction(metadata=client.V1ObjectMeta(name=pod.metadata.name, namespace=self._namespace))
            patiently(self._core.create_namespaced_pod_eviction)(pod.metadata.name, self._namespace, body)
        self._wait_ready(victims)

    def _scale(self, name: str, replicas: int) -> int:
        scale: Any = self._apps.read_namespaced_deployment_scale(name, self._namespace)
        self._apps.patch_namespaced_deployment_scale(name, self._namespace, {"spec": {"replicas": replicas}})
        return int(scale.spec.replicas or 0)

    def _wait_ready(self, gone: list[Any]) -> None:
        before = {pod.metadata.uid for pod in gone}

        def is_waiting() -> bool:
            listed: list[Any] = self._core.list_namespaced_pod(self._namespace).items
            pods = [pod for pod in listed if pod.spec.restart_policy == "Always" and pod.metadata.deletion_timestamp is None]
            ready = sum(any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ()) for pod in pods)
            wanted = sum(each.spec.replicas or 0 for each in self._apps.list_namespaced_deployment(self._namespace).items)
            wanted += sum(each.spec.replicas or 0 for each in self._apps.list_namespaced_stateful_set(self._namespace).items)
            return not self.stopped.is_set() and (bool(before & {pod.metadata.uid for pod in listed}) or ready < wanted)

        try:
            retry(retry=retry_if_result(bool), stop=stop_after_delay(_READY_S), wait=wait_fixed(0.5))(is_waiting)()
        except RetryError:
            late = f"pods of {self._namespace} are not ready {_READY_S:g} s after the fault"
            raise InvalidRunError(f"{late}; see: ./rag status ENV") from None


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A fault, and its SLO: longest time without a search, longest without an answer to a question, share of searches that may fail."""

    act: Callable[[Faults], None] | None  # None for more load instead of a fault
    search_s: float
    question_s: float
    failed_share: float = 1.0


DRILLS = {
    "kill-milvus": Drill(act=lambda faults: faults.kill("app.kubernetes.io/name=milvus"), search_s=120, question_s=120),
    "etcd-restart": Drill(act=lambda faults: faults.kill("app.kubernetes.io/name=etcd"), search_s=5, question_s=5),
    "embedder-down": Drill(act=lambda faults: faults.take_away("embedding"), search_s=0.5, question_s=_AWAY_S + 90),
    "llm-down": Drill(act=lambda faults: faults.take_away("llm"), search_s=0.5, question_s=1),
    "drain": Drill(act=Faults.drain, search_s=120, question_s=150),
    "burst": Drill(act=None, search_s=1, question_s=5, failed_share=0.01),
}


@dataclass(kw_only=True)
class DrillRecord(Record):
    """What was counted."""

    options: Options
    acknowledged: int = 0
    refused: int = 0  # batches whose insert failed: nobody was told that they are there
    lost: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)
    is_read_back: bool = False
    fault_s: float | None = None
    requests: int = 0
    failed: int = 0
    questions: int = 0
    questions_failed: int = 0
    outages: list[Outage] = field(default_factory=list)
    question_outages: list[Outage] = field(default_factory=list)

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL for anything lost, altered or too long away."""
        seen = (
            f"{self.acknowledged:,} writes acknowledged, {len(self.lost)} lost, {len(self.altered)} altered; "
            f"{self.failed:,} of {self.requests:,} searches failed, longest {longest(self.outages):.1f} s without; "
            f"{self.questions_failed} of {self.questions} questions failed, longest {longest(self.question_outages):.1f} s without; "
            f"fault until ready again {self.fault_s or 0:.1f} s"
        )
        slo, counted, problems = DRILLS[self.options.name], {"lost": self.lost, "altered": self.altered}, list[str]()
        if not self.is_read_back:
            problems.append("the documents were not read back")
        problems += [f"{len(rows)} acknowledged documents are {what}, such as {rows[0]}" for what, rows in counted.items() if rows]
        for what, outages, good_s in (("search", self.outages, slo.search_s), ("question", self.question_outages, slo.question_s)):
            away = f"{longest(outages):.1f} s without an answer to a {what}"
            if not all(outage.ended for outage in outages):
                problems.append(f"{away}, and none came while it was looked")
            elif longest(outages) > good_s:
                problems.append(f"{away}, more than {good_s:g} s")
        if self.requests and self.failed / self.requests > slo.failed_share:
            problems.append(f"{self.failed / self.requests:.1%} of searches failed, more than {slo.failed_share:.0%}")
        return (Outcome.FAIL, f"{'; '.join(problems)} ({seen})") if problems else (Outcome.PASS, seen)


def act(options: Options) -> int:
    """Drill, print the RESULT line, and return the exit code."""
    if options.name not in DRILLS:
        raise UsageError(f"there is no drill {options.name!r}; there are: {', '.join(DRILLS)}")
    record = DrillRecord(options=options, inputs={"drill": options.name, "rate": options.rate})
    return table.perform(record, partial(_run, record), options.out or report_path(None, "drill.json"), _as_data, quiet=options.quiet)


def _as_data(record: DrillRecord) -> dict[str, Any]:
    counted = ("acknowledged", "refused", "lost", "altered", "fault_s", "requests", "failed", "questions", "questions_failed")
    outages = {name: [asdict(each) for each in getattr(record, name)] for name in ("outages", "question_outages")}
    return model.RunReport.from_record(record, SCHEMA).as_data() | {name: getattr(record, name) for name in counted} | outages


def _run(record: DrillRecord, reporter: Reporter) -> None:
    options, nothing = record.options, Corpus(documents=(), chunks=(), questions=(), sha256="")
    order = runner.Order(stack=options.stack, slo=options.slo)
    with ExitStack() as closing:
        profile = slo_file.read_profile(order.slo_file)
        run = runner.make_context(order, profile, reporter=reporter, record=record, closing=closing, corpus=nothing)
        reachable(run)
        kubernetes = kube.connect()
        closing.callback(kubernetes.close)
        faults = Faults(kubernetes, run.target.namespace)
        collection = run.make_collection("_drill")
        writer = Writer(collection, run.target.embedding_dimension)
        for _ in range(_FIRST // _BATCH):
            writer.once()
        collection.wait_until_found(document(0), writer.vectors(1)[0], profile.patience.searchable_s)
        reporter.say(f"{options.name}: {options.rate:g} searches/s, {_BATCH / _EVERY_S:g} documents/s, and after {CALM_S:g} s the fault")
        asked = list[Sample]()
        ask = partial(_ask, run, collection, asked)
        with record.check("fault", f"What does {options.name} cost?"), repeated(writer.once, _EVERY_S), repeated(ask, _QUESTION_EVERY_S):
            samples, ended = asyncio.run(_serve(run, collection, faults, record))
        record.requests, record.failed = len(samples), sum(bool(sample.error) for sample in samples)
        record.questions, record.questions_failed = len(asked), sum(bool(sample.error) for sample in asked)
        record.outages, record.question_outages, record.fault_s = find_outages(samples), find_outages(asked), ended.ended_s - ended.begun_s
        record.acknowledged, record.refused = len(writer.acknowledged), writer.refused
        with record.check("read_back", "Is every acknowledged document there, unchanged?"):
            for first in range(0, len(writer.acknowledged), _READ_AT_ONCE):
                numbers = writer.acknowledged[first : first + _READ_AT_ONCE]
                there, expected = collection.read(numbers), {number: document(number).fields() for number in numbers}
                record.lost += [number for number in numbers if number not in there]
                record.altered += [n for n in numbers if n in there and {name: there[n][name] for name in expected[n]} != expected[n]]
            record.is_read_back = True


async def _serve(run: RunContext, collection: Collection, faults: Faults, record: DrillRecord) -> tuple[list[Sample], Ended]:
    drill, rate, more = DRILLS[record.options.name], record.options.rate, list[Sample]()
    vectors = Writer(collection, run.target.embedding_dimension).vectors(100)
    async with searching(run, collection.name, vectors) as submit:

        async def fault() -> Ended:
            await asyncio.sleep(CALM_S)
            begun_s, added = asyncio.get_running_loop().time(), rate * (_BURST_FACTOR - 1)
            try:
                if drill.act is not None:
                    await asyncio.to_thread(drill.act, faults)
                else:
                    more.extend(await open_loop.constant_rate(submit, range(int(added * _BURST_S)), added))
            finally:
                faults.stopped.set()
            return Ended(begun_s=begun_s, ended_s=asyncio.get_running_loop().time(), code=0)

        samples, ended = await under_load(submit, rate, fault())
    require_sent(samples, rate)
    return sorted([*samples, *more], key=lambda sample: sample.planned_s), ended


def document(number: int) -> Row:
    """Return a document whose text says its number, with the sha256 of that text."""
    text = f"document {number} of a drill"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    names: Any = {"document_id": str(number), "title": "drill", "section": "", "language": "en", "source": f"drill/{number}"}
    return Row(id=number, bucket=number % 100, chunk=Chunk(**names, sha256=sha256, text=text))


class Writer:
    """Inserts documents one batch after another, and remembers which Milvus acknowledged."""

    def __init__(self, collection: Collection, dimension: int) -> None:
        self._collection, self._dimension, self._next = collection, dimension, 0
        self.acknowledged, self.refused = list[int](), 0

    def vectors(self, count: int, first: int = 0) -> Matrix:
        """Return the vectors of so many documents."""
        drawn = [np.random.default_rng(number).standard_normal(self._dimension, dtype=np.float32) for number in range(first, first + count)]
        return unit(np.array(drawn))

    def once(self) -> None:
        """Insert one batch; its numbers are not used again, whatever comes of it."""
        numbers = range(self._next, self._next + _BATCH)
        self._next += _BATCH
        try:
            written = self._collection.write([document(number) for number in numbers], self.vectors(_BATCH, numbers[0]), replacing=False)
        except (MilvusException, grpc.RpcError, ValueError):
            written = 0
        self.acknowledged += numbers if written == _BATCH else ()
        self.refused += written != _BATCH


def _ask(run: RunContext, collection: Collection, asked: list[Sample]) -> None:
    """Ask one thing as users do, of the embedding service, then of Milvus, and note how it ended."""
    begin_s, error, ids = time.monotonic(), "", list[int]()
    try:
        vector = run.services.embedding.embed_queries(["What does a drill cost?"])[0]
        ids = collection.nearest(vector, timed.TOP_K, run.profile.search)
    except GateError as problem:
        error = str(problem)
    asked.append(Sample(len(asked), begin_s, begin_s, time.monotonic(), ids, error or ("" if ids else "nothing was found")))


@contextmanager
def repeated(once: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call it again and again beside the block, and wait for the last call."""
    stopped = threading.Event()

    def going() -> None:
        while not stopped.wait(every_s):
            once()

    thread = threading.Thread(target=going)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
