"""Searches behind filters that let 1, 10, 50 and 99 % of the rows pass, each on its own.

A graph index finds least where a filter leaves few enough to break its paths and too many to be searched one by one; in a mix of
filters the others hide it.
"""

from collections.abc import Iterator

from validation.checks import timed
from validation.checks.context import GATE, RunContext, unpromised
from validation.judge.measures import Measure, searched
from validation.judge.profile import Filter
from validation.run.record import Facts

SELECTIVITIES = (1, 10, 50, 99)
"""Which filters are tried on their own: percent of the rows that pass."""
_EACH = 200
"""Twice the fewest of which the catalogue takes a recall: of 100, a recall of 0.976 could not be told from a limit of 0.95."""


def _measures() -> Iterator[Measure]:
    for percent in SELECTIVITIES:
        yield from searched(f"filter_{percent}", f"Search that {percent} % of the rows pass")


@GATE.check(
    "filtered",
    "Does search keep its recall and its latency, however few rows a filter leaves?",
    after="originals",
    measures=_measures(),
    skip=unpromised,
)
def filtered(run: RunContext, facts: Facts) -> None:
    """Send as many searches behind each filter, all mixed, at the promised rate."""
    filters = [Filter(share=1 / len(SELECTIVITIES), bucket_below=percent) for percent in SELECTIVITIES]
    drawn = timed.small_plan(run, run.loaded, filters * _EACH)
    expected = timed.expected(run, run.loaded, drawn)
    shots = run.loaded.in_rows(timed.shoot(run, run.loaded.collection.name, drawn))
    for place, percent in enumerate(SELECTIVITIES):
        group = [shot for shot in shots if shot.number % len(SELECTIVITIES) == place]
        timed.measure_latency(run, f"filter_{percent}", group)
        timed.measure_recall(run, f"filter_{percent}_recall_at_10", run.loaded.matrix, expected, group)
        facts[f"{percent} %"] = {"rows that pass": int(expected.masks[place].sum()), "errors": timed.errors(group)}
