"""One run from beginning to end: read what is promised, aim, measure in order, judge, clean up in reverse order, report.

A report is written however the run ends: by a verdict, a refusal, Ctrl-C or a mistake of the gate's own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from validation.checks import existing
from validation.checks.context import Overrides, RunContext
from validation.checks.gate import GATE
from validation.checks.registry import Check
from validation.clients import target
from validation.corpus.documents import Corpus, read_corpus
from validation.judge import judgement, slo_file
from validation.judge.errors import UsageError
from validation.judge.profile import Index, Profile
from validation.load import workers
from validation.load.pods import coordinator as pods
from validation.reports import baseline, export, model, table
from validation.run.options import Json, MountedFolder, Target, report_path
from validation.run.record import Record, Reporter, run_and_report

PODS = typer.Option(min=0, max=64, help="Send searches from so many pods of a Job in the cluster, each a share of the rate; 0: from here.")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every kind of run is asked for; what a command has no option for keeps its default."""

    stack: Target
    slo: Annotated[Path | None, typer.Option(help="The SLO file. Default: validation/slo.ENV.yaml")] = None
    corpus: Path = Path("corpus")
    seed: int = 7
    strict: bool = False
    keep: bool = False
    pods: int = 0  # how many pods of a Job send the searches; 0 for processes of this machine
    mounted: Path | None = None  # folder of Secrets and ConfigMaps, in a pod
    baselines: Path = baseline.DIRECTORY  # where the baselines are kept
    collection: str = ""  # a collection that is there already, to be judged without writing
    label: str = ""  # what `runs` shows beside it
    out: Path | None = None
    verbose: bool = False  # show what nobody judges, too
    as_json: bool = False

    @property
    def slo_file(self) -> Path:
        """The promises: named, or those of the stack."""
        return self.slo or Path("validation") / f"slo.{self.stack}.yaml"


@dataclass(frozen=True, kw_only=True)
class Options(Order):
    """The options of `run`."""

    corpus: Annotated[Path, typer.Option(help="Folder of documents with questions.jsonl.")] = Path("corpus")
    seed: Annotated[int, typer.Option(help="Same seed, same generated documents and searches.")] = 7
    strict: Annotated[bool, typer.Option("--strict", help="A warning exits 1.")] = False
    keep: Annotated[bool, typer.Option("--keep", help="Leave the collection, to look into it.")] = False
    pods: Annotated[int, PODS] = 0
    mounted: MountedFolder = None
    baselines: Annotated[Path, typer.Option(help="Directory of the baselines that `baseline set` keeps.")] = baseline.DIRECTORY
    collection: Annotated[str, typer.Option(help="Judge this collection, which `ingest` or --keep left, and write nothing.")] = ""
    label: Annotated[str, typer.Option(help="A few words by which `runs` lists this one.")] = ""
    out: Annotated[Path | None, typer.Option(help="Directory for report.json. Default: build/reports/<UTC time>/")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; the table and the RESULT line only.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also what nobody judges, what is left out, every wrong answer.")] = False
    as_json: Json = False


def act(options: Options) -> int:
    """Run the gate once, print the table and the RESULT line, and return the exit code."""
    report = report_path(options.out)
    show = partial(table.show, verbose=options.verbose)
    return table.tell(lambda: execute(options, Reporter(quiet=options.quiet), report), report, show, as_json=options.as_json)


def execute(order: Order, reporter: Reporter, report: Path, overrides: Overrides | None = None) -> Record:
    """Run the gate, write `report`, and return what happened; raises only when the report cannot be written."""
    record = Record(strict=order.strict)

    def write() -> None:
        if order.out is not None or not record.is_typo:
            model.write(record, report)
            try:
                export.write_beside(report)
            except Exception as error:  # noqa: BLE001 - a full disk, or a mistake of our own, must not take the verdict along
                reporter.say(f"not all forms of the report were written ({type(error).__name__}: {error}); again: ./rag report {report}")

    run_and_report(record, reporter, lambda: _run(order, reporter, record, overrides or Overrides()), write)
    return record


def _run(order: Order, reporter: Reporter, record: Record, overrides: Overrides) -> None:
    record.inputs = {"slo_file": str(order.slo_file), "corpus": str(order.corpus), "seed": order.seed, "label": order.label}
    if order.slo is None and not order.slo_file.is_file():
        names = sorted(path.name.split(".")[1] for path in order.slo_file.parent.glob("slo.*.yaml"))
        raise UsageError(f"{order.stack!r} has no {order.slo_file}; there are: {', '.join(names)}; for any other, name it with --slo FILE")
    profile = slo_file.read_profile(order.slo_file)
    if order.collection:
        profile = existing.judgeable(profile, record)
    record.inputs["profile"] = profile.model_dump(mode="json")
    kept = baseline.load(order.baselines, profile.profile)
    workers.preload()
    with ExitStack() as closing:
        context = make_context(order, profile, reporter=reporter, record=record, closing=closing)
        context.overrides, context.is_scaled = overrides, order.slo is None
        GATE.run(context, read_only=bool(order.collection))
        profile = context.profile
    reference = baseline.reference(kept, profile.profile, model.GateReport.from_run(record).fingerprint)
    record.judgement = judgement.judge(profile, record.measurements, record.faults, reference)


@contextmanager
def opened(
    order: Order, reporter: Reporter, record: Record, *checks: Check[RunContext], corpus: Corpus | None = None
) -> Iterator[RunContext]:
    """Yield a run that has answered `checks`; whatever it opened is closed, and what it made removed, when the block ends."""
    with ExitStack() as closing:
        run = make_context(order, slo_file.read_profile(order.slo_file), reporter=reporter, record=record, closing=closing, corpus=corpus)
        for check in checks:
            check(run)
        yield run


def make_context(
    order: Order, profile: Profile, *, reporter: Reporter, record: Record, closing: ExitStack, corpus: Corpus | None = None
) -> RunContext:
    """Read the corpus, unless `corpus` is it, aim, and note both in the record; nothing is sent yet."""
    if corpus is None:
        corpus = existing.questions_only(order.corpus) if order.collection else read_corpus(order.corpus)
    record.inputs["corpus_sha256"] = corpus.sha256
    aim = target.read(order.stack)
    if order.pods:
        pods.require(aim)
        record.inputs["pods"] = order.pods
    record.target = aim.model_dump(mode="json")
    chosen = _with_index(profile, aim)
    record.inputs["profile"] = chosen.model_dump(mode="json")
    given = {name: getattr(order, name) for name in ("seed", "keep", "pods", "collection", "mounted")}
    return RunContext(profile=chosen, target=aim, corpus=corpus, record=record, reporter=reporter, closing=closing, **given)


def _with_index(profile: Profile, aim: target.Target) -> Profile:
    """Fill in the index that the stack is sized for, where the SLO file names none."""
    if profile.search.index is not None:
        return profile
    if aim.milvus_index is None:
        raise UsageError("neither the SLO file (search.index) nor the stack (output milvus_index) says which index to build; name one")
    given = aim.milvus_index
    index = Index(type=given.index_type, metric=given.metric_type, params=given.params, search_params=given.search_params)
    return profile.model_copy(update={"search": profile.search.model_copy(update={"index": index})})
