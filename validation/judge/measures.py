"""The catalogue of everything the gate measures: one name, one unit, one sentence each.

An SLO may only name what stands here, in the unit that stands here, with a limit on the side that can be missed.
"""

import math
from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which way a number improves; `none` is told, never judged."""

    LOWER = "lower"
    HIGHER = "higher"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a name in a report means."""

    name: str
    unit: str
    better: Better
    meaning: str
    min_samples: int = 1
    """Fewer samples than this say nothing: a p99 needs a hundred."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number that was measured; `value` is None when it was not."""

    value: float | None
    samples: int
    interval: tuple[float, float] | None = None
    """Where another run would be, nine times in ten, by bootstrap; None where nothing was resampled."""

    def is_usable(self, measure: Measure) -> bool:
        """Whether the number exists and rests on enough samples."""
        return self.value is not None and math.isfinite(self.value) and self.samples >= measure.min_samples


Measurements = dict[str, Measurement]


def _latencies(prefix: str, what: str, percentiles: tuple[int, ...]) -> list[Measure]:
    needed = {50: 2, 95: 20, 99: 100}
    return [
        Measure(name=f"{prefix}_p{p}_ms", unit="ms", better=Better.LOWER, meaning=f"{what}, {p}th percentile", min_samples=needed[p])
        for p in percentiles
    ]


def _told(name: str, unit: str, meaning: str) -> Measure:
    return Measure(name=name, unit=unit, better=Better.NONE, meaning=meaning)


def _lower(name: str, unit: str, meaning: str) -> Measure:
    return Measure(name=name, unit=unit, better=Better.LOWER, meaning=meaning)


def _higher(name: str, unit: str, meaning: str, min_samples: int = 1) -> Measure:
    return Measure(name=name, unit=unit, better=Better.HIGHER, meaning=meaning, min_samples=min_samples)


SELECTIVITIES = (1, 10, 50, 99)
"""Which filters are tried on their own: percent of the rows that pass."""


def _searched(prefix: str, what: str) -> list[Measure]:
    return [*_latencies(prefix, what, (50, 95)), _higher(f"{prefix}_recall_at_10", "share", f"{what}: share of the exact ten nearest", 100)]


def _mode(prefix: str, by: str) -> list[Measure]:
    what = f"Judged questions searched by {by}"
    return [_higher(f"{prefix}_ndcg_at_10", "share", f"{what}: ranking of documents", 20), *_latencies(prefix, what, (50, 95))]


def _selectivities() -> list[Measure]:
    return [one for percent in SELECTIVITIES for one in _searched(f"filter_{percent}", f"Search that {percent} % of the rows pass")]


_ALL = [
    _told("documents", "documents", "Documents of the sample corpus whose originals were read back from the bucket"),
    _told("chunks", "chunks", "Chunks of the sample corpus"),
    _told("vectors", "vectors", "Vectors in the collection, sample and generated"),
    _higher("embedding_rate", "chunks/s", "Chunks embedded per second in batches"),
    _higher("ingest_rate", "vectors/s", "Rows acknowledged by Milvus per second"),
    _lower("searchable_s", "s", "From sending the last batch until a search with Strong consistency finds its last row"),
    *_latencies("freshness", "From sending one new document until a search as users send it finds it", (50, 95)),
    _lower("indexed_s", "s", "From the last document's acknowledgement until no row is waiting for its index, one flush included"),
    _lower("load_s", "s", "Released and loaded again: segments and index read from the object store"),
    _lower("cold_first_ms", "ms", "The first search after that load"),
    _lower("cold_second_ms", "ms", "The same search once more"),
    *_latencies("embedding", "One query embedded", (50, 95)),
    *_latencies("search", "Search answered, counted from its planned send time", (50, 95, 99)),
    *_latencies("search_delay", "The gate's own delay in sending a search", (50, 95, 99)),
    _told("search_drift_ms", "ms", "How much slower the last third of the searches was than the first, by median"),
    _told("search_requests", "requests", "Searches planned and sent after the warm-up"),
    _told("search_offered_rate", "requests/s", "Rate that was planned"),
    _told("search_sent_rate", "requests/s", "Rate at which searches really left"),
    _higher("search_answered_rate", "requests/s", "Rate at which searches were answered without an error"),
    _lower("search_error_share", "share", "Searches that failed or timed out"),
    _higher("recall_at_10", "share", "Share of the exact ten nearest that the timed searches found, ties accepted", 100),
    _told("truth_coverage", "share", "Planned searches for which an exact answer exists"),
    _told("planted_in_truth", "share", "Planted queries whose own row is in the exact answer: the truth checks itself"),
    _told("truth_beaten_share", "share", "Answered searches that found a row better than the exact answer: must be none"),
    _higher("ndcg_at_10", "share", "Ranking of documents against graded judgements, generated documents in the way", 20),
    _higher("mrr_at_10", "share", "One over the rank of the first relevant document", 20),
    _higher("hit_at_1", "share", "Questions whose first document is relevant", 20),
    _higher("hit_at_10", "share", "Questions with a relevant document among ten", 20),
    *_selectivities(),
    *_searched("growing", "Search over rows that no index holds yet"),
    *_searched("sealed", "The same searches over the same rows, sealed and indexed"),
    *_latencies("during_ingest", "Search answered while rows stream in and segments are sealed, indexed and merged", (50, 95, 99)),
    _lower("during_ingest_error_share", "share", "Searches that failed meanwhile"),
    _higher("during_ingest_recall_at_10", "share", "Share of the exact ten nearest of what was visible that they found", 100),
    _higher("during_ingest_rate", "vectors/s", "Rows acknowledged per second meanwhile"),
    *_mode("dense", "vectors"),
    *_mode("sparse", "words (BM25)"),
    *_mode("hybrid", "vectors and words, fused by reciprocal rank"),
    *_latencies("rerank", "What a search found for one question, reranked", (50, 95)),
    *_latencies("first_token", "From sending the question until the first token", (50, 95)),
    *_latencies("answer", "From sending the question until the whole answer", (50, 95)),
    _lower("answer_error_share", "share", "Questions that the language model did not answer at all"),
    _higher("fact_share", "share", "Answers that contain the expected fact", 20),
    _higher("refusal_share", "share", "Of the questions that the documents do not answer, those to which the model said so", 10),
    _lower("false_refusal_share", "share", "Of the questions that the documents answer, those to which the model said that they do not"),
    _lower("isolation_breaches", "attempts", "Attempts of a user of Milvus at what its role must not allow, and that succeeded"),
    _higher("citation_share", "share", "Answers that cite a relevant document and no source that was not given", 20),
    _higher("original_share", "share", "Citations whose very version of the original reads back with the sha256 of the chunk"),
]

CATALOGUE: dict[str, Measure] = {measure.name: measure for measure in _ALL}
