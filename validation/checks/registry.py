"""The checks of a suite: what each asks, measures and writes, and after which other one it comes.

A check registers itself with `@SUITE.check(...)`: its name is the function's, its question the docstring, its measures those of that name
in the suite's table. Order, what a run that only reads leaves out, and the tables in the documentation come from here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import yaml

from validation.judge.measures import CATALOGUE, Better, Measure
from validation.run.record import Facts, Record

_LEAST_SAMPLES = {50: 2, 95: 20, 99: 100}  # by percentile


class Recording(Protocol):
    """What every check is given has a record."""

    @property
    def record(self) -> Record:
        """Where measurements, facts and faults go."""


Context = TypeVar("Context", bound=Recording)


@dataclass(frozen=True)
class Check(Generic[Context]):
    """One question; call it with the context of a run to have it answered."""

    name: str
    question: str
    perform: Callable[[Context, Facts], None]  # answers it; details that no objective names go to the facts
    measures: Sequence[Measure]
    writes: str  # What it writes or changes; "" for a check that only reads. A run that only reads leaves the others out.
    after: str  # name of the check that comes before it; "" for the first
    only_reading: bool  # whether only a run that reads asks it
    skip: "Callable[[Context, Check[Context]], str]"  # returns why this run need not ask it; "" to ask it

    def __call__(self, run: Context) -> None:
        """Answer the question, and note how it went; what the check raises ends the run."""
        with run.record.check(self.name, self.question) as entry:
            if reason := self.skip(run, self):
                entry.facts["skipped"] = reason
            else:
                self.perform(run, entry.facts)


class Suite(Generic[Context]):
    """Checks in the order in which they rest upon each other."""

    def __init__(self, table: Path | None = None) -> None:
        self.checks: dict[str, Check[Context]] = {}
        self.measures = read_measures(table) if table is not None else {}

    def check(
        self,
        *,
        writes: str = "",
        after: str = "",
        only_reading: bool = False,
        skip: Callable[[Context, Check[Context]], str] = lambda _run, _check: "",
    ) -> Callable[[Callable[[Context, Facts], None]], Check[Context]]:
        """Register the decorated function; ValueError unless its docstring is a question, or for a name or a measure that is taken."""

        def register(perform: Callable[[Context, Facts], None]) -> Check[Context]:
            name, question = perform.__name__, (perform.__doc__ or "").partition("\n")[0]
            given = Check(name, question, perform, self.measures.get(name, ()), writes, after, only_reading, skip)
            if not question.endswith("?"):
                raise ValueError(f"{name}: the first line of its docstring is the question that it answers, such as: Is the store there?")
            taken = [name] if name in self.checks else [measure.name for measure in given.measures if measure.name in CATALOGUE]
            if taken:
                raise ValueError(f"{', '.join(taken)}: registered already by another check")
            self.checks[name] = given
            CATALOGUE.update({measure.name: measure for measure in given.measures})
            return given

        return register

    def ordered(self) -> list[Check[Context]]:
        """Return the checks, each after the one that it names."""
        return sorted(self.checks.values(), key=lambda check: (self._depth(check), check.name))

    def run(self, context: Context, *, read_only: bool = False) -> None:
        """Ask everything that such a run can ask."""
        for check in self.ordered():
            if not (check.writes if read_only else check.only_reading):
                check(context)

    def writing(self) -> list[Check[Context]]:
        """Return what a run that only reads leaves out."""
        return [check for check in self.ordered() if check.writes]

    def table(self) -> str:
        """Return the checks as a Markdown table, for the documentation."""
        lines = ["| check | question | measures (those in brackets are never judged) | writes |", "|---|---|---|---|"]
        for check in self.ordered():
            names = ", ".join(f"(`{each.name}`)" if each.better is Better.NONE else f"`{each.name}`" for each in check.measures)
            lines.append(f"| `{check.name}` | {check.question} | {names} | {check.writes} |")
        return "\n".join([*lines, ""])

    def _depth(self, check: Check[Context]) -> int:
        return 1 + self._depth(self.checks[check.after]) if check.after else 0


def read_measures(table: Path) -> dict[str, list[Measure]]:
    """Return what each check measures, by its name."""
    checks = yaml.safe_load(table.read_text(encoding="utf-8"))
    return {check: [measure for name, row in rows.items() for measure in _measures(name, row)] for check, rows in checks.items()}


def _measures(name: str, row: dict[str, Any]) -> Iterator[Measure]:
    """Yield the measure of a row, or each percentile of a latency, which is never above the next."""
    if "percentiles" not in row:
        yield Measure(name=name, **row | {"better": Better(row["better"])})
        return
    names = [f"{name}_p{percentile}_ms" for percentile in row["percentiles"]]
    for percentile, each, above in zip(row["percentiles"], names, [*names[1:], row.get("at_most", "")], strict=True):
        meaning, least = f"{row['meaning']}, {percentile}th percentile", _LEAST_SAMPLES[percentile]
        yield Measure(name=each, unit="ms", better=Better.LOWER, meaning=meaning, min_samples=least, at_most=above)
