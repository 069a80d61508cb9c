"""Do pods measure what one process measures? The same searches at the same total rate, in turn from a process here and from pods.

One collection, loaded once; the two take turns, so that what the machine does meanwhile hits both. Each percentile comes with how much it
moves from round to round within one way of sending: what differs by no more than that is noise.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from validation.checks.context import RunContext, reachable
from validation.checks.ingest import ingest
from validation.checks.quality import embedding
from validation.checks.retrieval import retrieval
from validation.experiments.sweep import at_rate
from validation.judge import slo_file
from validation.judge.errors import GateError, InvalidRunError, exit_code
from validation.load.histogram import Histogram
from validation.run.options import Target
from validation.run.record import Record, Reporter
from validation.suites import runner

PERCENTILES = (50, 95, 99)

HELP = """Do pods measure what one process measures? Both send the same searches at the profile's rate, in turn, on one collection.

Prints p50, p95 and p99 of both from merged histograms, and how far each moved between its own rounds: a difference within that is noise.

Exit codes: 0 within noise, 1 beyond it, 2 usage, 3 not measured validly, 4 the target does not answer.

Example: python -m tests.bench.agreement lab --pods 2
"""


def command(
    *,
    stack: Target,
    slo: Annotated[Path | None, typer.Option(help="Where rate and searches are taken from. Default: validation/slo.<stack>.yaml")] = None,
    pods: Annotated[int, typer.Option(min=1, max=64, help="How many pods share the rate.")] = 2,
    rounds: Annotated[int, typer.Option(min=2, max=20, help="How often each takes its turn; noise needs two.")] = 3,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="How long each turn takes.")] = 20,
) -> None:
    """Compare them, and exit with the answer."""
    order = runner.Order(stack=stack, slo=slo, pods=pods)
    try:
        ways = compare(order, rounds, seconds, Reporter())
    except GateError as error:
        code = exit_code(error.outcome, strict=False)
        print(f"RESULT: {error.outcome} {error} (exit {code})")
        raise typer.Exit(code) from None
    print("\n".join(table(ways)))
    beyond = [f"p{percentile}" for percentile, held in within_noise(ways).items() if not held]
    verdict = f"{', '.join(beyond)} differ by more than either moved between rounds" if beyond else "within noise at every percentile"
    print(f"RESULT: {'FAIL' if beyond else 'PASS'} {verdict} (exit {int(bool(beyond))})")
    raise typer.Exit(int(bool(beyond)))


@dataclass(kw_only=True)
class Way:
    """One way of sending: all its samples, and the percentiles of each round in ms."""

    name: str
    pods: int
    merged: Histogram = field(default_factory=Histogram)
    rounds: list[dict[int, float]] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)

    def spread_ms(self, percentile: int) -> float:
        """By how much the percentile moved between rounds."""
        seen = [one[percentile] for one in self.rounds]
        return max(seen) - min(seen)


def compare(order: runner.Order, rounds: int, seconds: float, reporter: Reporter) -> list[Way]:
    """Measure in turn, and return both ways: from one process, then from pods."""
    profile = slo_file.read_profile(order.slo_file)
    record = Record()
    with ExitStack() as closing:
        run = runner.make_context(order, profile, reporter=reporter, record=record, closing=closing)
        for check in (reachable, ingest, embedding):
            check(run)
        short = at_rate(run.profile, profile.rate.value, seconds)
        ways = [Way(name="one process here", pods=0), Way(name=f"{order.pods} pods", pods=order.pods)]
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):  # whoever is first has the colder caches: in turn
                reporter.say(f"round {number + 1} of {rounds}: {way.name}")
                step = run.with_profile(short, Record(run_id="round"), pods=way.pods)
                retrieval(step)
                _note(way, step)
    return ways


def _note(way: Way, step: RunContext) -> None:
    found = Histogram.decoded(step.record.checks[-1].facts["latency_histogram"])
    way.merged.merge(found)
    way.rounds.append({percentile: found.percentile_ms(percentile) or 0.0 for percentile in PERCENTILES})
    way.delays_ms.append(step.record.measurements["search_delay_p99_ms"].value or 0.0)
    if step.record.faults:
        raise InvalidRunError("; ".join(step.record.faults))


def table(ways: list[Way]) -> Iterator[str]:
    """One line a percentile: both, their difference, and how far each moved by itself."""
    here, there = ways
    yield f"{'':<6}{here.name:>18}{there.name:>12}{'difference':>12}{'moved between rounds (here, pods)':>36}"
    for percentile in PERCENTILES:
        one, other = (way.merged.percentile_ms(percentile) or 0.0 for way in ways)
        moved = f"{here.spread_ms(percentile):.2f}, {there.spread_ms(percentile):.2f}"
        yield f"p{percentile:<5}{one:>15.2f} ms{other:>9.2f} ms{other - one:>+9.2f} ms{moved:>33} ms"
    late = f"{max(here.delays_ms):.2f} and {max(there.delays_ms):.2f} ms"
    yield f"{here.merged.count:,} and {there.merged.count:,} searches; own delay p99, worst round: {late}"


def within_noise(ways: list[Way]) -> dict[int, bool]:
    """Whether the two differ by no more than either moved between its own rounds, at each percentile."""
    here, there = ways
    return {
        percentile: abs((here.merged.percentile_ms(percentile) or 0.0) - (there.merged.percentile_ms(percentile) or 0.0))
        <= max(here.spread_ms(percentile), there.spread_ms(percentile))
        for percentile in PERCENTILES
    }


if __name__ == "__main__":
    app = typer.Typer(rich_markup_mode=None)
    app.command(help=HELP)(command)
    app()
