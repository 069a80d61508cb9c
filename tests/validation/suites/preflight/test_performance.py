"""Measuring: bounded, failures counted, and never a number of too few samples."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.validation.suites.preflight.conftest import key_files
from validation.checks.storage import aim, performance
from validation.checks.storage.aim import Options, Wal
from validation.checks.storage.context import StoreContext, Written
from validation.checks.storage.load import Burst, send
from validation.checks.storage.performance import Group, estimate
from validation.checks.storage.record import BlockedError, PreflightRecord
from validation.checks.storage.store import Store
from validation.load.histogram import Histogram
from validation.run.record import Reporter

MIB = 2**20
KEYS = [str(number) for number in range(40)]


def test_workers_share_the_keys_and_each_is_sent_once() -> None:
    seen: list[str] = []

    def request(key: str) -> int:
        seen.append(key)
        return 7

    burst = send(request, KEYS, 8, time.monotonic() + 5, 1)
    assert sorted(seen) == sorted(KEYS)
    assert (burst.sent, burst.moved, burst.errors) == (40, 280, {})


def test_time_that_is_up_ends_the_burst() -> None:
    until_s = time.monotonic() + 0.1

    def request(_: str) -> int:
        time.sleep(max(until_s - time.monotonic(), 0))
        return 0

    burst = send(request, KEYS, 1, until_s, 1)
    assert burst.sent <= 1, "the first one ends when the time is up; a machine that stood still until then sends none"


def test_a_failure_is_counted_and_is_as_slow_as_the_timeout() -> None:
    def request(_: str) -> int:
        raise ClientError({"Error": {"Code": "InternalError"}}, "PutObject")

    burst = send(request, KEYS[:3], 1, time.monotonic() + 5, 2.5)
    assert burst.errors == {"InternalError": 3}
    assert burst.latency.percentile_ms(50) == pytest.approx(2500, rel=0.001)
    assert burst.moved == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, BlockedError])
def test_a_store_that_is_gone_or_ctrl_c_ends_all_workers(error: type[BaseException], record: PreflightRecord) -> None:
    sent: list[str] = []

    def request(key: str) -> int:
        sent.append(key)
        if error is KeyboardInterrupt:
            raise KeyboardInterrupt
        raise record.block("answers.gone", "gone")

    with pytest.raises(error):
        send(request, KEYS, 4, time.monotonic() + 5, 1)
    assert len(sent) <= 8


@pytest.fixture
def record() -> PreflightRecord:
    return PreflightRecord(run_id="x", strict=False)


@pytest.fixture
def bench(tmp_path: Path, record: PreflightRecord) -> StoreContext:
    key = key_files(tmp_path / "key", "AKIDEXAMPLE", "made-up-secret")
    chosen = aim.take(Options(endpoint="http://127.0.0.1:9", bucket="bbb", credential_dir=key, wal=Wal.WOODPECKER))
    store = Store(chosen, chosen.credential, None)
    reporter = Reporter(quiet=True)
    return StoreContext(
        aim=chosen, record=record, reporter=reporter, store=store, admin=None, written=Written("p/"), now=lambda: datetime.now(UTC)
    )


def row(operation: str, size: int, workers: int, latencies: list[float], moved: int = 0) -> dict[str, object]:
    burst = Burst(
        planned=len(latencies), latency=Histogram(latencies), slowest_s=max(latencies), sent=len(latencies), moved=moved, seconds=1
    )
    return performance._row(operation, Group(size=size, workers=workers), burst, 0)


@pytest.mark.parametrize(
    ("samples", "workers", "told"),
    [(1, 1, []), (5, 1, ["p50_ms"]), (19, 1, ["p50_ms", "p90_ms"]), (20, 1, ["p50_ms", "p90_ms", "p95_ms"]), (31, 32, []), (100, 32, 4)],
)
def test_a_percentile_of_too_few_samples_is_not_told(samples: int, workers: int, told: list[str] | int) -> None:
    found = row("PUT", MIB, workers, [0.01] * samples)
    given = [name for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms") if found[name] is not None]
    assert given == told or len(given) == told


def test_estimates_follow_from_what_was_measured_and_name_their_formula(bench: StoreContext) -> None:
    bench.record.performance = [
        row("PUT", 16 * MIB, 8, [0.1] * 20, 200 * MIB),
        row("GET first", 16 * MIB, 8, [0.1] * 20, 400 * MIB),
        row("PUT", 64 * 1024, 1, [0.03] * 100, MIB),
    ]
    estimate(bench)
    load, ingest, durable = bench.record.estimates
    assert load["value"] == pytest.approx(1_000_000 * (768 * 4 + 128) / MIB / 400)
    assert ingest["value"] == pytest.approx(200 * MIB / (768 * 4 * 4))
    assert durable["value"] == pytest.approx(230, rel=0.001)
    assert "400.0 MiB/s" in load["formula"]
    assert "4 copies: log, segment" in ingest["formula"]


def test_an_estimate_whose_throughput_was_not_measured_is_not_given(bench: StoreContext) -> None:
    bench.record.performance = [row("PUT", 16 * MIB, 8, [0.1] * 3, 200 * MIB)]
    estimate(bench)
    assert [one["value"] for one in bench.record.estimates] == [None, None, None]
    assert len(bench.record.findings) == 3


def test_slow_log_writes_are_a_warning_only_where_the_log_is_on_the_store(bench: StoreContext) -> None:
    performance._judge_log_writes(bench, [row("PUT", 64 * 1024, 1, [0.3] * 20, MIB)])
    assert bench.record.findings[0].seen == "95 of 100 writes of 64 KiB take up to 300.0 ms, one at a time"
    assert bench.record.findings[0].word == "WARN"
