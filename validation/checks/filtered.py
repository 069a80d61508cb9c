"""Searches behind filters that let 1, 10, 50 and 99 % of the rows pass, each on its own.

A graph index finds least where a filter leaves few enough to break its paths and too many to be searched one by one; in a mix of
filters the others hide it.
"""

from validation.checks import timed
from validation.checks.bench import Bench, Loaded, Services
from validation.clients.vectors import Matrix
from validation.judge.measures import SELECTIVITIES
from validation.judge.profile import Filter

QUESTION = "Does search keep its recall and its latency, however few rows a filter leaves?"
_EACH = 200
"""Twice the fewest of which the catalogue takes a recall: of 100, a recall of 0.976 could not be told from a limit of 0.95."""


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> None:
    """Send as many searches behind each filter, all mixed, at the promised rate."""
    filters = [Filter(share=1 / len(SELECTIVITIES), bucket_below=percent) for percent in SELECTIVITIES]
    with bench.record.check("filtered", QUESTION) as check:
        if not bench.promises("filter_"):
            check.facts["skipped"] = "the SLO file promises nothing about it (objectives filter_...)"
            return
        drawn = timed.small_plan(bench, loaded, question_vectors, filters * _EACH)
        wanted = timed.expected(bench, loaded, drawn)
        shots = loaded.in_rows(timed.shoot(bench, services, loaded.collection.name, drawn))
        for place, percent in enumerate(SELECTIVITIES):
            group = [shot for shot in shots if shot.number % len(SELECTIVITIES) == place]
            timed.measure_latency(bench, f"filter_{percent}", group)
            timed.measure_recall(bench, f"filter_{percent}_recall_at_10", loaded.matrix, wanted, group)
            check.facts[f"{percent} %"] = {"rows that pass": int(wanted.masks[place].sum()), "errors": timed.errors(group)}
