"""What the measured throughput means for Milvus: bounds, each with its formula; a bound that rests on nothing measured is not given.

They are the store's share alone: Milvus also decodes, builds graphs and waits for its own processors, and can only be slower.
"""

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.objects import MIB
from validation.run.record import Facts

_SIZE = 16 * MIB
"""Milvus reads index slices and writes binlogs of this size."""
_FLOAT_BYTES = 4
_LINKS = 16
"""HNSW's M: hnswlib keeps M x 2 links of 4 bytes for each vector in its lowest layer (hnswlib, ALGO_PARAMS)."""
_WAL_INTERVAL_MS = 200


@STORE.check(
    "estimate",
    "How long would a collection take to load, and how fast could it be ingested, if nothing but the store counted?",
    after="performance",
)
def estimate(run: StoreContext, _facts: Facts) -> None:
    """Add the estimates to the report."""
    if not run.aim.performance:
        return
    vectors, dimension = run.aim.vectors, run.aim.dimension
    indexed = dimension * _FLOAT_BYTES + _LINKS * 2 * 4
    copies = 4 if run.aim.wal.is_on_the_store else 3
    read, write = _best(run, "GET first"), _best(run, "PUT")
    shape = f"{vectors:,} vectors x {dimension}"
    run.record.estimates = [
        _estimate(
            f"load of {shape}, HNSW",
            vectors * indexed / MIB / read if read else None,
            "s, at least",
            f"vectors x (dimension x 4 + {_LINKS} x 2 x 4) bytes / {_shown(read)} MiB/s (best GET of 16 MiB, first access)",
        ),
        _estimate(
            f"ingest, dimension {dimension}",
            write * MIB / (dimension * _FLOAT_BYTES * copies) if write else None,
            "vectors/s, at most",
            f"{_shown(write)} MiB/s (best PUT of 16 MiB) / (dimension x 4 bytes x {copies} copies: "
            f"{'log, ' if copies == 4 else ''}segment, compacted segment, index)",  # noqa: PLR2004
        ),
    ]
    if run.aim.wal.is_on_the_store:
        _add_freshness(run)
    for one in run.record.estimates:
        if one["value"] is None:
            run.record.skip("estimate", f"{one['what']}: not measured, since its throughput was not")


def _add_freshness(run: StoreContext) -> None:
    rows = run.record.performance
    p95 = next((one["p95_ms"] for one in rows if one["operation"] == "PUT" and one["size_bytes"] < MIB and one["workers"] == 1), None)
    formula = f"{_WAL_INTERVAL_MS} ms (Woodpecker's maxInterval) + {_shown(p95)} ms (p95 of a 64 KiB PUT)"
    value = _WAL_INTERVAL_MS + p95 if p95 else None
    run.record.estimates.append(_estimate("an insert is durable after", value, "ms, 95 of 100", formula))


def _best(run: StoreContext, operation: str) -> float | None:
    found = [row["mib_per_s"] for row in run.record.performance if row["operation"] == operation and row["size_bytes"] == _SIZE]
    return max((one for one in found if one), default=None)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _estimate(what: str, value: float | None, unit: str, formula: str) -> Facts:
    return {"what": what, "value": value, "unit": unit, "formula": formula}
