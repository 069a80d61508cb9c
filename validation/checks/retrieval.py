"""Measures latency and recall of search at the promised rate.

Both are measured on the same requests: speed at a rate, judged at a recall floor. Exact answers are computed before the load starts
and compared after it ended, so that neither costs the timed part anything.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from validation.checks import timed
from validation.checks.context import GATE, RunContext
from validation.checks.timed import Expected
from validation.clients.vectors import Matrix
from validation.judge import interval
from validation.judge.measures import higher, latencies, lower, neutral
from validation.load import open_loop, plan, truth
from validation.load.open_loop import Shot
from validation.load.plan import Plan
from validation.load.pods import coordinator as pods
from validation.load.samples import Samples
from validation.run.record import Facts

_GENERATED_QUERIES = 300
_ERRORS_SHOWN = 5


@GATE.check(
    "retrieval",
    "Does search keep its latency and its recall at the promised rate?",
    after="embedding",
    measures=[
        *latencies("search", "Search answered, counted from its planned send time", (50, 95, 99)),
        *latencies("search_delay", "The gate's own delay in sending a search", (50, 95, 99)),
        neutral("search_drift_ms", "ms", "How much slower the last third of the searches was than the first, by median"),
        neutral("search_requests", "requests", "Searches planned and sent after the warm-up"),
        neutral("search_offered_rate", "requests/s", "Rate that was planned"),
        neutral("search_sent_rate", "requests/s", "Rate at which searches really left"),
        higher("search_answered_rate", "requests/s", "Rate at which searches were answered without an error"),
        lower("search_error_share", "share", "Searches that failed or timed out"),
        higher("recall_at_10", "share", "Share of the exact ten nearest that the timed searches found, ties accepted", 100),
        neutral("truth_coverage", "share", "Planned searches for which an exact answer exists"),
        neutral("planted_in_truth", "share", "Planted queries whose own row is in the exact answer: the truth checks itself"),
        neutral("truth_beaten_share", "share", "Answered searches that found a row better than the exact answer: must be none"),
    ],
)
def retrieval(run: RunContext, facts: Facts) -> None:
    """Send the planned searches at the promised rate, and measure what came of them."""
    drawn = plan.make_plan(run.profile.search, _pools(run), run.profile.requests.value, run.seed)
    expected = timed.expected(run, run.loaded, drawn)
    shots = _send(run, drawn, facts)
    _measure_load(run, shots)
    _measure_truth(run, expected, run.loaded.matrix)
    _add_facts(facts, drawn, shots, _measure_recall(run, run.loaded.matrix, expected, shots))


def _pools(run: RunContext) -> dict[str, plan.Pool]:
    """Return the vectors that queries are drawn from, each with the language it is asked in."""
    notes = run.loaded.generated[:_GENERATED_QUERIES]
    generated = run.services.embedding.embed_queries([note.question for note in notes])
    return {
        "judged": plan.Pool(vectors=run.question_vectors, languages=[question.language for question in run.corpus.questions]),
        "generated": plan.Pool(vectors=generated, languages=[note.language for note in notes]),
        "planted": plan.Pool(vectors=run.loaded.matrix, languages=[row.chunk.language for row in run.loaded.rows]),
    }


def _send(run: RunContext, drawn: Plan, facts: Facts) -> list[Shot]:
    """Warm up, then load, from processes of their own, or from pods."""
    profile, total = run.profile, len(drawn.filters)
    warm_up, rate = profile.search.warmup_requests, profile.rate.value
    run.reporter.say(f"search: {warm_up} to warm up, then {total:,} at {rate:g} requests/s, {profile.load.arrivals}")
    if not run.pods:
        return run.loaded.in_rows(timed.shoot(run, run.loaded.collection.name, drawn, warm_up=warm_up))
    aim, shares = timed.deal(run, run.loaded.collection.name, drawn, warm_up=warm_up, generators=run.pods)
    placement = pods.Placement(target=run.target, reporter=run.reporter, secrets=run.record.secrets)
    with run.reporter.track("search", total) as advance:
        load = pods.run_load(placement, aim, shares, advance)
    facts["pods"] = load.facts
    run.record.faults += load.faults
    return run.loaded.in_rows(load.shots)


def _measure_load(run: RunContext, shots: Sequence[Shot]) -> None:
    """Record rates, latencies and delays."""
    record, count, seconds = run.record, len(shots), timed.counted_s(run, shots)
    latency = Samples(seconds)
    delay = Samples(shot.delay_s for shot in shots)
    for percentile in (50, 95, 99):
        record.measure(
            f"search_p{percentile}_ms", latency.percentile_ms(percentile), count, interval.of_load_percentile_ms(seconds, percentile)
        )
        record.measure(f"search_delay_p{percentile}_ms", delay.percentile_ms(percentile), count)
    drift_s = open_loop.drift_s(shots)
    record.measure("search_drift_ms", None if drift_s is None else drift_s * 1e3, count)
    record.measure("search_requests", count)
    record.measure("search_offered_rate", run.profile.rate.value)
    record.measure("search_sent_rate", open_loop.sent_rate(shots), count)
    record.measure("search_answered_rate", open_loop.answered_rate(shots), count)
    failed = [float(bool(shot.error)) for shot in shots]
    record.measure("search_error_share", fmean(failed), count, interval.of_share(failed))


def _measure_truth(run: RunContext, expected: Expected, rows: Matrix) -> None:
    """Record whether the exact answers can be trusted: they cover the searches, and planted queries find their own row."""
    drawn, exact = expected.plan, expected.exact
    run.record.measure("truth_coverage", sum(bool(one.ids) for one in exact) / len(exact), len(exact))
    planted = [
        truth.holds(row, one, rows, query)
        for row, one, query, chosen in zip(drawn.planted_rows, exact, drawn.queries, drawn.filters, strict=True)
        if row is not None and one.ids and not plan.expression(chosen)
    ]
    run.record.measure("planted_in_truth", sum(planted) / len(planted) if planted else None, len(planted))


def _measure_recall(run: RunContext, rows: Matrix, expected: Expected, shots: Sequence[Shot]) -> dict[int, float]:
    """Return the recall of every answered search by its number; failed ones are in the error share already."""
    queries, masks, exact = expected.plan.queries, expected.masks, expected.exact
    answered = [shot for shot in shots if not shot.error and exact[shot.number].ids]
    cases = {shot.number: (shot.ids, exact[shot.number], rows, queries[shot.number], masks[shot.number]) for shot in answered}
    recalls = {number: truth.recall(*case) for number, case in cases.items()}
    beaten = sum(truth.is_beaten(*case) for case in cases.values())
    run.record.measure("recall_at_10", fmean(recalls.values()) if recalls else None, len(recalls), interval.of_share([*recalls.values()]))
    run.record.measure("truth_beaten_share", beaten / len(cases) if cases else None, len(cases))
    return recalls


def _add_facts(facts: Facts, drawn: Plan, shots: Sequence[Shot], recalls: dict[int, float]) -> None:
    by_filter: dict[str, list[Shot]] = {}
    for shot in shots:
        by_filter.setdefault(plan.expression(drawn.filters[shot.number]) or "none", []).append(shot)
    facts["by_filter"] = {
        name: {
            "requests": len(group),
            "p95_ms": Samples(shot.latency_s for shot in group).percentile_ms(95),
            "recall_at_10": fmean([recalls[shot.number] for shot in group if shot.number in recalls] or [0.0]),
        }
        for name, group in sorted(by_filter.items())
    }
    facts["queries"] = dict(Counter(drawn.kinds))
    facts["errors"] = dict(Counter(shot.error for shot in shots if shot.error).most_common(_ERRORS_SHOWN))
    facts["latency_histogram"] = Samples(shot.latency_s for shot in shots).encoded()
