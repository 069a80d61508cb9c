"""Searches at a rate, as every check that times them does it: from processes of their own, compared with exact answers afterwards.

It owns what such checks share and no number's name: the names are the checks'. In percentiles a failed search counts as slow as
the time-out, so that failing fast never looks fast; each check says what it counts as in recall.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from validation.checks.context import Loaded, RunContext
from validation.clients.searcher import LoadTarget
from validation.clients.vectors import Mask, Matrix
from validation.judge import validity
from validation.judge.errors import text_of
from validation.judge.profile import Filter, Queries
from validation.load import open_loop, plan, truth, workers
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.load.plan import Plan

TOP_K = 10
FEW_WARM_UP = 20  # enough to open the connection, where the collection is warm already
_DELAY_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The searches, and the exact answer to each."""

    plan: Plan
    masks: Sequence[Mask]
    exact: Sequence[truth.Exact]

    def case(self, sample: Sample, rows: Matrix) -> tuple[list[int], truth.Exact, Matrix, Matrix, Mask]:
        """Return what an answer is compared by: its first ids, the exact answer, all rows, the query, and its filter."""
        number = sample.number
        return sample.ids[:TOP_K], self.exact[number], rows, self.plan.queries[number], self.masks[number]


def pools(run: RunContext, loaded: Loaded) -> dict[str, plan.Pool]:
    """Return the vectors that every load draws its queries from, each with the language that it is asked in."""
    return {
        "judged": plan.Pool(vectors=run.question_vectors, languages=[question.language for question in run.corpus.questions]),
        "planted": plan.Pool(vectors=loaded.matrix, languages=[row.chunk.language for row in loaded.rows]),
    }


def small_plan(run: RunContext, loaded: Loaded, filters: Sequence[Filter]) -> Plan:
    """Plan one search for each of `filters`, of questions that people ask and of planted ones."""
    search = run.profile.search.model_copy(update={"queries": Queries(judged=0.3, generated=0, planted=0.7), "filters": [Filter(share=1)]})
    return replace(plan.make_plan(search, pools(run, loaded), len(filters), run.seed), filters=tuple(filters))


def expected(run: RunContext, loaded: Loaded, drawn: Plan) -> Expected:
    """Compute the exact answers, outside the timed part."""
    masks = plan.masks(drawn.filters, loaded.columns())
    return Expected(plan=drawn, masks=masks, exact=run.overrides.exact_truth(loaded.matrix, drawn.queries, masks, TOP_K))


def partition(run: RunContext, collection: str, drawn: Plan, *, warm_up: int, generators: int) -> tuple[LoadTarget, list[workers.Share]]:
    """Say where the plan goes at the profile's rate, and what each generator sends of it."""
    profile = run.profile
    due_s = open_loop.offsets(len(drawn.filters), profile.rate.value, profile.load.arrivals, run.seed)
    expressions = [plan.expression(chosen) for chosen in drawn.filters]
    return load_target(run, collection, warm_up), workers.partition(drawn.queries, expressions, due_s, generators)


def load_target(run: RunContext, collection: str, warm_up: int = FEW_WARM_UP) -> LoadTarget:
    """Return where searches go, and how."""
    milvus, aim, search = run.services.milvus, run.target, run.profile.search.model_copy(update={"warmup_requests": warm_up})
    where: dict[str, Any] = {"uri": milvus.uri, "database": aim.milvus_database, "connections": aim.milvus_proxies, "tls": milvus.tls}
    return LoadTarget(**where, collection=collection, search=search, limit=TOP_K, login=milvus.logins.search())


def run_load(
    run: RunContext, collection: str, drawn: Plan, *, warm_up: int = FEW_WARM_UP, started: Callable[[float], None] = lambda _: None
) -> list[Sample]:
    """Warm up, then send the plan at the profile's rate; `started` is told when, on the monotonic clock."""
    target, shares = partition(run, collection, drawn, warm_up=warm_up, generators=run.profile.load.processes)
    with run.reporter.track("search", len(drawn.filters)) as advance:
        return workers.run_load(target, shares, advance, started)


def counted_s(run: RunContext, samples: Sequence[Sample]) -> list[float]:
    """Return what each search took as it counts: a failed one no less than the time-out."""
    return [sample.counted_s(run.profile.search.timeout_ms / 1e3) for sample in samples]


def measure_latency(run: RunContext, prefix: str, samples: Sequence[Sample], percentiles: Sequence[int] = (50, 95)) -> None:
    """Record the percentiles, and a fault when the gate itself was too late to judge them."""
    run.measure_latency(prefix, counted_s(run, samples), percentiles, load=True)
    delay_ms = Histogram(sample.delay_s for sample in samples).percentile_ms(99)
    limit_ms = validity.tightest_limit_ms(run.profile, {}, f"{prefix}_p")
    if limit_ms is not None and delay_ms is not None and delay_ms > limit_ms * _DELAY_SHARE:
        run.record.faults.append(text_of("fault.delay", of=f"{prefix}: the gate's", delay=f"{delay_ms:g}", limit=limit_ms))


def measure_recall(run: RunContext, name: str, rows: Matrix, expected: Expected, samples: Sequence[Sample]) -> None:
    """Record the mean share of the exact answers that was found, 0 for a failed search; a filter that leaves nothing has no answer."""
    judged = [sample for sample in samples if expected.exact[sample.number].ids]
    run.record.measure_share(name, [0.0 if each.error else truth.recall(*expected.case(each, rows)) for each in judged])


def over_time(run: RunContext, samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Return latency by the second of the load in which each search was due, in at most 60 steps: a stall shows where it was."""
    steps, rows = dict[int, list[Sample]](), list[dict[str, float]]()
    begun_s, ended_s = (samples[0].planned_s, samples[-1].planned_s) if samples else (0.0, 0.0)
    step_s = max(1.0, (ended_s - begun_s) / 60)
    for sample in samples:
        steps.setdefault(int((sample.planned_s - begun_s) / step_s), []).append(sample)
    for step, group in sorted(steps.items()):
        histogram = Histogram(counted_s(run, group))
        times = {name: histogram.percentile_ms(percentile) or 0.0 for name, percentile in (("p50_ms", 50), ("p95_ms", 95), ("max_ms", 100))}
        counts = {"searches": len(group), "errors": sum(bool(sample.error) for sample in group)}
        rows.append({"from_s": round(step * step_s, 3), **times, **counts})
    return rows


def errors(samples: Sequence[Sample]) -> dict[str, int]:
    """Return how often each error was seen."""
    return dict(Counter(sample.error for sample in samples if sample.error))
