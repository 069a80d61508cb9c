"""How fast the store is at the sizes that Milvus writes, and what that means for Milvus; bounded in bytes and time.

Nothing is told of too few samples. An estimate is a bound with its formula, of the store's share alone: Milvus also decodes, builds graphs
and waits for its own processors, and can only be slower.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.load import MIB, Burst, Objects, send, size_name
from validation.checks.storage.store import BUSY_CODES, CUT, Store
from validation.judge.errors import Outcome
from validation.run.record import Facts

WANTED = {64 * 1024: 100, MIB: 100, 16 * MIB: 20, 64 * MIB: 8}
"""Size: objects. 64 KiB and 1 MiB: log and small binlogs; 16 MiB: `insertBufSize`, `indexSliceSize`; 64 MiB: parts of large segments."""
WORKERS = (1, 8, 32)
NEEDED = {50: 2, 90: 10, 95: 20, 99: 100}  # percentile: samples without which it says nothing; the gate's own measures need the same
_SHOWN = 4
_SHARE = 0.9  # of the time that is left: the last requests end after it
_PASSES = 3  # written, read, and read again
_WAL_INTERVAL_MS = 200  # Woodpecker's `segmentSyncPolicy.maxInterval`: a write that takes longer holds up the next one
_SIZE = 16 * MIB  # Milvus reads index slices and writes binlogs of this size
_FLOAT_BYTES = 4
_LINKS = 16  # HNSW's M: hnswlib keeps M x 2 links of 4 bytes for each vector in its lowest layer (hnswlib, ALGO_PARAMS)


@STORE.check(after="connections")
def busy(run: StoreContext, _facts: Facts) -> None:
    """Did the store answer each request at the first try?"""
    repeats = [repeat for repeat in run.store.repeats if not repeat[1].startswith(CUT)]
    reasons = ", ".join(f"{reason} ({times} times)" for reason, times in Counter(reason for _, reason in repeats).most_common(3))
    seen = f"requests had to be repeated, over {repeats[-1][0] - repeats[0][0]:.0f} s: {reasons}" if repeats else ""
    run.record.warn_if("answers.repeated", repeats, seen, "each request was answered at the first try")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Objects of one size, so many at a time."""

    size: int
    workers: int

    @property
    def objects(self) -> int:
        """At least one for each worker, or there would be fewer at a time than said."""
        return max(self.workers, WANTED[self.size])

    @property
    def moves(self) -> int:
        """Bytes, both ways together."""
        return self.objects * self.size * _PASSES

    @property
    def weight(self) -> int:
        """Share of the time: by bytes, and for each object, whatever its size, as much as for 8 MiB: small ones need many samples."""
        return self.moves + self.objects * 8 * MIB


@STORE.check(after="busy")
def performance(run: StoreContext, _facts: Facts) -> None:
    """How fast are reads, writes, lists and deletes at the sizes that Milvus writes, alone and many at a time?"""
    if not run.aim.performance:
        run.record.skip("performance", "not asked for: --no-performance")
        return
    store = run.store.for_load()
    groups, missing, budget = list[Group](), list[str](), run.aim.budget_mib * MIB
    for group in (Group(size=size, workers=workers) for size in WANTED for workers in WORKERS):
        if group.moves > budget:
            missing.append(f"{size_name(group.size)} x {group.workers}")
            continue
        budget -= group.moves
        groups.append(group)
    left_s = min(run.aim.budget_s, run.store.shared.end_s - time.monotonic())
    end_s, weight = time.monotonic() + _SHARE * left_s, sum(group.weight for group in groups)
    with run.reporter.track("performance", len(groups)) as advance:
        for done, group in enumerate(groups, 1):
            now = time.monotonic()
            run.record.performance += list(_measure(run, store, group, now + max(end_s - now, 0) * group.weight / weight))
            weight -= group.weight
            advance(done)
    _judge(run, missing)


def _measure(run: StoreContext, store: Store, group: Group, until_s: float) -> Iterator[Facts]:
    """Yield a row for each operation; what was not written is not read."""
    objects = Objects(run.written, store, f"load/{group.size}-{group.workers}/", group.size, group.objects)
    operations = objects.operations()
    for place, (name, request) in enumerate(operations.items()):
        now, before = time.monotonic(), len(store.repeats)
        keys = objects.keys if name == "PUT" else sorted(objects.written)
        burst = send(request, keys, group.workers, now + (until_s - now) / (len(operations) - place), run.aim.timeout_s)
        yield _row(name, group, burst, len(store.repeats) - before)


def _row(name: str, group: Group, burst: Burst, retries: int) -> Facts:
    count, seconds = burst.latency.count, burst.seconds
    enough = count >= max(NEEDED[50], group.workers)
    what: Facts = {"operation": name, "size_bytes": group.size, "workers": group.workers}
    counts = {"planned": burst.planned, "samples": count, "errors": dict(burst.errors), "retries": retries}
    times = {f"p{each}_ms": burst.latency.percentile_ms(each) if enough and count >= least else None for each, least in NEEDED.items()}
    times["max_ms"] = burst.slowest_s * 1e3 if enough else None
    speed = burst.moved / MIB / seconds if enough and burst.moved and seconds else None
    cores, histogram = burst.cpu_s / seconds if seconds else None, burst.latency.encoded() if count else None
    return what | counts | times | {"mib_per_s": speed, "client_cores": cores, "histogram": histogram}


def _judge(run: StoreContext, missing: list[str]) -> None:
    rows, aim = run.record.performance, run.aim
    partly = [f"{row['operation']} {size_name(row['size_bytes'])} x {row['workers']}" for row in rows if row["p50_ms"] is None]
    budget, missing = {"budget_mib": aim.budget_mib, "budget_s": aim.budget_s}, [*missing, *partly]
    if len(partly) == len(rows):
        raise run.record.block("performance.unknown", "not one operation has samples enough", Outcome.INVALID, **budget)
    seen = f"{len(rows) - len(partly)} operations measured"
    shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
    run.record.warn_if("performance.partly", missing, f"{seen}, not measured: {shown}", seen, **budget)
    codes: Counter[str] = sum((Counter(row["errors"]) for row in rows), Counter())
    sent, retries = sum(row["samples"] for row in rows), sum(row["retries"] for row in rows)
    if refused := {code: times for code, times in codes.items() if code not in BUSY_CODES}:
        failed = f"{codes.total()} of {sent} requests failed: {', '.join(f'{code} ({times} times)' for code, times in refused.items())}"
        run.record.fail("performance_errors.failed", failed)
    else:
        repeated = f"{codes.total()} of {sent} requests failed, {retries} had to be repeated"
        fine = f"none of {sent:,} requests failed or had to be repeated"
        run.record.warn_if("performance_errors.repeated", codes or retries, repeated, fine)
    _judge_log_writes(run, rows)


def _judge_log_writes(run: StoreContext, rows: list[Facts]) -> None:
    """A log on the store waits for each of its small writes."""
    p95 = _log_write_p95(rows)
    if not run.aim.wal.is_on_the_store or p95 is None:
        return
    seen = f"95 of 100 writes of 64 KiB take up to {p95:.1f} ms, one at a time"
    fine = f"{seen}, within the log's own interval of {_WAL_INTERVAL_MS} ms"
    run.record.warn_if("log_writes", p95 > _WAL_INTERVAL_MS, seen, fine, interval_ms=_WAL_INTERVAL_MS)


def _log_write_p95(rows: list[Facts]) -> float | None:
    """Return the p95 of small writes one at a time, as a log on the store makes them."""
    return next((row["p95_ms"] for row in rows if row["operation"] == "PUT" and row["size_bytes"] < MIB and row["workers"] == 1), None)


@STORE.check(after="performance")
def estimate(run: StoreContext, _facts: Facts) -> None:
    """How long would a collection take to load, and how fast could it be ingested, if nothing but the store counted?"""
    if not run.aim.performance:
        return
    vectors, dimension, on_store = run.aim.vectors, run.aim.dimension, run.aim.wal.is_on_the_store
    copies, which = (4, "log, segment") if on_store else (3, "segment")
    read, write = _best(run, "GET first"), _best(run, "PUT")
    load_s = vectors * (dimension * _FLOAT_BYTES + _LINKS * 2 * 4) / MIB / read if read else None
    formula = f"vectors x (dimension x 4 + {_LINKS} x 2 x 4) bytes / {_shown(read)} MiB/s (best GET of 16 MiB, first access)"
    _estimate(run, f"load of {vectors:,} vectors x {dimension}, HNSW", load_s, "s, at least", formula)
    ingest = write * MIB / (dimension * _FLOAT_BYTES * copies) if write else None
    bytes_each = f"(dimension x 4 bytes x {copies} copies: {which}, compacted segment, index)"
    formula = f"{_shown(write)} MiB/s (best PUT of 16 MiB) / {bytes_each}"
    _estimate(run, f"ingest, dimension {dimension}", ingest, "vectors/s, at most", formula)
    if on_store:
        p95 = _log_write_p95(run.record.performance)
        formula = f"{_WAL_INTERVAL_MS} ms (Woodpecker's maxInterval) + {_shown(p95)} ms (p95 of a 64 KiB PUT)"
        _estimate(run, "an insert is durable after", _WAL_INTERVAL_MS + p95 if p95 else None, "ms, 95 of 100", formula)


def _best(run: StoreContext, operation: str) -> float | None:
    rows = [row for row in run.record.performance if row["operation"] == operation and row["size_bytes"] == _SIZE]
    return max((row["mib_per_s"] for row in rows if row["mib_per_s"]), default=None)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _estimate(run: StoreContext, what: str, value: float | None, unit: str, formula: str) -> None:
    run.record.estimates.append({"what": what, "value": value, "unit": unit, "formula": formula})
    if value is None:
        run.record.skip("estimate", f"{what}: not measured, since its throughput was not")
