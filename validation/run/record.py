"""What a run remembers while it goes on, so that a report can be written whenever and however it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from validation.judge.errors import GateError
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.judge.outcome import Outcome, exit_code
from validation.judge.slo import Grade, Judgement

Facts = dict[str, Any]


@dataclass(kw_only=True)
class CheckRecord:
    """One question, and how far its answer got."""

    name: str
    question: str
    status: Literal["running", "done", "stopped"] = "running"
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)
    """Details that no objective names."""


@dataclass(kw_only=True)
class Record:
    """Everything that goes into a report."""

    run_id: str
    strict: bool
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    inputs: Facts = field(default_factory=dict)
    target: Facts = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    measurements: Measurements = field(default_factory=dict)
    checks: list[CheckRecord] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Why the run proves nothing, as far as a check saw it and no number shows it."""
    left_behind: list[str] = field(default_factory=list)
    """Collections that are still there: asked for with --keep, or because dropping them failed."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Checks, and promises, that this kind of run leaves out, and why."""
    secrets: list[str] = field(default_factory=list, repr=False)
    """Values that must not be in any report, even inside somebody else's error message."""
    judgement: Judgement | None = None
    stopped: tuple[Outcome, str] | None = None
    """The outcome and its reason when there is nothing to judge."""

    def measure(self, name: str, value: float | None, samples: int = 1, interval: tuple[float, float] | None = None) -> None:
        """Keep one number; its name must be in the catalogue, which gives it its unit."""
        if name not in CATALOGUE:
            raise KeyError(name)
        self.measurements[name] = Measurement(value=value, samples=samples if value is not None else 0, interval=interval)

    @contextmanager
    def check(self, name: str, question: str, clock: Callable[[], float] = time.monotonic) -> Iterator[CheckRecord]:
        """Time one check and note how it ended."""
        entry = CheckRecord(name=name, question=question)
        self.checks.append(entry)
        begin = clock()
        try:
            yield entry
            entry.status = "done"
        except BaseException:
            entry.status = "stopped"
            raise
        finally:
            entry.seconds = clock() - begin

    def stop(self, error: GateError) -> None:
        """End the run without a judgement."""
        self.stopped = (error.outcome, str(error))

    def hide(self, text: str) -> str:
        """Return `text` without the secrets of this run; the last line of defence, after never putting one there."""
        for secret in self.secrets:
            text = text.replace(secret, "(hidden)")
        return text

    @property
    def outcome(self) -> Outcome:
        """The word after `RESULT:`; a run that neither stopped nor was judged is an error."""
        if self.stopped:
            return self.stopped[0]
        return self.judgement.outcome if self.judgement else Outcome.ERROR

    @property
    def exit_code(self) -> int:
        """The process exit code."""
        return exit_code(self.outcome, strict=self.strict)

    @property
    def reason(self) -> str:
        """Why the run ended as it did, on one line."""
        if self.stopped:
            return " ".join(self.stopped[1].split())
        if self.judgement is None:
            return "the run ended without a judgement"
        if self.judgement.faults:
            return f"the run proves nothing: {self.judgement.faults[0]}"
        return _tally(self.judgement)


def _tally(judgement: Judgement) -> str:
    missed = [f"{one.objective.sli} ({one.grade})" for one in judgement.judged if one.grade is not Grade.PASS]
    total = len(judgement.judged)
    return f"{total - len(missed)} of {total} objectives met" + (f", not: {', '.join(missed)}" if missed else "")
