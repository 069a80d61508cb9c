"""What the service of questions costs beside the same search called directly: by turns, in one run, on the same collection.

Service and direct call take turns at being first, so that neither always finds what the other left in a cache. What embedding and Milvus
take differs from call to call by more than the service adds, so each side counts what it takes besides them: of the service HTTP both ways,
key, JSON and threads, of the direct call next to nothing. Whole durations and CPU time, which a busy machine stretches less, are facts.
"""

import time
from dataclasses import dataclass, field

from validation.ask.retrieval import Query, Retriever, Stages
from validation.checks.context import GATE, RunContext
from validation.checks.registry import Check
from validation.clients.asking import AskService
from validation.judge.measures import latencies
from validation.load.histogram import Histogram
from validation.run.record import Facts

_ROUNDS, _WARM = 200, 10


@dataclass(kw_only=True)
class Pairs:
    """Seconds of each search, by pairs."""

    service: list[float] = field(default_factory=list)
    direct: list[float] = field(default_factory=list)
    besides: list[float] = field(default_factory=list)  # by how much more the service takes besides embedding and Milvus; never below 0
    cpu_ms: dict[str, float | None] = field(default_factory=dict)  # of one search: the service's process, and this one searching directly

    def facts(self) -> dict[str, object]:
        """Return what no objective names."""
        whole = {name: Histogram(getattr(self, name)) for name in ("service", "direct")}
        told: dict[str, object] = {name: {f"p{each}_ms": whole[name].percentile_ms(each) for each in (50, 95)} for name in whole}
        return {**told, "cpu_ms": self.cpu_ms}


def compared(service: AskService, direct: Retriever, questions: list[Query], rounds: int) -> Pairs:
    """Search by turns, each question in turn."""
    pairs, cpu_s = Pairs(), 0.0
    for number in range(rounds + _WARM):
        query, stages = questions[number % len(questions)], Stages()
        if number == _WARM:
            before_s, cpu_s = service.cpu_s(), 0.0
        through = service.search(query.question, query.collection, query.limit) if number % 2 else None
        begin, began = time.perf_counter(), time.process_time()
        direct.search(query, stages)
        direct_s, cpu_s = time.perf_counter() - begin, cpu_s + time.process_time() - began
        through = through or service.search(query.question, query.collection, query.limit)
        if number >= _WARM:
            pairs.service.append(through.total_s)
            pairs.direct.append(direct_s)
            pairs.besides.append(max(0.0, through.total_s - through.stages_s - direct_s + sum(stages.ms.values()) / 1e3))
    after_s = service.cpu_s()
    spent = None if before_s is None or after_s is None else round((after_s - before_s) / rounds * 1e3, 2)
    pairs.cpu_ms = {"service": spent, "direct": round(cpu_s / rounds * 1e3, 2)}
    return pairs


def _reason_to_skip(run: RunContext, _check: Check[RunContext]) -> str:
    return "" if run.services.asking is not None else "answers are not asked through the service (answer.through: ask)"


@GATE.check(
    "overhead",
    "What does a search through the service of questions take beyond the same search called directly?",
    after="originals",
    measures=latencies(
        "ask_overhead", "Of a search through the service, what is neither embedding nor Milvus, less the same directly", (50, 95)
    ),
    skip=_reason_to_skip,
)
def overhead(run: RunContext, facts: Facts) -> None:
    """Search by turns with the judged questions."""
    if run.services.asking is not None:
        name, database, limit = run.loaded.collection.name, run.target.milvus_database, run.profile.answer.sources
        asked = [Query(question=each.question, collection=name, database=database, limit=limit) for each in run.corpus.questions]
        pairs = compared(*run.services.asking, asked, _ROUNDS)
        run.measure_latency("ask_overhead", pairs.besides)
        facts |= pairs.facts()
