"""Latency and recall of search at the promised rate: of the profile's mix, and behind filters that let 1, 10, 50 and 99 % of the rows pass.

Exact answers are computed before the load starts and compared after it ended, so that neither costs the timed part anything. A graph index
finds least where a filter leaves few enough to break its paths and too many to be searched one by one; in a mix the other filters hide it.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from validation.checks import timed
from validation.checks.context import GATE, RunContext, unpromised
from validation.checks.invariants import verify
from validation.clients.vectors import Matrix
from validation.judge.profile import Filter
from validation.load import loopback, open_loop, plan, truth
from validation.load.histogram import Histogram
from validation.load.pods import coordinator as pods
from validation.run.record import Facts

_PERCENTILES = (50, 95, 99)
SELECTIVITIES = (1, 10, 50, 99)  # which filters are tried on their own: percent of the rows that pass
_EACH = 200  # twice the fewest of which the catalogue takes a recall: of 100, a recall of 0.976 could not be told from a limit of 0.95


@GATE.check(after="cold_path")
def retrieval(run: RunContext, facts: Facts) -> None:
    """Does search keep its latency and its recall at the promised rate?"""
    notes = run.loaded.generated[:60]
    vectors = run.services.embedding.embed_queries([note.question for note in notes])
    generated = plan.Pool(vectors=vectors, languages=[note.language for note in notes])
    pools = timed.pools(run, run.loaded) | {"generated": generated}
    drawn = plan.make_plan(run.profile.search, pools, run.profile.requests.value, run.seed)
    expected = timed.expected(run, run.loaded, drawn)
    samples = _send(run, drawn, facts)
    record, count, rate = run.record, len(samples), run.profile.rate.value
    run.measure_latency("search", timed.counted_s(run, samples), _PERCENTILES, load=True)
    delay = Histogram(sample.delay_s for sample in samples)
    numbers = {f"search_delay_p{percentile}_ms": delay.percentile_ms(percentile) for percentile in _PERCENTILES}
    drift_s = open_loop.drift_s(samples)
    numbers["search_drift_ms"] = None if drift_s is None else drift_s * 1e3
    numbers |= {"search_sent_rate": open_loop.sent_rate(samples), "search_answered_rate": open_loop.answered_rate(samples)}
    for name, value in numbers.items():
        record.measure(name, value, count)
    record.measure("search_requests", count)
    record.measure("search_offered_rate", rate)
    record.measure_share("search_error_share", [float(bool(sample.error)) for sample in samples])
    own = loopback.samples(timed.load_target(run, ""), run.target.embedding_dimension)
    for percentile in (50, 95):
        of_own = Histogram(sample.latency_s for sample in own if not sample.error).percentile_ms(percentile)
        record.measure(f"generator_p{percentile}_ms", of_own, len(own))
    verify(run, "retrieval", run.loaded, expected, samples)
    facts["over_time"] = timed.over_time(run, samples)
    facts["connections"] = by_connection(samples, run.pods or run.profile.load.processes)
    _add_facts(facts, drawn, samples, _measure_recall(run, run.loaded.matrix, expected, samples))


def _send(run: RunContext, drawn: plan.Plan, facts: Facts) -> list[open_loop.Sample]:
    """Warm up, then load, from processes of their own, or from pods."""
    warm_up, total, collection = run.profile.search.warmup_requests, len(drawn.filters), run.loaded.collection.name
    rate, arrivals = run.profile.rate.value, run.profile.load.arrivals
    run.reporter.say(f"search: {warm_up} to warm up, then {total:,} at {rate:g} requests/s, {arrivals}")
    if not run.pods:
        return run.loaded.in_rows(timed.run_load(run, collection, drawn, warm_up=warm_up))
    target, shares = timed.partition(run, collection, drawn, warm_up=warm_up, generators=run.pods)
    placement = pods.Placement(target=run.target, reporter=run.reporter, secrets=run.record.secrets)
    with run.reporter.track("search", total) as advance:
        load = pods.run_load(placement, target, shares, advance)
    facts["pods"] = load.facts
    run.record.faults += load.faults
    return run.loaded.in_rows(load.samples)


def _measure_recall(run: RunContext, rows: Matrix, expected: timed.Expected, samples: Sequence[open_loop.Sample]) -> dict[int, float]:
    """Record whether the exact answers can be trusted, and return the recall of every answered search by its number."""
    drawn, exact = expected.plan, expected.exact
    run.record.measure("truth_coverage", sum(bool(answer.ids) for answer in exact) / len(exact), len(exact))
    searches = zip(drawn.planted_rows, exact, drawn.queries, drawn.filters, strict=True)
    asked = [(row, answer, query) for row, answer, query, chosen in searches if answer.ids and not plan.expression(chosen)]
    planted = [truth.holds(row, answer, rows, query) for row, answer, query in asked if row is not None]
    run.record.measure("planted_in_truth", sum(planted) / len(planted) if planted else None, len(planted))
    answered = [sample for sample in samples if not sample.error and exact[sample.number].ids]  # failed ones are in the error share already
    cases = {sample.number: expected.case(sample, rows) for sample in answered}
    recalls = {number: truth.recall(*case) for number, case in cases.items()}
    beaten = sum(truth.is_beaten(*case) for case in cases.values())
    run.record.measure_share("recall_at_10", [*recalls.values()])
    run.record.measure("truth_beaten_share", beaten / len(cases) if cases else None, len(cases))
    return recalls


def by_connection(samples: Sequence[open_loop.Sample], generators: int) -> dict[str, int]:
    """Return how many requests went over each connection, named GENERATOR.CONNECTION: the plan goes to generators in turn."""
    return dict(sorted(Counter(f"{sample.number % generators}.{sample.connection}" for sample in samples).items()))


def _add_facts(facts: Facts, drawn: plan.Plan, samples: Sequence[open_loop.Sample], recalls: dict[int, float]) -> None:
    by_filter, facts["by_filter"] = dict[str, list[open_loop.Sample]](), {}
    for sample in samples:
        by_filter.setdefault(plan.expression(drawn.filters[sample.number]) or "none", []).append(sample)
    for name, group in sorted(by_filter.items()):
        p95_ms = Histogram(sample.latency_s for sample in group).percentile_ms(95)
        recall = fmean([recalls[sample.number] for sample in group if sample.number in recalls] or [0.0])
        facts["by_filter"][name] = {"requests": len(group), "p95_ms": p95_ms, "recall_at_10": recall}
    facts["queries"] = dict(Counter(drawn.kinds))
    facts["errors"] = dict(Counter(sample.error for sample in samples if sample.error).most_common(5))
    facts["latency_histogram"] = Histogram(sample.latency_s for sample in samples).encoded()


@GATE.check(after="originals", skip=unpromised)
def filtered(run: RunContext, facts: Facts) -> None:
    """Does search keep its recall and its latency, however few rows a filter leaves?"""
    filters = [Filter(share=1 / len(SELECTIVITIES), bucket_below=percent) for percent in SELECTIVITIES]
    drawn = timed.small_plan(run, run.loaded, filters * _EACH)
    expected = timed.expected(run, run.loaded, drawn)
    samples = run.loaded.in_rows(timed.run_load(run, run.loaded.collection.name, drawn))
    verify(run, "filtered", run.loaded, expected, samples)
    for place, percent in enumerate(SELECTIVITIES):
        group = [sample for sample in samples if sample.number % len(SELECTIVITIES) == place]
        timed.measure_latency(run, f"filter_{percent}", group)
        timed.measure_recall(run, f"filter_{percent}_recall_at_10", run.loaded.matrix, expected, group)
        facts[f"{percent} %"] = {"rows that pass": int(expected.masks[place].sum()), "errors": timed.errors(group)}
