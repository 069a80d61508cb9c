"""What a run shows on stderr while it goes on, and what it remembers, so that a report can be written whenever and however it ends."""

import secrets
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, ClassVar, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from validation.judge import interval as interval_of
from validation.judge.errors import GateError, Outcome, exit_code
from validation.judge.judgement import Grade, Judgement
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.run.interrupts import interrupts

Facts = dict[str, Any]
Advance = Callable[[int], None]  # called with how much is done so far


def at_most_every(seconds: float, tell: Advance, total: int = -1, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Return `tell`, but for calls that come sooner than so many seconds after the last one that was passed on; `total` always is."""
    shown_s = clock()

    def advance(done: int) -> None:
        nonlocal shown_s
        if clock() - shown_s >= seconds or done == total:
            shown_s = clock()
            tell(done)

    return advance


class Reporter:
    """Shows that long work lives: a bar on a terminal, a plain line every few seconds anywhere else, nothing when quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Advance]:
        """Yield a function to call with the amount done."""
        if not self._console.is_terminal or self._console.quiet:
            yield at_most_every(3.0, lambda done: self.say(f"{label} {done:,}/{total:,}"), total)
            return
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)


@dataclass(kw_only=True)
class CheckRecord:
    """One question, and how far its answer got."""

    name: str
    question: str
    status: Literal["running", "done", "stopped"] = "running"
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)  # details that no objective names


def new_run_id() -> str:
    """Return an id that no other run has; it is part of the collection's name, so only letters, digits and underscores."""
    return f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"


@dataclass(kw_only=True)
class Record:
    """Everything that goes into a report; a kind of run that is not judged by objectives has its own `conclusion`."""

    after_interrupt: ClassVar[str] = "what the run had made was removed unless it is listed as left behind"

    run_id: str = field(default_factory=new_run_id)
    strict: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    inputs: Facts = field(default_factory=dict)
    target: Facts = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    measurements: Measurements = field(default_factory=dict)
    checks: list[CheckRecord] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # why the run proves nothing, as far as a check saw it and no number shows it
    left_behind: list[str] = field(default_factory=list)
    """Collections that are still there: asked for with --keep, or because dropping them failed."""
    skipped: dict[str, str] = field(default_factory=dict)  # checks, and promises, that this kind of run leaves out, and why
    secrets: list[str] = field(default_factory=list, repr=False)
    """Values that must not be in any report, even inside somebody else's error message."""
    judgement: Judgement | None = None
    stopped: tuple[Outcome, str] | None = None  # the outcome and its reason when there is nothing to judge

    def measure(
        self, name: str, value: float | None, samples: int = 1, interval: tuple[float, float] | None = None, note: str = ""
    ) -> None:
        """Keep one number; its name must be in the catalogue, which gives it its unit."""
        if name not in CATALOGUE:
            raise KeyError(name)
        self.measurements[name] = Measurement(value=value, samples=samples if value is not None else 0, interval=interval, note=note)

    def measure_share(self, name: str, values: Sequence[float]) -> None:
        """Keep the mean of numbers between 0 and 1, with where another run would be; None where there are none."""
        self.measure(name, fmean(values) if values else None, len(values), interval_of.of_share(values))

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

    def conclusion(self) -> tuple[Outcome, str]:
        """Return outcome and reason of a run that came to its end; one that was not judged is an error."""
        if self.judgement is None:
            return Outcome.ERROR, "the run ended without a judgement"
        judged, faults = self.judgement.judged, self.judgement.faults
        missed = [f"{each.objective.sli} ({each.grade})" for each in judged if each.grade is not Grade.PASS]
        met = f"{len(judged) - len(missed)} of {len(judged)} objectives met" + (f", not: {', '.join(missed)}" if missed else "")
        also = f"; it is a {Outcome.FAIL} too: {met}" if self.judgement.verdict is Outcome.FAIL else ""
        return self.judgement.outcome, f"the run proves nothing: {faults[0]}{also}" if faults else met

    @property
    def outcome(self) -> Outcome:
        """The word after `RESULT:`."""
        return (self.stopped or self.conclusion())[0]

    @property
    def is_typo(self) -> bool:
        """Whether nothing was begun, since what was typed cannot be right: there is nothing to report but the reason."""
        return self.stopped is not None and self.stopped[0] is Outcome.ERROR and not self.checks

    @property
    def exit_code(self) -> int:
        """The process exit code."""
        return exit_code(self.outcome, strict=self.strict)

    @property
    def reason(self) -> str:
        """Why the run ended as it did, on one line."""
        return " ".join((self.stopped or self.conclusion())[1].split())


def run_and_report(record: Record, reporter: Reporter, run: Callable[[], None], write: Callable[[], None]) -> None:
    """Do `run`, note in the record how it ended, then `write`; raises only what `write` raises."""
    try:
        with interrupts():
            run()
    except GateError as error:
        record.stop(error)
    except KeyboardInterrupt:
        record.stopped = (Outcome.ERROR, f"interrupted; {record.after_interrupt}")
    except MemoryError as error:
        short = f"this machine has no memory left for the gate itself ({error or 'out of memory'}): that says nothing about the target"
        record.stopped = (Outcome.INVALID, f"{short}; give it more, or promise fewer vectors: exact answers need all of them in memory")
    except Exception as error:  # noqa: BLE001 - the last line: a mistake of our own must still end in a report
        record.stopped = (Outcome.ERROR, f"the gate itself failed ({type(error).__name__}: {error}); this is a bug, see the lines above")
        reporter.say(record.hide(traceback.format_exc()))
    finally:
        record.ended_at = datetime.now(UTC)
        write()
