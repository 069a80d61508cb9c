"""Measures latency and throughput at the sizes that Milvus writes: bounded in bytes and time, and nothing is told of too few samples.

Each object is written, read for the first time, read again, read in part, looked at and deleted; listings are of pages of small objects.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.load import Burst, send
from validation.checks.storage.objects import MIB, Objects, size_name
from validation.checks.storage.store import Store
from validation.judge.outcome import Outcome
from validation.run.record import Facts

WANTED = {64 * 1024: 100, MIB: 100, 16 * MIB: 20, 64 * MIB: 8}
"""Size: objects. 64 KiB and 1 MiB: log and small binlogs; 16 MiB: `insertBufSize`, `indexSliceSize`; 64 MiB: parts of large segments."""
WORKERS = (1, 8, 32)
NEEDED = {50: 2, 90: 10, 95: 20, 99: 100}
"""Percentile: samples without which it says nothing; the gate's own measures need the same."""
_PASSES = 3
"""Written, read, and read again."""
_WAL_INTERVAL_MS = 200
"""Woodpecker's `segmentSyncPolicy.maxInterval`: a write that takes longer holds up the next one."""


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

    @property
    def name(self) -> str:
        """For people."""
        return f"{size_name(self.size)} x {self.workers}"


@STORE.check(
    "performance", "How fast are reads, writes, lists and deletes at the sizes that Milvus writes, alone and many at a time?", after="busy"
)
def performance(run: StoreContext, _facts: Facts) -> None:
    """Add one row an operation, size and number of workers, and what they say."""
    if not run.aim.performance:
        run.record.skip("performance", "not asked for: --no-performance")
        return
    limits, store = run.aim.limits, run.store.for_load()
    groups, skipped = _fitting(limits.budget_mib * MIB)
    end_s, weight = time.monotonic() + limits.budget_s, sum(group.weight for group in groups)
    with run.reporter.track("performance", len(groups)) as advance:
        for at, group in enumerate(groups):
            now = time.monotonic()
            run.record.performance += list(_measure(run, store, group, now + max(end_s - now, 0) * group.weight / weight))
            weight -= group.weight
            advance(at + 1)
    _judge(run, skipped)


def _fitting(budget: int) -> tuple[list[Group], list[str]]:
    """Return what the bytes are enough for, small objects first, and the names of the rest."""
    groups, skipped = list[Group](), list[str]()
    for group in (Group(size=size, workers=workers) for size in WANTED for workers in WORKERS):
        if group.moves <= budget:
            budget -= group.moves
            groups.append(group)
        else:
            skipped.append(group.name)
    return groups, skipped


def _measure(run: StoreContext, store: Store, group: Group, until_s: float) -> Iterator[Facts]:
    """Yield a row for each operation; what was not written is not read."""
    objects = Objects(run.litter, store, f"load/{group.size}-{group.workers}/", group.size, group.objects)
    operations = objects.operations()
    for left, (name, request) in zip(range(len(operations), 0, -1), operations.items(), strict=True):
        now, before = time.monotonic(), len(store.trouble.reasons)
        keys = objects.keys if name == "PUT" else sorted(objects.written)
        burst = send(request, keys, group.workers, now + (until_s - now) / left, run.aim.limits.timeout_s)
        yield _row(name, group, burst, len(store.trouble.reasons) - before)


def _row(name: str, group: Group, burst: Burst, retries: int) -> Facts:
    enough = burst.latency.count >= max(NEEDED[50], group.workers)
    percentiles = {
        f"p{percentile}_ms": burst.latency.percentile_ms(percentile) if enough and burst.latency.count >= needed else None
        for percentile, needed in NEEDED.items()
    }
    return {
        "operation": name,
        "size_bytes": group.size,
        "workers": group.workers,
        "planned": burst.planned,
        "samples": burst.latency.count,
        "errors": burst.errors,
        "retries": retries,
        **percentiles,
        "max_ms": burst.slowest_s * 1e3 if enough else None,
        "mib_per_s": burst.moved / MIB / burst.seconds if enough and burst.moved and burst.seconds else None,
        "client_cores": burst.cpu_s / burst.seconds if burst.seconds else None,
        "histogram": burst.latency.encoded() if burst.latency.count else None,
    }


def _judge(run: StoreContext, skipped: list[str]) -> None:
    rows, limits = run.record.performance, run.aim.limits
    measured = [row for row in rows if row["p50_ms"] is not None]
    partly = [f"{row['operation']} {size_name(row['size_bytes'])} x {row['workers']}" for row in rows if row["p50_ms"] is None]
    raise_it = f"--budget-mib (now {limits.budget_mib}) and --budget-s (now {limits.budget_s:g}) allow more"
    if not measured:
        raise run.record.block(
            "performance", "not one operation has samples enough", "nothing is known of its speed", raise_it, Outcome.INVALID
        )
    missing = [*skipped, *partly]
    told = f"{len(measured)} operations measured"
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")  # noqa: PLR2004
        run.record.warn("performance", f"{told}, not measured: {shown}", "nothing is known of those", raise_it)
    else:
        run.record.ok("performance", told)
    _judge_errors(run, rows)
    _judge_log_writes(run, rows)


def _judge_errors(run: StoreContext, rows: list[Facts]) -> None:
    errors = sum(sum(row["errors"].values()) for row in rows)
    retries, sent = sum(row["retries"] for row in rows), sum(row["samples"] for row in rows)
    if errors or retries:
        seen = f"{errors} of {sent} requests failed, {retries} had to be repeated"
        run.record.warn("performance_errors", seen, "Milvus waits and repeats", "look at the store's health and its limits on requests")
    else:
        run.record.ok("performance_errors", f"none of {sent:,} requests failed or had to be repeated")


def _judge_log_writes(run: StoreContext, rows: list[Facts]) -> None:
    """A log on the store waits for each of its small writes."""
    row = next((one for one in rows if one["operation"] == "PUT" and one["size_bytes"] < MIB and one["workers"] == 1), None)
    found = row["p95_ms"] if row else None
    if not run.aim.wal.is_on_the_store or found is None:
        return
    seen = f"95 of 100 writes of 64 KiB take up to {found:.1f} ms, one at a time"
    if found > _WAL_INTERVAL_MS:
        late = f"longer than the log's own interval of {_WAL_INTERVAL_MS} ms: what is inserted is seen late"
        run.record.warn("log_writes", seen, late, "a nearer or faster store, or a log elsewhere: --wal pulsar or kafka")
    else:
        run.record.ok("log_writes", f"{seen}, within the log's own interval of {_WAL_INTERVAL_MS} ms")
