"""Searches at a rate, as every check that times them does it: from processes of their own, compared with exact answers afterwards.

It owns what such checks share and no number's name: the names are the checks'. A failed search counts as slow as the time-out and as having
found nothing, so that failing fast never looks fast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from validation.checks.context import Loaded, RunContext
from validation.clients.vectors import Mask, Matrix
from validation.judge import interval, validity
from validation.judge.profile import Filter, Queries
from validation.load import open_loop, plan, truth, workers
from validation.load.open_loop import Shot
from validation.load.plan import Plan
from validation.load.samples import Samples

TOP_K = 10
FEW_WARM_UP = 20
"""Enough to open the connection, where the collection is warm already."""
_DELAY_SHARE = 0.1
_SMALL = Queries(judged=0.3, generated=0, planted=0.7)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The searches, and the exact answer to each."""

    plan: Plan
    masks: Sequence[Mask]
    exact: Sequence[truth.Exact]


def small_plan(run: RunContext, loaded: Loaded, filters: Sequence[Filter]) -> Plan:
    """Plan one search for each of `filters`, of questions that people ask and of planted ones."""
    search = run.profile.search.model_copy(update={"queries": _SMALL, "filters": [Filter(share=1)]})
    pools = {
        "judged": plan.Pool(vectors=run.question_vectors, languages=[question.language for question in run.corpus.questions]),
        "planted": plan.Pool(vectors=loaded.matrix, languages=[row.chunk.language for row in loaded.rows]),
    }
    drawn = plan.make_plan(search, pools, len(filters), run.seed)
    return Plan(queries=drawn.queries, filters=tuple(filters), kinds=drawn.kinds, planted_rows=drawn.planted_rows)


def expected(run: RunContext, loaded: Loaded, drawn: Plan) -> Expected:
    """Compute the exact answers, outside the timed part."""
    masks = plan.masks(drawn.filters, loaded.columns())
    return Expected(plan=drawn, masks=masks, exact=run.overrides.exact_truth(loaded.matrix, drawn.queries, masks, TOP_K))


def deal(run: RunContext, collection: str, drawn: Plan, *, warm_up: int, generators: int) -> tuple[workers.Aim, list[workers.Share]]:
    """Say where the plan goes at the profile's rate, and what each generator sends of it."""
    profile, total = run.profile, len(drawn.filters)
    due_s = open_loop.offsets(total, profile.rate.value, profile.load.arrivals, run.seed)
    aim = workers.Aim(
        uri=run.services.milvus.uri,
        database=run.target.milvus_database,
        collection=collection,
        search=profile.search.model_copy(update={"warmup_requests": warm_up}),
        limit=TOP_K,
        login=run.services.milvus.logins.search(),
        tls=run.services.milvus.tls,
    )
    expressions = [plan.expression(chosen) for chosen in drawn.filters]
    return aim, workers.deal(drawn.queries, expressions, due_s, generators)


def shoot(
    run: RunContext,
    collection: str,
    drawn: Plan,
    *,
    warm_up: int = FEW_WARM_UP,
    started: Callable[[float], None] = lambda _: None,
) -> list[Shot]:
    """Warm up, then send the plan at the profile's rate; `started` is told when, on the monotonic clock."""
    aim, shares = deal(run, collection, drawn, warm_up=warm_up, generators=run.profile.load.processes)
    with run.reporter.track("search", len(drawn.filters)) as advance:
        return workers.run(aim, shares, advance, started)


def counted_s(run: RunContext, shots: Sequence[Shot]) -> list[float]:
    """Return what each search took as it counts: a failed one no less than the time-out."""
    timeout_s = run.profile.search.timeout_ms / 1e3
    return [shot.counted_s(timeout_s) for shot in shots]


def measure_latency(run: RunContext, prefix: str, shots: Sequence[Shot], percentiles: Sequence[int] = (50, 95)) -> None:
    """Record the percentiles, and a fault when the gate itself was too late to judge them."""
    seconds = counted_s(run, shots)
    samples = Samples(seconds)
    for percentile in percentiles:
        spread = interval.of_load_percentile_ms(seconds, percentile)
        run.record.measure(f"{prefix}_p{percentile}_ms", samples.percentile_ms(percentile), len(shots), spread)
    delay_ms = Samples(shot.delay_s for shot in shots).percentile_ms(99)
    limit_ms = validity.tightest_limit_ms(run.profile, {}, f"{prefix}_p")
    if limit_ms is not None and delay_ms is not None and delay_ms > limit_ms * _DELAY_SHARE:
        late = f"{prefix}: the gate's own sending delay p99 was {delay_ms:g} ms"
        run.record.faults.append(f"{late}, more than a tenth of the tightest limit it is to judge ({limit_ms:g} ms); give it more CPU")


def measure_recall(run: RunContext, name: str, rows: Matrix, wanted: Expected, shots: Sequence[Shot]) -> None:
    """Record the mean share of the exact answers that was found; searches whose filter leaves nothing have none."""
    values = recalls(rows, wanted, shots)
    run.record.measure(name, fmean(values) if values else None, len(values), interval.of_share(values))


def recalls(rows: Matrix, wanted: Expected, shots: Sequence[Shot]) -> list[float]:
    """Return the recall of each search that has an exact answer, 0 for a failed one."""
    queries, masks, exact = wanted.plan.queries, wanted.masks, wanted.exact
    return [
        0.0 if shot.error else truth.recall(shot.ids, exact[shot.number], rows, queries[shot.number], masks[shot.number])
        for shot in shots
        if exact[shot.number].ids
    ]


def errors(shots: Sequence[Shot]) -> dict[str, int]:
    """Return how often each error was seen."""
    seen = [shot.error for shot in shots if shot.error]
    return {error: seen.count(error) for error in dict.fromkeys(seen)}
