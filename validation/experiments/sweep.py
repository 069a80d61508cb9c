"""Capacity at SLO: the highest rate at which every promise about search, recall included, still holds.

One collection, loaded once; then one short load after another, each judged as a run is. A rate that the generator itself could not send
cleanly is not held against the system: the sweep says that it ended at its own limit.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validation.checks.cold_path import cold_path
from validation.checks.context import RunContext
from validation.checks.embedding import embedding
from validation.checks.freshness import freshness
from validation.checks.ingest import ingest
from validation.checks.reachable import reachable
from validation.checks.retrieval import retrieval
from validation.judge import slo, slo_file
from validation.judge.outcome import Outcome
from validation.judge.profile import Profile
from validation.judge.slo import Grade
from validation.reports import json
from validation.run.guard import guarded
from validation.run.progress import Reporter
from validation.run.record import Record
from validation.suites import runner

PRECISION = 1.1
_GROWTH = 2.0
SCHEMA = "milvus-x10000/gate-sweep"
_SHOWN = ("search_p50_ms", "search_p95_ms", "search_p99_ms", "search_error_share", "recall_at_10", "search_delay_p99_ms")


@dataclass(frozen=True, kw_only=True)
class Range:
    """From which rate to which, and how long each is held."""

    lowest: float
    highest: float
    seconds: float


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
class Sweep:
    """What a sweep found so far."""

    record: Record
    steps: list[Step]
    promised: float | None = None
    capacity: float | None = None

    @property
    def outcome(self) -> Outcome:
        """PASS when the promised rate holds, FAIL when not, INVALID when the generator could not send even the lowest rate."""
        if self.record.stopped:
            return self.record.outcome
        if self.capacity is None:
            return Outcome.INVALID if any(step.outcome is Outcome.INVALID for step in self.steps) else Outcome.FAIL
        return Outcome.PASS if self.promised is not None and self.capacity >= self.promised else Outcome.FAIL

    @property
    def reason(self) -> str:
        """One line: the rate that holds, and what the next one did not."""
        if self.record.stopped:
            return self.record.reason
        failed = min((step for step in self.steps if not step.holds), key=lambda step: step.rate, default=None)
        held = "no rate that was tried holds" if self.capacity is None else f"{self.capacity:g} requests/s hold every promise about search"
        beyond = f"{failed.rate:g} do not: {failed.why}" if failed else "no higher rate was asked for"
        return f"{held} (promised: {self.promised or 0:g}); {beyond}"


def execute(order: runner.Order, wanted: Range, reporter: Reporter, path: Path) -> Sweep:
    """Sweep, write sweep.json to `path`, and return what was found."""
    found = Sweep(record=Record(run_id=runner.new_run_id(), strict=False), steps=[])
    guarded(found.record, reporter, lambda: _run(order, wanted, reporter, found), lambda: json.write(found.record, path, as_data(found)))
    return found


def _run(order: runner.Order, wanted: Range, reporter: Reporter, found: Sweep) -> None:
    profile = slo_file.read_profile(order.slo_file)
    found.promised = profile.rate.value
    with ExitStack() as closing:
        run = runner.make_context(order, profile, reporter=reporter, record=found.record, closing=closing)
        for check in (reachable, ingest, freshness, cold_path, embedding):
            check(run)

        def holds(rate: float) -> bool:
            step = run.with_profile(at_rate(profile, rate, wanted.seconds), Record(run_id="step", strict=False))
            retrieval(step)
            found.steps.append(_judge(step, run.record))
            reporter.say(f"{rate:g} requests/s: {found.steps[-1].outcome} {found.steps[-1].why}")
            return found.steps[-1].holds

        found.capacity = search(holds, wanted.lowest, wanted.highest)


def search(holds: Callable[[float], bool], lowest: float, highest: float) -> float | None:
    """Return the highest rate tried that holds; None when not even `lowest` does.

    Doubles from `lowest` until a rate does not hold, then halves the gap (geometrically) until it is smaller than a tenth.
    """
    best, worst, rate = None, None, lowest
    while worst is None and rate <= highest:
        if holds(rate):
            best, rate = rate, rate * _GROWTH
        else:
            worst = rate
    while best is not None and worst is not None and worst / best > PRECISION:
        rate = float(f"{(best * worst) ** 0.5:.3g}")
        if not best < rate < worst:
            break
        if holds(rate):
            best = rate
        else:
            worst = rate
    return best


def at_rate(profile: Profile, rate: float, seconds: float) -> Profile:
    """Return the profile at another rate, with the requests that it takes, and only the promises about search."""
    count = max(math.ceil(rate * seconds), 300)
    objectives = {name: one for name, one in profile.objectives.items() if name.startswith("search_") or name == "recall_at_10"}
    changed = {
        "rate": profile.rate.model_copy(update={"value": rate}),
        "requests": profile.requests.model_copy(update={"value": count}),
        "objectives": {name: one for name, one in objectives.items() if name != "search_answered_rate"},
    }
    return profile.model_copy(update=changed)


def _judge(step: RunContext, whole: Record) -> Step:
    measurements = {"vectors": whole.measurements["vectors"]} | step.record.measurements
    judgement = slo.judge(step.profile, measurements, step.record.faults)
    missed = [f"{one.objective.sli} ({one.grade})" for one in judgement.judged if one.grade in {Grade.FAIL, Grade.UNMEASURED}]
    return Step(
        rate=step.profile.rate.value,
        outcome=judgement.outcome,
        why=judgement.faults[0] if judgement.faults else ", ".join(missed),
        numbers={name: measurements[name].value for name in _SHOWN if name in measurements},
    )


def as_data(found: Sweep) -> dict[str, Any]:
    """Return the sweep as plain data."""
    steps = [{"rate": one.rate, "outcome": one.outcome, "why": one.why, "numbers": one.numbers} for one in found.steps]
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": 1,
        "run": found.record.run_id,
        "result": found.outcome,
        "reason": found.reason,
    }
    return head | {"unit": "requests/s", "promised": found.promised, "capacity": found.capacity, "steps": steps}
