"""The table of defects that the self-test plants: by which means, and by which objective, for which reason, each must be seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from validation.checks.answer import answer, originals, sources
from validation.checks.context import RunContext
from validation.checks.ingest import ingest
from validation.checks.invariants import invariants
from validation.checks.quality import embedding, quality
from validation.checks.registry import Check
from validation.checks.retrieval import filtered, retrieval
from validation.experiments.planting import (
    EVERY_FIFTIETH,
    EVERY_HUNDREDTH,
    STALL_S,
    STOP_S,
    Plant,
    alters_originals,
    asks_for,
    beyond_s,
    breaks_off,
    changes,
    delays,
    hides_the_newest,
    keep,
    never_ends,
    one_for_many,
    one_of_two_is_slow,
    other_answers,
    rewrites,
    shuffles_truth,
    stalls,
    stops_the_client,
    vectors,
)
from validation.experiments.proxies import MilvusDefect

NOT_VALID = "not valid"
"""In the place of an objective: the run must end INVALID, for the reason that is given."""


@dataclass(frozen=True)
class Defect:
    """One defect."""

    name: str
    planted: str
    plant: Plant
    seen_by: str
    checks: Sequence[Check[RunContext]] = (retrieval, invariants)
    because: str = ""
    """What the reason must hold, as a regular expression."""


_ANSWERED = (answer, originals)
DEFECTS = [
    Defect(
        "added",
        "every search takes longer, by more than half of them may",
        delays(lambda stage, _: beyond_s(stage, "search_p50_ms")),
        seen_by="search_p50_ms",
    ),
    Defect(
        "jitter",
        "every tenth search takes longer than one in twenty may",
        delays(lambda stage, search: beyond_s(stage, "search_p95_ms") if search.number % 10 == 0 else 0.0),
        seen_by="search_p95_ms",
    ),
    Defect(
        "slow-hundredth",
        "every fiftieth search takes longer than one in a hundred may",
        delays(lambda stage, search: beyond_s(stage, "search_p99_ms") if search.number % EVERY_FIFTIETH == 0 else 0.0),
        seen_by="search_p99_ms",
    ),
    Defect("stall", f"Milvus stalls for {STALL_S:g} s", stalls, seen_by="search_p95_ms"),
    Defect(
        "growing-latency",
        "each search takes a little longer than the one before; all limits hold",
        delays(lambda stage, search: beyond_s(stage, "search_p50_ms", 0.8) * search.number / stage.searches),
        seen_by=NOT_VALID,
        because="latency was not steady",
    ),
    Defect("slow-proxy", "one of two proxies of Milvus is slow", one_of_two_is_slow, seen_by="search_p95_ms"),
    Defect(
        "filtered-latency",
        "searches that a tenth of the rows pass are slow, and no others",
        delays(lambda stage, search: beyond_s(stage, "filter_10_p95_ms") if search.filter == "bucket < 10" else 0.0),
        checks=(filtered, invariants),
        seen_by="filter_10_p95_ms",
    ),
    Defect(
        "errors",
        "one search in a hundred is refused",
        lambda stage, _: stage.milvus.plant(MilvusDefect(refuses=lambda search: search.number % EVERY_HUNDREDTH == 0)),
        seen_by="search_error_share",
    ),
    Defect(
        "another-answer",
        "one search in fifty gets the answer to another one",
        other_answers,
        seen_by="broken_answers",
        because="its exact one is",
    ),
    Defect(
        "dropped",
        "two of ten results are missing",
        changes(lambda found: keep(found, range(max(len(found.scores) - 2, 0)))),
        seen_by="broken_answers",
        because="8 rows, where 10 were asked for",
    ),
    Defect(
        "too-many",
        "twelve results where ten were asked for, the right ones first",
        lambda stage, _: stage.milvus.plant(MilvusDefect(asks=lambda request: asks_for(request, 12))),
        seen_by="broken_answers",
        because="12 rows, where 10 were asked for",
    ),
    Defect(
        "outside-filter",
        "filters are ignored",
        lambda stage, _: stage.milvus.plant(MilvusDefect(asks=lambda request: request.ClearField("dsl"))),
        seen_by="broken_answers",
        because="which its filter forbids",
    ),
    Defect(
        "order",
        "results come worst first",
        changes(lambda found: keep(found, range(len(found.scores))[::-1])),
        seen_by="broken_answers",
        because="which is better",
    ),
    Defect(
        "stale",
        "the rows that were written last are in no answer",
        hides_the_newest,
        seen_by="broken_answers",
        because="took no part in the load|is lost",
    ),
    Defect(
        "half-loaded",
        "every second batch of rows is acknowledged and not stored",
        lambda stage, _: stage.milvus.plant(MilvusDefect(loses_insert=lambda number: number % 2 == 1)),
        checks=(ingest,),
        seen_by=NOT_VALID,
        because=r"holds \d+ of \d+ rows",
    ),
    Defect(
        "shuffled-truth",
        "the exact answers are those of other searches (inside the gate: no wire has them)",
        shuffles_truth,
        seen_by="recall_at_10",
    ),
    Defect(
        "client-stopped",
        f"the load generators are stopped for {STOP_S:g} s (SIGSTOP)",
        stops_the_client,
        seen_by=NOT_VALID,
        because="the gate's own sending delay",
    ),
    Defect(
        "other-model",
        "questions are embedded by another model than the documents",
        vectors(lambda _, vectors: [vector[::-1] for vector in vectors]),
        checks=(embedding, quality),
        seen_by="ndcg_at_10",
    ),
    Defect(
        "batch-order",
        "the vectors of a batch come in another order",
        vectors(lambda _, vectors: [*vectors[1:], vectors[0]]),
        checks=(embedding,),
        seen_by="broken_vectors",
        because="in a batch",
    ),
    Defect(
        "constant-vector",
        "one text in five has one and the same vector",
        vectors(one_for_many),
        checks=(embedding,),
        seen_by="broken_vectors",
        because="is that of|in a batch and alone",
    ),
    Defect(
        "wrong-source",
        "the language model cites another source than the one it quotes",
        rewrites(lambda text: re.sub(r"\[(\d+)\]", lambda cited: f"[{int(cited[1]) % 5 + 1}]", text)),
        checks=_ANSWERED,
        seen_by="citation_share",
    ),
    Defect(
        "cites-all",
        "the language model cites every source that it is shown",
        rewrites(lambda text: f"{text} [1][2][3][4][5]"),
        checks=_ANSWERED,
        seen_by="citation_precision",
    ),
    Defect(
        "invented-number",
        "every answer names a year that no source holds",
        rewrites(lambda text: f"{text} That is so since 1873."),
        checks=_ANSWERED,
        seen_by="unsupported_share",
    ),
    Defect("never-ends", "one answer in twenty never ends", never_ends, checks=_ANSWERED, seen_by="answer_error_share"),
    Defect("breaks-off", "one answer in twenty ends in the middle", breaks_off, checks=_ANSWERED, seen_by="answer_error_share"),
    Defect("altered-original", "a byte of every original is another one", alters_originals, checks=(originals,), seen_by="original_share"),
]
CLEAN = (retrieval, filtered, invariants, quality, sources, answer, originals)
"""What is asked of a run without a defect."""
