"""Whether the gate sees what it is there for: defects are planted before a real target, and each must be seen, for the right reason.

One collection, loaded once through proxies that pass everything on; then a run without a defect, which shows that none of it is red by
itself, and one defect after the other, each with the checks that concern it. Where the machine is slower than the SLO file allows, limits
of latency are widened to twice what the run without a defect measured: what is planted is as much beyond the limit in effect.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from validation.checks.context import Overrides, RunContext, reachable
from validation.checks.ingest import ingest
from validation.checks.quality import embedding
from validation.checks.registry import Check
from validation.checks.segments import cold_path, freshness
from validation.experiments.defects import CLEAN, DEFECTS, NOT_COMPARED, NOT_VALID, Defect
from validation.experiments.proxies import WHOLE, Stage, set_up
from validation.judge.criteria import Criterion, flat
from validation.judge.errors import GateError, Outcome, UsageError
from validation.judge.judgement import NO_REFERENCE, Grade, Reference, judge
from validation.judge.measures import CATALOGUE, Measurements
from validation.judge.profile import Profile
from validation.reports import table
from validation.run.record import Record, Reporter
from validation.suites import runner

SCHEMA = "milvus-x10000/gate-selftest"
_VECTORS, _SEARCHES, _RATE, _WARM_UP, _ANSWER_S = 2_000, 300, 50.0, 25, 5.0
_WIDER, _TOO_WIDE = 2.0, 4.0
_DELAY_SHARE = 15  # a limit is at least so many times the gate's own delay: above ten it judges itself
SEEN, MISSED, UNCLEAR, UNPROMISED = "seen", "MISSED", "red without it", "not promised"


@dataclass(frozen=True, kw_only=True)
class Options(runner.Order):
    """The options of `selftest`."""

    corpus: Annotated[Path, typer.Option(help="Folder of documents with questions.jsonl.")] = Path("corpus")
    only: Annotated[list[str], typer.Option(help="Plant this one alone; may be given again.")] = field(default_factory=list)
    clean: Annotated[int, typer.Option(min=0, max=100, help="Run so often without a defect, and count how often that is red.")] = 0
    list_: Annotated[bool, typer.Option("--list", help="Print the defects, and plant none.")] = False
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build") / "reports" / "selftest.json"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run came to: what was missed and why, why it proves nothing, and what was said of a baseline that it is not compared with."""

    failed: Mapping[str, str]  # why, by objective; "" where the number says it
    faults: Sequence[str]
    uncompared: Sequence[str] = ()

    def reason(self, defect: Defect) -> str | None:
        """Return what shows the defect; None where nothing does."""
        others = {NOT_VALID: self.faults, NOT_COMPARED: self.uncompared}
        reasons = others.get(defect.seen_by, [why for name, why in self.failed.items() if name == defect.seen_by])
        return next((reason for reason in reasons if re.search(defect.because, reason)), None)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A defect, and whether it was seen."""

    name: str
    planted: str
    seen_by: str
    verdict: str
    reason: str
    also: Sequence[str] = ()  # what else was red


@dataclass(kw_only=True)
class SelfTest(Record):
    """What came of it so far."""

    planted: list[Planted] = field(default_factory=list)
    red: list[str] = field(default_factory=list)  # of each run without a defect that was red, by what
    clean: int = 0
    limits_ms: dict[str, tuple[float, float]] = field(default_factory=dict)  # of each latency: in the SLO file, and in effect

    def conclusion(self) -> tuple[Outcome, str]:
        """FAIL for a defect that was missed, INVALID for one that proves nothing, and how many were seen."""
        by = {verdict: [each.name for each in self.planted if each.verdict == verdict] for verdict in (SEEN, MISSED, UNCLEAR, UNPROMISED)}
        counts = [f"{len(by[SEEN])} of {len(self.planted)} defects seen"]
        counts += [f"{verdict}: {', '.join(names)}" for verdict, names in by.items() if names and verdict != SEEN]
        counts += [f"{len(self.red)} of {self.clean} runs without a defect red"] if self.clean else []
        outcome = Outcome.FAIL if by[MISSED] else Outcome.INVALID if by[UNCLEAR] else Outcome.PASS
        return outcome, "; ".join(counts)


def act(options: Options) -> int:
    """Plant, print the table and the RESULT line, and return the exit code."""
    if options.list_:
        for defect in DEFECTS:
            print(f"{defect.name}: {defect.planted}; must be seen by {defect.seen_by}")
        return 0
    record = SelfTest()
    return table.perform(record, partial(_run, options, record), options.out, as_data, show=_show)


def _run(options: Options, record: SelfTest, reporter: Reporter) -> None:
    if unknown := set(options.only) - {defect.name for defect in DEFECTS}:
        raise UsageError(f"no defect is called {', '.join(sorted(unknown))}; see them with --list")
    with runner.opened(options, reporter, record) as run:
        run.profile = small(run.profile)
        run.corpus = replace(run.corpus, questions=run.corpus.questions[::3])  # enough for each share
        stage = set_up(run, _SEARCHES, partial(limit_ms, run.profile))
        for check in (reachable, ingest, freshness, cold_path, embedding):
            check(run)
        base = _ask(run, CLEAN)
        measured, promised = record.measurements | base.record.measurements, run.profile
        run.profile = in_effect(promised, measured)
        latencies = [name for name, each in run.profile.objectives.items() if each.unit == "ms"]
        record.limits_ms = {name: (limit_ms(promised, name), limit_ms(run.profile, name)) for name in latencies}
        stage = replace(stage, limit_ms=partial(limit_ms, run.profile))
        run.sources, run.graded = base.sources, base.graded
        clean = judged(run.profile, measured, base.record)
        for number in range(1, options.clean + 1):
            again = judged(run.profile, measured, _ask(run, CLEAN).record)
            red = [f"run {number}: {', '.join([*again.failed, *again.faults])}"] if again.failed or again.faults else []
            record.clean, record.red = number, record.red + red
            reporter.say(f"without a defect, {number} of {options.clean}: {red[0] if red else 'green'}")
        for defect in DEFECTS:
            if not options.only or defect.name in options.only:
                planted = _slow(defect, record.limits_ms) or _plant(defect, stage, run, measured, clean)
                record.planted.append(planted)
                reporter.say(f"{defect.name}: {planted.verdict}: {planted.reason or ', '.join(planted.also)}")


def small(profile: Profile) -> Profile:
    """Return the profile with a small collection and short loads, and only the objectives that the self-test's checks measure."""
    measured = {measure.name for check in (reachable, ingest, freshness, cold_path, embedding, *CLEAN) for measure in check.measures}
    changed = {
        "vectors": {"value": min(profile.vectors.value, _VECTORS)},
        "requests": {"value": _SEARCHES},
        "rate": {"value": min(profile.rate.value, _RATE)},
        "search": {"warmup_requests": _WARM_UP},
        "answer": {"timeout_s": min(profile.answer.timeout_s, _ANSWER_S)},
    }
    parts = {name: getattr(profile, name).model_copy(update=change) for name, change in changed.items()}
    objectives = {name: each for name, each in profile.objectives.items() if name in measured}
    return profile.model_copy(update=parts | {"objectives": objectives})


def in_effect(profile: Profile, measured: Measurements) -> Profile:
    """Return the profile with wider limits of latency where this machine needs them, without what too few samples tell."""
    delay = measured["search_delay_p99_ms"].value or 0.0
    objectives = {}
    for name, objective in profile.objectives.items():
        number = measured.get(name)
        if number is None or not number.is_usable(CATALOGUE[name]):
            continue
        least = max(_WIDER * (number.value or 0.0), _DELAY_SHARE * delay if name.startswith("search_p") else 0.0)
        fixed = max((each.value for each in flat(objective.limit)), default=0.0)
        wide = ((Criterion(operator="<=", value=max(fixed, least)),),)
        objectives[name] = objective.model_copy(update={"limit": wide, "warn": None}) if objective.unit == "ms" else objective
    return profile.model_copy(update={"objectives": objectives})


def limit_ms(profile: Profile, name: str) -> float:
    """Return the limit in effect of a latency."""
    return profile.objectives[name].limit[0][0].value


def judged(profile: Profile, measured: Measurements, record: Record, reference: Reference = NO_REFERENCE) -> Seen:
    """Judge what was measured before, and in this record, as a run is judged."""
    judgement = judge(profile, measured | record.measurements, record.faults, reference)
    failed = {each.objective.sli: each.why for each in judgement.judged if each.grade is Grade.FAIL}
    return Seen(failed=failed, faults=judgement.faults, uncompared=() if reference.values else judgement.notes)


def _ask(run: RunContext, checks: Sequence[Check[RunContext]], around: AbstractContextManager[Any] | None = None) -> RunContext:
    """Ask some checks, in a record of its own; what stops them is a fault."""
    step = run.with_profile(run.profile, Record())
    with around or ExitStack():
        try:
            for check in checks:
                check(step)
        except GateError as error:
            step.record.faults.append(str(error))
    return step


def _slow(defect: Defect, limits_ms: Mapping[str, tuple[float, float]]) -> Planted | None:
    """Return that nothing is proved where this machine is so slow that what is planted would drown; None where it is not."""
    latency = defect.beside or defect.seen_by
    promised, effective = limits_ms.get(latency, (1.0, 1.0))
    if effective <= _TOO_WIDE * promised:
        return None
    why = f"without it {latency} needs a limit of {effective:.4g} ms, where {promised:g} ms are promised: try on a quieter machine"
    return Planted(name=defect.name, planted=defect.planted, seen_by=defect.seen_by, verdict=UNCLEAR, reason=why)


def _plant(defect: Defect, stage: Stage, run: RunContext, measured: Measurements, clean: Seen) -> Planted:
    made = partial(Planted, name=defect.name, planted=defect.planted, seen_by=defect.seen_by)
    if defect.seen_by not in {NOT_VALID, NOT_COMPARED, *run.profile.objectives} and not CATALOGUE[defect.seen_by].is_invariant:
        return made(verdict=UNPROMISED, reason=f"the SLO file promises nothing about {defect.seen_by}")
    if (already := clean.reason(defect)) is not None:
        return made(verdict=UNCLEAR, reason=already or f"{defect.seen_by} is missed anyway")
    known = {name: getattr(run.record, name) for name in ("inputs", "target", "versions", "images")}
    victim = run.with_profile(run.profile, Record(measurements=measured, **known))
    victim.overrides, planted = Overrides(), None
    try:
        planted = defect.plant(stage, victim)
        step = _ask(victim, defect.checks, planted if isinstance(planted, AbstractContextManager) else None)
    finally:
        stage.milvus.plant(WHOLE)
        for proxy in (stage.embedding, stage.llm, stage.documents):
            proxy.plant(None)
    seen = judged(run.profile, measured, step.record, planted if isinstance(planted, Reference) else NO_REFERENCE)
    reason = seen.reason(defect)
    also = [name for name in (*seen.failed, *seen.faults) if name not in {defect.seen_by, reason}]
    number = step.record.measurements.get(defect.seen_by)
    shown = reason or (f"{number.value:.4g} {CATALOGUE[defect.seen_by].unit}" if number and number.value is not None else "")
    return made(verdict=MISSED if reason is None else SEEN, reason=shown, also=also)


def _show(record: SelfTest, console: Console) -> None:
    headings = ("defect", "planted", "must be seen by", "verdict", "how")
    shown = Table(*headings, title=f"Self-test {record.run_id}", title_justify="left", box=None, pad_edge=False)
    for each in record.planted:
        shown.add_row(each.name, each.planted, each.seen_by, each.verdict, each.reason[:120])
    console.print(shown)
    for line in record.red:
        console.print(f"red without a defect: {line}", markup=False)


def as_data(record: SelfTest) -> dict[str, Any]:
    """Return the self-test as plain data."""
    head = {"schema": SCHEMA, "schema_version": 1, "run": record.run_id, "result": record.outcome, "reason": record.reason}
    planted = [asdict(each) for each in record.planted]
    return head | {"limits_ms": record.limits_ms, "planted": planted, "clean_runs": record.clean, "red": record.red}
