"""Measures latency and recall of search at the promised rate.

Both are measured on the same requests: speed at a rate, judged at a recall floor. Exact answers are computed before the load starts
and compared after it ended, so that neither costs the timed part anything.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from validation.checks import timed
from validation.checks.bench import Bench, Loaded, Services
from validation.checks.timed import Expected
from validation.clients.vectors import Matrix
from validation.judge import interval
from validation.load import open_loop, plan, truth
from validation.load.open_loop import Shot
from validation.load.plan import Plan
from validation.load.pods import run as pods
from validation.load.samples import Samples
from validation.run.record import CheckRecord

QUESTION = "Does search keep its latency and its recall at the promised rate?"
_GENERATED_QUERIES = 300
_ERRORS_SHOWN = 5


def run(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> None:
    """Send the planned searches at the promised rate, and measure what came of them."""
    search, count = bench.profile.search, bench.profile.requests.value
    with bench.record.check("retrieval", QUESTION) as check:
        drawn = plan.make_plan(search, _pools(bench, services, loaded, question_vectors), count, bench.seed)
        expected = timed.expected(bench, loaded, drawn)
        shots = _shoot(bench, services, loaded, drawn, check)
        _measure_load(bench, shots)
        _measure_truth(bench, expected, loaded.matrix)
        _add_facts(check, drawn, shots, _measure_recall(bench, loaded.matrix, expected, shots))


def _pools(bench: Bench, services: Services, loaded: Loaded, question_vectors: Matrix) -> dict[str, plan.Pool]:
    """Return the vectors that queries are drawn from, each with the language it is asked in."""
    notes = loaded.generated[:_GENERATED_QUERIES]
    generated = services.embedding.embed_queries([note.question for note in notes])
    return {
        "judged": plan.Pool(vectors=question_vectors, languages=[question.language for question in bench.corpus.questions]),
        "generated": plan.Pool(vectors=generated, languages=[note.language for note in notes]),
        "planted": plan.Pool(vectors=loaded.matrix, languages=[row.chunk.language for row in loaded.rows]),
    }


def _shoot(bench: Bench, services: Services, loaded: Loaded, drawn: Plan, check: CheckRecord) -> list[Shot]:
    """Warm up, then load, from processes of their own, or from pods."""
    profile, total = bench.profile, len(drawn.filters)
    warm_up, rate = profile.search.warmup_requests, profile.rate.value
    bench.reporter.say(f"search: {warm_up} to warm up, then {total:,} at {rate:g} requests/s, {profile.load.arrivals}")
    if not bench.pods:
        return loaded.in_rows(timed.shoot(bench, services, loaded.collection.name, drawn, warm_up=warm_up))
    aim, shares = timed.deal(bench, services, loaded.collection.name, drawn, warm_up=warm_up, generators=bench.pods)
    ground = pods.Ground(target=bench.target, reporter=bench.reporter, secrets=bench.record.secrets)
    with bench.reporter.track("search", total) as advance:
        volley = pods.fire(ground, aim, shares, advance)
    check.facts["pods"] = volley.facts
    bench.record.faults += volley.faults
    return loaded.in_rows(volley.shots)


def _measure_load(bench: Bench, shots: Sequence[Shot]) -> None:
    """Record rates, latencies and delays."""
    record, count, seconds = bench.record, len(shots), timed.counted_s(bench, shots)
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
    record.measure("search_offered_rate", bench.profile.rate.value)
    record.measure("search_sent_rate", open_loop.sent_rate(shots), count)
    record.measure("search_answered_rate", open_loop.answered_rate(shots), count)
    failed = [float(bool(shot.error)) for shot in shots]
    record.measure("search_error_share", fmean(failed), count, interval.of_share(failed))


def _measure_truth(bench: Bench, expected: Expected, rows: Matrix) -> None:
    """Record whether the exact answers can be trusted: they cover the searches, and planted queries find their own row."""
    drawn, exact = expected.plan, expected.exact
    bench.record.measure("truth_coverage", sum(bool(one.ids) for one in exact) / len(exact), len(exact))
    planted = [
        truth.holds(row, one, rows, query)
        for row, one, query, chosen in zip(drawn.planted_rows, exact, drawn.queries, drawn.filters, strict=True)
        if row is not None and one.ids and not plan.expression(chosen)
    ]
    bench.record.measure("planted_in_truth", sum(planted) / len(planted) if planted else None, len(planted))


def _measure_recall(bench: Bench, rows: Matrix, expected: Expected, shots: Sequence[Shot]) -> dict[int, float]:
    """Return the recall of every answered search by its number; failed ones are in the error share already."""
    queries, masks, exact = expected.plan.queries, expected.masks, expected.exact
    answered = [shot for shot in shots if not shot.error and exact[shot.number].ids]
    cases = {shot.number: (shot.ids, exact[shot.number], rows, queries[shot.number], masks[shot.number]) for shot in answered}
    recalls = {number: truth.recall(*case) for number, case in cases.items()}
    beaten = sum(truth.is_beaten(*case) for case in cases.values())
    bench.record.measure("recall_at_10", fmean(recalls.values()) if recalls else None, len(recalls), interval.of_share([*recalls.values()]))
    bench.record.measure("truth_beaten_share", beaten / len(cases) if cases else None, len(cases))
    return recalls


def _add_facts(check: CheckRecord, drawn: Plan, shots: Sequence[Shot], recalls: dict[int, float]) -> None:
    by_filter: dict[str, list[Shot]] = {}
    for shot in shots:
        by_filter.setdefault(plan.expression(drawn.filters[shot.number]) or "none", []).append(shot)
    check.facts["by_filter"] = {
        name: {
            "requests": len(group),
            "p95_ms": Samples(shot.latency_s for shot in group).percentile_ms(95),
            "recall_at_10": fmean([recalls[shot.number] for shot in group if shot.number in recalls] or [0.0]),
        }
        for name, group in sorted(by_filter.items())
    }
    check.facts["queries"] = dict(Counter(drawn.kinds))
    check.facts["errors"] = dict(Counter(shot.error for shot in shots if shot.error).most_common(_ERRORS_SHOWN))
    check.facts["latency_histogram"] = Samples(shot.latency_s for shot in shots).encoded()
