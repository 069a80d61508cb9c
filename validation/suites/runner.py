"""One run from beginning to end: read what is promised, aim, measure in order, judge, clean up in reverse order, report.

A report is written however the run ends: by a verdict, a refusal, Ctrl-C or a mistake of the gate's own.
"""

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from validation.checks import existing
from validation.checks.context import GATE, Overrides, RunContext
from validation.clients import target
from validation.corpus.documents import Corpus, read_corpus
from validation.judge import slo, slo_file
from validation.judge.errors import UsageError
from validation.judge.profile import Index, Profile
from validation.load.pods import coordinator as pods
from validation.reports import json
from validation.reports.history import baseline
from validation.reports.model import GateReport
from validation.run.guard import guarded
from validation.run.progress import Reporter
from validation.run.record import Record


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked for on the command line."""

    stack: str | None
    target_file: Path | None
    slo: Path | None
    corpus: Path
    seed: int
    strict: bool
    keep: bool
    pods: int = 0
    """How many pods of a Job send the searches; 0 for processes of this machine."""
    baselines: Path = baseline.DIRECTORY
    """Where the baselines are kept."""
    collection: str = ""
    """A collection that is there already, to be judged without writing."""

    @property
    def slo_file(self) -> Path:
        """The promises: named, or those of the stack."""
        return self.slo or Path("validation") / f"slo.{self.stack or 'lab'}.yaml"


def new_run_id() -> str:
    """Return an id that no other run has; it is part of the collection's name, so only letters, digits and underscores."""
    return f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"


def execute(order: Order, reporter: Reporter, report: Path, overrides: Overrides | None = None) -> Record:
    """Run the gate, write `report`, and return what happened; raises only when the report cannot be written."""
    record = Record(run_id=new_run_id(), strict=order.strict)
    guarded(record, reporter, lambda: _run(order, reporter, record, overrides or Overrides()), lambda: json.write(record, report))
    return record


def _run(order: Order, reporter: Reporter, record: Record, overrides: Overrides) -> None:
    record.inputs = {"slo_file": str(order.slo_file), "corpus": str(order.corpus), "seed": order.seed}
    profile = slo_file.read_profile(order.slo_file)
    if order.collection:
        profile = existing.judgeable(profile, record)
    record.inputs["profile"] = profile.model_dump(mode="json")
    kept = baseline.load(order.baselines, profile.profile)
    with ExitStack() as closing:
        context = make_context(order, profile, reporter=reporter, record=record, closing=closing)
        context.overrides = overrides
        GATE.run(context, read_only=bool(order.collection))
    reference = baseline.reference(kept, profile.profile, GateReport.from_run(record).fingerprint)
    record.judgement = slo.judge(profile, record.measurements, record.faults, reference)


def make_context(
    order: Order,
    profile: Profile,
    *,
    reporter: Reporter,
    record: Record,
    closing: ExitStack,
    corpus: Corpus | None = None,
) -> RunContext:
    """Read the corpus, unless `corpus` is it, aim, and note both in the record; nothing is sent yet."""
    if corpus is None:
        corpus = existing.questions_only(order.corpus) if order.collection else read_corpus(order.corpus)
    record.inputs["corpus_sha256"] = corpus.sha256
    aim = _aim(order)
    if order.pods:
        pods.require(aim)
        record.inputs["pods"] = order.pods
    record.target = aim.model_dump(mode="json")
    chosen = _with_index(profile, aim)
    record.inputs["profile"] = chosen.model_dump(mode="json")
    return RunContext(
        profile=chosen,
        target=aim,
        corpus=corpus,
        seed=order.seed,
        keep=order.keep,
        pods=order.pods,
        record=record,
        reporter=reporter,
        closing=closing,
        collection=order.collection,
    )


def _with_index(profile: Profile, aim: target.Target) -> Profile:
    """Fill in the index that the stack is sized for, where the SLO file names none."""
    if profile.search.index is not None:
        return profile
    if aim.milvus_index is None:
        raise UsageError("neither the SLO file (search.index) nor the stack (output milvus_index) says which index to build; name one")
    given = aim.milvus_index
    index = Index(type=given.index_type, metric=given.metric_type, params=given.params, search_params=given.search_params)
    return profile.model_copy(update={"search": profile.search.model_copy(update={"index": index})})


def _aim(order: Order) -> target.Target:
    if order.stack and order.target_file:
        raise UsageError("--stack and --target both name a target; give one of them")
    if order.target_file:
        return target.from_file(order.target_file)
    if order.stack:
        return target.from_stack(order.stack)
    raise UsageError("nothing to aim at; give --stack NAME or --target FILE")
