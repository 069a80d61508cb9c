"""`./rag drill`: break a deployed stack on purpose, under load, and count what was lost.

A writer inserts numbered, checksummed documents and remembers each one that Milvus acknowledged; searches leave at a constant rate, and
questions go through the embedding service; then the fault. At the end every acknowledged document must be there, unchanged. Owns the
count and the SLO of each drill; load and outages are those of `during`, what is done to the stack is in `faults`.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from validation.checks.context import RunContext, reachable
from validation.clients import kube, target
from validation.corpus.documents import Corpus
from validation.experiments import workload
from validation.experiments.during import CALM_S, Ended, require_sent, searching, supervise, under_load
from validation.experiments.faults import Faults
from validation.judge.errors import UsageError
from validation.load import open_loop
from validation.load.open_loop import Sample
from validation.reports import export, model, table
from validation.run.options import Target, report_path
from validation.run.record import Reporter
from validation.suites import runner

SCHEMA = "milvus-x10000/drill-report"
_EVERY_S, _QUESTION_EVERY_S = 0.1, 0.5
_BURST_S, _BURST_FACTOR, _FLUSH_EVERY_S, _LIMIT_S = 30.0, 5, 10.0, 1_800.0


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
    """A fault, and its SLO: drills.yaml says what each field is."""

    act: Callable[[Faults], object] | None = None
    is_command: bool = False
    store: bool = False
    search_s: float
    question_s: float
    failed_share: float = 1.0
    part: str = ""
    restarts: bool = False


def _declared(does: str = "", takes: Any = (), **slo: Any) -> Drill:  # noqa: ANN401 - as the file has them
    return Drill(act=partial(getattr(Faults, does), **dict(takes)) if does else None, **slo)


DRILLS = {name: _declared(**each) for name, each in yaml.safe_load(Path(__file__).with_name("drills.yaml").read_text("utf-8")).items()}


@dataclass(kw_only=True)
class DrillRecord(workload.LoadRecord):
    """What was counted."""

    options: Options
    fault_s: float | None = None
    command_exit_code: int | None = 0  # None for one that had to be ended
    store_requests: int | None = None  # to the store while its proxy was slow, failed or hung

    @property
    def rows(self) -> list[model.ObjectiveResult]:
        """What is judged: what was lost, and the drill's SLO."""
        slo, code, sent = DRILLS[self.options.name], self.command_exit_code, self.searches.sent
        why = "the command did not end in time" if code is None else f"the command ended with {code}" if code else ""
        rows = [*self.judged(slo.search_s, slo.question_s), model.at_most("commands_failed", float(code != 0), "commands", 0, why=why)]
        return [*rows, model.at_most("searches_failed", self.searches.failed / sent if sent else None, "share", slo.failed_share)]


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
    export.write_forms(model.GateReport.from_rows(record, f"drill {options.name}", record.rows), out, record.hide)
    return code


def _as_data(record: DrillRecord) -> dict[str, Any]:
    kept = {name: getattr(record, name) for name in ("fault_s", "store_requests", "command_exit_code")}
    return model.RunReport.from_record(record, SCHEMA).as_data() | record.counts() | kept


def _undo(options: Options) -> int:
    aim = target.read(options.stack)
    with closing(kube.connect()) as kubernetes:
        Faults(kubernetes, aim).undo()
    print(f"nothing of a drill is left in namespace {aim.namespace}")
    return 0


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
        writer = record.writer = workload.Writer(run.make_collection("_drill"), run.target.embedding_dimension)
        writer.begin(run.profile.patience.searchable_s)
        rates = f"{options.rate:g} searches/s, {workload.BATCH / _EVERY_S:g} documents/s"
        reporter.say(f"{options.name}: {rates}, and after {CALM_S:g} s the fault")
        asked = list[Sample]()
        question = partial(workload.ask, run, writer.collection, asked)
        seal = [(writer.seal, _FLUSH_EVERY_S)] if DRILLS[options.name].store else []
        loads = workload.repeated((writer.once, _EVERY_S), (question, _QUESTION_EVERY_S), *seal)
        with record.check("fault", f"What does {options.name} cost?"), loads:
            samples, ended = asyncio.run(_serve(run, writer, faults, record))
        record.store_requests, record.command_exit_code, record.fault_s = faults.met, ended.code, ended.ended_s - ended.begun_s
        record.searches.add(samples)
        record.questions.add(asked)
        record.read_back()


async def _serve(run: RunContext, writer: workload.Writer, faults: Faults, record: DrillRecord) -> tuple[list[Sample], Ended]:
    drill, rate, more = DRILLS[record.options.name], record.options.rate, list[Sample]()
    async with searching(run, writer.collection.name, writer.vectors(100)) as submit:

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
