"""Capacity at SLO: the highest rate at which every promise about search, recall included, still holds.

One collection, loaded once; then one short load after another, each judged as a run is. A rate that the generator itself could not send
cleanly is not held against the system: the sweep says that it ended at its own limit.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from validation.checks.context import reachable
from validation.checks.ingest import ingest
from validation.checks.invariants import invariants
from validation.checks.quality import embedding
from validation.checks.retrieval import retrieval
from validation.checks.segments import cold_path, freshness
from validation.judge.errors import Outcome
from validation.judge.judgement import Grade, judge
from validation.judge.profile import Profile
from validation.reports import table
from validation.run.options import Json
from validation.run.record import Record, Reporter
from validation.suites import runner

_PRECISION = 1.1
SCHEMA = "milvus-x10000/gate-sweep"
_SHOWN = ("search_p50_ms", "search_p95_ms", "search_p99_ms", "search_error_share", "recall_at_10", "search_delay_p99_ms")


@dataclass(frozen=True, kw_only=True)
class Options(runner.Order):
    """The options of `sweep`: from which rate to which, in requests/s, and how long each is held."""

    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build") / "reports" / "sweep.json"
    as_json: Json = False
    lowest: Annotated[float, typer.Option("--from", min=1, help="First rate, in requests/s; doubled while it holds.")] = 25
    highest: Annotated[float, typer.Option("--to", min=1, max=20_000, help="No rate above this one.")] = 3_200
    seconds: Annotated[float, typer.Option(min=2, max=600, help="How long each rate is held.")] = 10
    pods: Annotated[int, runner.PODS] = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rate, what it came to, and the numbers."""

    rate: float
    outcome: Outcome
    why: str
    numbers: dict[str, float | None]

    @property
    def holds(self) -> bool:
        """Whether every promise about search holds, a warning included."""
        return self.outcome in {Outcome.PASS, Outcome.WARN}


@dataclass(kw_only=True)
class Sweep(Record):
    """What a sweep found so far."""

    steps: list[Step] = field(default_factory=list)
    promised: float | None = None
    capacity: float | None = None

    def conclusion(self) -> tuple[Outcome, str]:
        """Return whether the promised rate holds, which rate does, and what the next one did not.

        FAIL when it does not, INVALID when the generator could not send even the lowest rate.
        """
        failed = min((step for step in self.steps if not step.holds), key=lambda step: step.rate, default=None)
        beyond = f"{failed.rate:g} do not: {failed.why}" if failed else "no higher rate was asked for"
        promised = f"(promised: {self.promised or 0:g}); {beyond}"
        if self.capacity is None:
            late = any(step.outcome is Outcome.INVALID for step in self.steps)
            return Outcome.INVALID if late else Outcome.FAIL, f"no rate that was tried holds {promised}"
        holds = self.promised is not None and self.capacity >= self.promised
        held = f"{self.capacity:g} requests/s hold every promise about search"
        return Outcome.PASS if holds else Outcome.FAIL, f"{held} {promised}"


def act(options: Options) -> int:
    """Sweep, print the RESULT line, and return the exit code."""
    sweep = Sweep()
    return table.perform(sweep, partial(_run, options, sweep), options.out, _as_data, as_json=options.as_json)


def _run(options: Options, sweep: Sweep, reporter: Reporter) -> None:
    with runner.opened(options, reporter, sweep, reachable, ingest, freshness, cold_path, embedding) as run:
        sweep.promised = run.profile.rate.value

        def holds(rate: float) -> bool:
            step = run.with_profile(at_rate(run.profile, rate, options.seconds), Record(run_id="step"))
            retrieval(step)
            invariants(step)
            measurements = {"vectors": run.record.measurements["vectors"]} | step.record.measurements
            judged = judge(step.profile, measurements, step.record.faults)
            missed = [f"{each.objective.sli} ({each.grade})" for each in judged.judged if each.grade in {Grade.FAIL, Grade.UNMEASURED}]
            why = judged.faults[0] if judged.faults else ", ".join(missed)
            numbers = {name: measurements[name].value for name in _SHOWN if name in measurements}
            sweep.steps.append(Step(rate=rate, outcome=judged.outcome, why=why, numbers=numbers))
            reporter.say(f"{rate:g} requests/s: {judged.outcome} {why}")
            return sweep.steps[-1].holds

        sweep.capacity = search(holds, options.lowest, options.highest)


def search(holds: Callable[[float], bool], lowest: float, highest: float) -> float | None:
    """Return the highest rate tried that holds; None when not even `lowest` does.

    Doubles from `lowest` until a rate does not hold, then halves the gap (geometrically) until it is smaller than a tenth.
    """
    best, worst, rate = None, None, lowest
    while rate <= highest and (worst is None or (best or 0.0) < rate < worst):
        if holds(rate):
            best = rate
        else:
            worst = rate
        if worst is None:
            rate *= 2
        elif best is None or worst / best <= _PRECISION:
            break
        else:
            rate = float(f"{(best * worst) ** 0.5:.3g}")
    return best


def at_rate(profile: Profile, rate: float, seconds: float) -> Profile:
    """Return the profile at another rate, with the requests that it takes, and only the promises about search."""
    about_search = {name for name in profile.objectives if name.startswith("search_") or name == "recall_at_10"} - {"search_answered_rate"}
    sent = profile.requests.model_copy(update={"value": max(math.ceil(rate * seconds), 300)})
    objectives = {name: objective for name, objective in profile.objectives.items() if name in about_search}
    return profile.model_copy(update={"rate": profile.rate.model_copy(update={"value": rate}), "requests": sent, "objectives": objectives})


def _as_data(sweep: Sweep) -> dict[str, Any]:
    head = {"schema": SCHEMA, "schema_version": 1, "run": sweep.run_id, "result": sweep.outcome, "reason": sweep.reason}
    steps = [asdict(step) for step in sweep.steps]
    return head | {"unit": "requests/s", "promised": sweep.promised, "capacity": sweep.capacity, "steps": steps}
