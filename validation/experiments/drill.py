"""`./rag drill`: break a deployed stack on purpose, under load, and count what was lost.

A writer inserts numbered, checksummed documents and remembers each one that Milvus acknowledged; searches leave at a constant rate, and
questions go through the embedding service; then the fault. At the end every acknowledged document must be there, unchanged. Owns the
count and the SLO of each drill; load and outages are those of `during`, what is done to the stack is in `faults`.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import grpc
import numpy as np
import typer
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.checks import timed
from validation.checks.context import RunContext, reachable
from validation.clients import kube, target
from validation.clients.milvus import Collection, Row
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.documents import Corpus
from validation.experiments.during import (
    CALM_S,
    Ended,
    Outage,
    beside,
    find_outages,
    longest,
    require_sent,
    searching,
    supervise,
    under_load,
)
from validation.experiments.faults import AWAY_S, Faults
from validation.judge.errors import GateError, Outcome, UsageError
from validation.judge.judgement import Grade
from validation.load import open_loop
from validation.load.open_loop import Sample
from validation.reports import export, model, table
from validation.run.options import Target, report_path
from validation.run.progress import Reporter
from validation.run.record import Record
from validation.suites import runner

SCHEMA = "milvus-x10000/drill-report"
_FIRST, _BATCH, _EVERY_S, _QUESTION_EVERY_S, _READ_AT_ONCE = 500, 10, 0.1, 0.5, 500
_BURST_S, _BURST_FACTOR, _FLUSH_EVERY_S, _LIMIT_S = 30.0, 5, 10.0, 1_800.0
_STORE = ("down", "slow", "errors", "hang")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `drill`."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="The drill.")]
    stack: Target
    command: Annotated[list[str], typer.Argument(help="The command of a drill that is one, after --", metavar="[-- COMMAND]")] = field(
        default_factory=list
    )
    slo: Annotated[Path | None, typer.Option(help="The SLO file, for how to search. Default: validation/slo.ENV.yaml")] = None
    rate: Annotated[float, typer.Option(min=1, max=2_000, help="Searches per second.")] = 50
    out: Annotated[Path | None, typer.Option(help="The report. Default: build/reports/<UTC time>/drill.json")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A fault, and its SLO: longest time without a search, longest without an answer to a question, share of searches that may fail."""

    act: Callable[[Faults], None] | None = None  # None for more load, or for a command, instead of a fault
    is_command: bool = False
    store: bool = False  # Milvus seals what was written every 10 s, and reaches its store through a proxy, but where a command is the fault
    search_s: float
    question_s: float
    failed_share: float = 1.0


DRILLS = {
    "kill-milvus": Drill(act=lambda faults: faults.kill("app.kubernetes.io/name=milvus"), search_s=120, question_s=120),
    "etcd-restart": Drill(act=lambda faults: faults.kill("app.kubernetes.io/name=etcd"), search_s=5, question_s=5),
    "embedder-down": Drill(act=lambda faults: faults.take_away("embedding"), search_s=0.5, question_s=AWAY_S + 90),
    "llm-down": Drill(act=lambda faults: faults.take_away("llm"), search_s=0.5, question_s=1),
    "drain": Drill(act=Faults.drain, search_s=120, question_s=150),
    "burst": Drill(search_s=1, question_s=5, failed_share=0.01),
    **{f"store-{what}": Drill(act=partial(Faults.store, fault=what), search_s=1, question_s=5, store=True) for what in _STORE},
    "oom": Drill(act=partial(Faults.fill, resource="memory"), search_s=120, question_s=120),
    "disk-full": Drill(act=partial(Faults.fill, resource="ephemeral-storage"), search_s=120, question_s=120),
    **dict.fromkeys(("kill-node", "rotate", "upgrade", "rollback"), Drill(is_command=True, search_s=150, question_s=180)),
    "network-cut": Drill(is_command=True, search_s=1, question_s=5, store=True),
    "restore": Drill(is_command=True, search_s=1, question_s=5),
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
    command_exit_code: int | None = 0  # None for one that had to be ended
    store_requests: int | None = None  # to the store while its proxy was slow, failed or hung
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
        slo, counted, code = DRILLS[self.options.name], {"lost": self.lost, "altered": self.altered}, self.command_exit_code
        problems = [] if self.is_read_back else ["the documents were not read back"]
        problems += [f"{len(rows)} acknowledged documents are {what}, such as {rows[0]}" for what, rows in counted.items() if rows]
        for what, outages, good_s in (("search", self.outages, slo.search_s), ("question", self.question_outages, slo.question_s)):
            away = f"{longest(outages):.1f} s without an answer to a {what}"
            if not all(outage.ended for outage in outages):
                problems.append(f"{away}, and none came while it was looked")
            elif longest(outages) > good_s:
                problems.append(f"{away}, more than {good_s:g} s")
        problems += ["the command did not end in time"] if code is None else [f"the command ended with {code}"] if code else []
        if self.requests and self.failed / self.requests > slo.failed_share:
            problems.append(f"{self.failed / self.requests:.1%} of searches failed, more than {slo.failed_share:.0%}")
        return (Outcome.FAIL, f"{'; '.join(problems)} ({seen})") if problems else (Outcome.PASS, seen)


def act(options: Options) -> int:
    """Drill, print the RESULT line, and return the exit code."""
    if options.name == "undo":
        return _undo(options)
    if options.name not in DRILLS:
        raise UsageError(f"there is no drill {options.name!r}; there are: {', '.join(DRILLS)}")
    if DRILLS[options.name].is_command != bool(options.command):
        needed = f"takes no command: {' '.join(options.command)}" if options.command else "is what a command does; name it after --"
        raise UsageError(f"{options.name} {needed}: ./rag drill rotate lab -- ./rag rotate lab --yes")
    record = DrillRecord(options=options, inputs={"drill": options.name, "rate": options.rate, "command": options.command})
    out = options.out or report_path(None, "drill.json")
    code = table.perform(record, partial(_run, record), out, _as_data, quiet=options.quiet)
    export.write_forms(_as_gate_report(record), out, record.hide)
    return code


def _as_data(record: DrillRecord) -> dict[str, Any]:
    kept = "acknowledged refused lost altered fault_s requests failed questions questions_failed store_requests command_exit_code"
    outages = {name: [asdict(each) for each in getattr(record, name)] for name in ("outages", "question_outages")}
    return model.RunReport.from_record(record, SCHEMA).as_data() | {name: getattr(record, name) for name in kept.split()} | outages


def _undo(options: Options) -> int:
    aim = target.read(options.stack)
    with closing(kube.connect()) as kubernetes:
        Faults(kubernetes, aim).undo()
    print(f"nothing of a drill is left in namespace {aim.namespace}")
    return 0


def _as_gate_report(record: DrillRecord) -> model.GateReport:
    """Return it as a report of the gate, whose objectives are the drill's SLO: as such it has a page, a comment and JUnit."""
    slo, report = DRILLS[record.options.name], model.GateReport.from_run(record)
    seen = (
        ("documents_lost", float(len(record.lost)), "documents", 0.0, record.is_read_back),
        ("documents_altered", float(len(record.altered)), "documents", 0.0, record.is_read_back),
        ("longest_without_search", longest(record.outages), "s", slo.search_s, record.requests),
        ("longest_without_answer", longest(record.question_outages), "s", slo.question_s, record.questions),
        ("outages_not_ended", float(sum(not each.ended for each in record.outages + record.question_outages)), "outages", 0.0, True),
        ("searches_failed", record.failed / max(record.requests, 1), "share", slo.failed_share, record.requests),
        ("commands_failed", float(record.command_exit_code != 0), "commands", 0.0, True),
    )
    common: Any = {"warn": None, "baseline": None, "why": "", "weight": 1, "key": True, "basis": "policy", "reason": ""}
    objectives = []
    for name, value, measured_in, limit, is_known in seen:
        grade = Grade.UNMEASURED if not is_known else Grade.PASS if value <= limit else Grade.FAIL
        shown = value if is_known else None
        objectives.append(model.ObjectiveResult(sli=name, value=shown, unit=measured_in, limit=f"<= {limit:g}", grade=grade, **common))
    inputs = report.inputs | {"profile": {"profile": f"drill {record.options.name}"}}
    validity = report.validity if record.stopped else model.Validity(valid=True)
    return report.model_copy(update={"objectives": objectives, "validity": validity, "inputs": inputs})


def _run(record: DrillRecord, reporter: Reporter) -> None:
    options = record.options
    with runner.opened(runner.Order(stack=options.stack, slo=options.slo), reporter, record, corpus=Corpus()) as run:
        faults = Faults(run.closing.enter_context(closing(kube.connect())), run.target)
        faults.undo()
        run.closing.callback(faults.undo)
        if DRILLS[options.name].store and not options.command:
            reporter.say("Milvus begins anew with a proxy before its store")
            faults.put_proxy_before_store()
        reachable(run)
        collection = run.make_collection("_drill")
        writer = Writer(collection, run.target.embedding_dimension)
        for _ in range(_FIRST // _BATCH):
            writer.once()
        collection.wait_until_found(document(0), writer.vectors(1)[0], run.profile.patience.searchable_s)
        reporter.say(f"{options.name}: {options.rate:g} searches/s, {_BATCH / _EVERY_S:g} documents/s, and after {CALM_S:g} s the fault")
        asked = list[Sample]()
        ask = partial(_ask, run, collection, asked)
        seal = partial(_seal, collection) if DRILLS[options.name].store else lambda: None
        loads = repeated(writer.once, _EVERY_S), repeated(ask, _QUESTION_EVERY_S), repeated(seal, _FLUSH_EVERY_S)
        with record.check("fault", f"What does {options.name} cost?"), loads[0], loads[1], loads[2]:
            samples, ended = asyncio.run(_serve(run, collection, faults, record))
        record.store_requests, record.command_exit_code = faults.met, ended.code
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
                if drill.is_command:
                    return await supervise(record.options.command, _LIMIT_S)
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


def _seal(collection: Collection) -> None:
    """Let Milvus write to its store what it acknowledged; whether it can is what the drill is about."""
    with suppress(GateError, MilvusException, grpc.RpcError):
        collection.flush()


def _ask(run: RunContext, collection: Collection, asked: list[Sample]) -> None:
    """Ask one thing as users do, of the embedding service, then of Milvus, and note how it ended."""
    begin_s, error, ids = time.monotonic(), "", list[int]()
    try:
        vector = run.services.embedding.embed_queries(["What does a drill cost?"])[0]
        ids = collection.nearest(vector, timed.TOP_K, run.profile.search)
    except GateError as problem:
        error = str(problem)
    asked.append(Sample(len(asked), begin_s, begin_s, time.monotonic(), ids, error or ("" if ids else "nothing was found")))


def repeated(once: Callable[[], None], every_s: float) -> AbstractContextManager[None]:
    """Call it again and again beside the block, and wait for the last call."""

    def going(stopped: threading.Event) -> None:
        while not stopped.wait(every_s):
            once()

    return beside(going)
