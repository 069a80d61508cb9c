"""Generators and the gate that coordinates them, through a bucket: when all begin, and what makes a run INVALID."""

import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import wait_none
from typer.testing import CliRunner

from tests.bench import agreement
from tests.validation.clients.test_target import OUTPUTS
from tests.validation.load.test_workers import milvus, served  # noqa: F401 - fixtures
from tests.validation.services import Bucket
from validation.__main__ import app
from validation.clients.documents import Credential
from validation.clients.target import Target
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.profile import Profile
from validation.load import workers
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.load.pods import coordinator, exchange, generator
from validation.load.pods.coordinator import Coordinator
from validation.load.pods.exchange import LoadBucket, Order, Result, Status, pack_share, unpack_share
from validation.load.pods.generator import Channel, Generator, throttled_s
from validation.load.pods.job import Pod
from validation.reports import fingerprint

DELAYS = st.floats(0, 5)


@given(ahead=st.floats(-1e6, 1e6), there=DELAYS, back=DELAYS, now=st.floats(1e9, 2e9))
def test_a_clock_is_never_outside_of_its_bounds_however_slow_the_store_is(ahead: float, there: float, back: float, now: float) -> None:
    date = formatdate(math.floor(now + there), usegmt=True)
    low, high = generator.ahead_s(date, now + ahead, now + there + back + ahead)
    assert low - 1e-3 <= ahead <= high + 1e-3
    assert high - low <= 2 + there + back + 1e-3


@pytest.mark.parametrize("ahead", [(-0.4, 0.7), (0.9, 2.5), (-3.0, -0.9), (-9.0, 9.0)])
def test_a_clock_that_may_be_right_to_a_second_is_accepted(ahead: tuple[float, float]) -> None:
    generator.require_clock(ahead, "its")


@pytest.mark.parametrize(("ahead", "words"), [((1.1, 2.2), "1.1 s or more ahead of"), ((-3599.5, -3598.5), "3598.5 s or more behind")])
def test_a_clock_that_is_off_is_refused_with_the_cure(ahead: tuple[float, float], words: str) -> None:
    with pytest.raises(InvalidRunError, match=f"its clock is {words} .*NTP"):
        generator.require_clock(ahead, "its")


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_store_that_says_no_time_makes_the_run_invalid(date: str) -> None:
    with pytest.raises(InvalidRunError, match="no usable header Date"):
        generator.ahead_s(date, 0, 1)


def sample(number: int, latency_s: float = 0.01, **fields: Any) -> Sample:
    made = Sample(number=number, planned_s=number / 10, sent_s=number / 10, ended_s=number / 10 + latency_s, ids=[number], error="")
    return replace(made, **fields)


def result(*samples: Sample, **fields: Any) -> Result:
    histogram = Histogram(one.counted_s(1.0) for one in samples).encoded()
    delays = Histogram(one.delay_s for one in samples).encoded()
    return Result(
        **{
            "samples": samples,
            "histogram": histogram,
            "delays": delays,
            "throttled_s": None,
            "stepped_s": 0.0,
            "clock_ahead_s": (-0.5, 0.5),
            **fields,
        }
    )


def test_share_and_result_come_back_as_they_were_to_the_last_bit() -> None:
    share = workers.Share(
        numbers=[1, 3], vectors=np.random.default_rng(1).random((2, 4)).astype(np.float32), expressions=["", 'a == "ä"'], due_s=[0.1, 1 / 3]
    )
    found = unpack_share(pack_share(share))
    assert (found.numbers, found.expressions, found.due_s) == (share.numbers, share.expressions, share.due_s)
    assert np.array_equal(found.vectors, share.vectors)
    whole = result(sample(0, ids=[5, 4, 2**62]), sample(1, ids=[], error="RpcError: gone ü", sent_s=1 / 3), throttled_s=0.5, stepped_s=-1.5)
    back = Result.unpack(whole.pack())
    assert back == whole
    assert Result.unpack(result().pack()).samples == ()


def test_merged_histograms_hold_every_request_once_and_failed_ones_as_slow_as_the_time_out() -> None:
    parts = [result(sample(0), sample(2, error="x")), result(sample(1, 0.02), sample(3, 0.03))]
    samples, merged = coordinator.merge(parts, range(4), 1.0)
    assert [one.number for one in samples] == [0, 1, 2, 3]
    assert merged.count == 4
    assert merged.percentile_ms(100) == pytest.approx(1000, rel=1e-3)
    assert merged.percentile_ms(50) == pytest.approx(20, rel=1e-3)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([result(sample(0)), result(sample(2))], "2 requests came back for 3 planned"),
        ([result(sample(0), sample(1)), result(sample(1), sample(2))], "4 requests came back for 3 planned"),
        ([result(sample(0)), result(sample(1), sample(2), histogram=Histogram([0.5]).encoded())], "do not hold the requests"),
    ],
)
def test_a_request_that_is_lost_doubled_or_not_in_a_histogram_makes_the_run_invalid(parts: list[Result], reason: str) -> None:
    with pytest.raises(InvalidRunError, match=reason):
        coordinator.merge(parts, range(3), 1.0)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"cpu.stat": "usage_usec 9\nthrottled_usec 2500000\n"}, 2.5),
        ({"cpu/cpu.stat": "nr_periods 4\nthrottled_time 2500000000\n"}, 2.5),
        ({"cpu,cpuacct/cpu.stat": "throttled_time 1000000000\n"}, 1.0),
        ({"cpu.stat": "usage_usec 9\n"}, None),
        ({"cpu.stat": "nonsense"}, None),
        ({}, None),
    ],
)
def test_throttling_is_read_where_the_kernel_counts_it_and_unknown_where_not(
    files: dict[str, str], found: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert throttled_s(tmp_path) == found


def test_a_throttled_generator_and_a_clock_that_was_set_are_faults() -> None:
    good = result(*(sample(number) for number in range(100)), throttled_s=0.05)
    assert coordinator._faults(0, good) == []
    assert coordinator._faults(0, good.model_copy(update={"throttled_s": None})) == []
    assert "load generator 1 was kept from its CPU for 0.5 of" in coordinator._faults(1, good.model_copy(update={"throttled_s": 0.5}))[0]
    assert "the clock of load generator 1 was set by -2 s" in coordinator._faults(1, good.model_copy(update={"stepped_s": -2.0}))[0]


class Pods:
    """Stands in for the Job: what Kubernetes says of the pods."""

    def __init__(self) -> None:
        self.found = {index: Pod(name=f"pod-{index}", index=index, node="n", failure="", waits_for="") for index in range(2)}

    def pods(self) -> dict[int, Pod]:
        return self.found

    def last_words(self, pod: str) -> str:
        return f"{pod} ran out of memory"


@pytest.fixture
def objects(bucket: Bucket, bucket_url: str) -> Iterator[LoadBucket]:
    bucket.name = "rag-milvus"
    credential = Credential(access_key="k", secret_key="s")
    ours, theirs = (exchange.connect(bucket_url, "us-east-1", credential, None) for _ in range(2))
    made = LoadBucket(bucket="rag-milvus", run="r1", ours=ours, theirs=theirs)
    yield made
    made.close()


@pytest.fixture
def coordinating(objects: LoadBucket, monkeypatch: pytest.MonkeyPatch) -> Coordinator:
    monkeypatch.setattr(coordinator, "_LOOK_S", 0.05)
    asked: Any
    for asked in (Generator.take_share, Coordinator._compare_clocks):
        monkeypatch.setattr(asked.retry, "wait", wait_none())
    job: Any = Pods()
    return Coordinator(job=job, objects=objects, pods=2)


def order(objects: LoadBucket, index: int, uri: str, profile: Profile) -> Order:
    search = profile.search.model_copy(update={"warmup_requests": 2, "timeout_ms": 20_000})
    addresses: dict[str, Any] = {
        f"{name}_url": objects.address(f"{index}/{name}", "get" if name == "share" else "put", 60) for name in ("share", "status", "result")
    }
    start = objects.address("start", "get", 60)
    return Order(uri=uri, database="default", collection="gate_x", limit=3, search=search, connections=2, start_url=start, **addresses)


def test_two_generators_start_at_one_instant_and_bring_every_request(
    served: tuple[Any, str],  # noqa: F811 - the fixture
    coordinating: Coordinator,
    objects: LoadBucket,
    profile: Profile,
) -> None:
    begun, failed = dict[int, float](), list[BaseException]()
    shares = workers.partition(np.ones((40, 8), dtype=np.float32), [""] * 40, [number / 80 for number in range(40)], 2)

    def work(index: int) -> None:
        given = order(objects, index, served[1], profile)
        with closing(Channel(given, Path("/nowhere"))) as channel:
            one = Generator(channel)
            try:
                generator.follow(given, one)
            except InvalidRunError as error:
                failed.append(error)
            begun[index] = one._start_s + one._epoch_s

    for index, share in enumerate(shares):
        objects.put(f"{index}/share", pack_share(share))
    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    try:
        coordinating.await_all()
        coordinating.start()
        results = coordinating.collect(20, lambda _: None)
    finally:
        for thread in threads:
            thread.join()
    assert failed == []
    assert begun[0] == pytest.approx(begun[1], abs=1e-5), "by the wall clock that both share"
    # a server may keep its Date for a second, and Date counts whole ones
    assert all(low - 1 <= 0 <= high + 1 for low, high in (one.clock_ahead_s for one in results))
    samples, merged = coordinator.merge(results, range(40), 20.0)
    assert {tuple(one.ids) for one in samples} == {(3, 1, 2)}
    assert merged.count == 40


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
def test_a_generator_whose_clock_is_off_refuses_and_the_run_is_invalid_with_its_reason(
    coordinating: Coordinator, objects: LoadBucket, profile: Profile, ahead_s: float
) -> None:
    objects.put("1/share", pack_share(workers.partition(np.ones((1, 8), dtype=np.float32), [""], [0.0], 1)[0]))
    given = order(objects, 1, "http://127.0.0.1:9", profile)
    with closing(Channel(given, Path("/nowhere"))) as channel, pytest.raises(InvalidRunError, match=r"its clock is 3[56]"):
        generator.follow(given, Generator(channel, lambda: time.time() + ahead_s))
    with pytest.raises(InvalidRunError, match=r"load generator 1, pod pod-1: its clock is 3[56].*NTP"):
        coordinating.await_all()


def test_a_gate_whose_own_clock_is_off_starts_nothing(coordinating: Coordinator, objects: LoadBucket) -> None:
    coordinating.clock = lambda: time.time() + 3600
    with pytest.raises(InvalidRunError, match=r"the gate's clock is 3[56]"):
        coordinating.start()
    assert objects.get("start") is None


def test_a_date_that_a_busy_store_wrote_late_is_asked_for_again(
    coordinating: Coordinator, objects: LoadBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, late_s = objects.put, iter((30.0, 4.0, 0.0, 0.0))
    monkeypatch.setattr(objects, "put", lambda *of: (put(*of), formatdate(time.time() - next(late_s), usegmt=True))[1])
    coordinating.start()
    assert objects.get("start")


def test_a_generator_that_says_it_failed_is_named_with_its_reason(coordinating: Coordinator, objects: LoadBucket) -> None:
    objects.put("1/status", Status(state="failed", reason="TypeError: no").model_dump_json().encode())
    with pytest.raises(InvalidRunError, match="load generator 1, pod pod-1: TypeError: no"):
        coordinating.await_all()


def test_a_pod_that_ends_before_its_result_is_named_with_its_last_words(coordinating: Coordinator, objects: LoadBucket) -> None:
    objects.put("0/result", result(sample(0)).pack())
    found: Any = coordinating.job
    found.found[0] = replace(found.found[0], failure="it failed (exit code 137, OOMKilled)")  # it has brought its result
    found.found[1] = replace(found.found[1], failure="it failed (exit code 137, OOMKilled)")
    expected = r"load generator 1, pod pod-1: it failed \(exit code 137, OOMKilled\); it said last: pod-1 ran out of memory"
    with pytest.raises(InvalidRunError, match=expected):
        coordinating.collect(20, lambda _: None)


def test_generators_that_are_not_ready_in_time_are_told_with_what_they_wait_for(
    coordinating: Coordinator, objects: LoadBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "READY_PATIENCE_S", 0.0)
    objects.put("0/status", Status().model_dump_json().encode())
    found: Any = coordinating.job
    found.found[1] = replace(found.found[1], waits_for="0/1 nodes are available: Insufficient cpu")
    with pytest.raises(InvalidRunError, match=r"not ready after 0 s: 1 .*Insufficient cpu"):
        coordinating.await_all()
    del found.found[1]
    with pytest.raises(InvalidRunError, match=r"not ready after 0 s: 1 \(no pod\); is there room for 2\?"):
        coordinating.await_all()


def test_who_hears_of_the_start_after_it_says_so(objects: LoadBucket, profile: Profile) -> None:
    objects.put("start", b'{"at_s": 5.0}')
    given = order(objects, 0, "http://127.0.0.1:9", profile)
    with closing(Channel(given, Path("/nowhere"))) as channel, pytest.raises(InvalidRunError, match="s after it"):
        Generator(channel).await_start()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{}", "is no order"), ("", "is no order"), (None, "is no order"), ("other", "speaks version 99 .* this image version 5")],
)
def test_an_order_that_the_image_does_not_understand_is_refused_with_the_cure(
    objects: LoadBucket, profile: Profile, tmp_path: Path, text: str | None, reason: str
) -> None:
    given = order(objects, 0, "http://127.0.0.1:9", profile).model_copy(update={"version": 99}).model_dump_json()
    if text is not None:
        (tmp_path / "0.json").write_text(given if text == "other" else text)
    done = CliRunner().invoke(app, ["pod", str(tmp_path)], env={"JOB_COMPLETION_INDEX": "0"})
    assert done.exit_code == 3
    assert "docs/suite-image.md" in done.output
    assert re.search(f"load generator 0: .*{reason}", done.output)


def way(name: str, *rounds: float) -> agreement.Way:
    """Return one whose latencies are all equal within a round, in seconds."""
    made = agreement.Way(name=name, pods=0, delays_ms=[0.1])
    for latency_s in rounds:
        made.merged.merge(Histogram([latency_s] * 100))
        made.rounds.append(dict.fromkeys(agreement.PERCENTILES, latency_s * 1e3))
    return made


def test_two_ways_agree_where_they_differ_by_no_more_than_either_moves_by_itself() -> None:
    assert all(agreement.within_noise([way("a", 0.010, 0.012), way("b", 0.011, 0.011)]).values())
    assert not any(agreement.within_noise([way("a", 0.010, 0.0101), way("b", 0.012, 0.0121)]).values())
    shown = "\n".join(agreement.table([way("one process here", 0.010, 0.0101), way("2 pods", 0.012, 0.0121)]))
    assert "+2.0" in shown
    assert "200 and 200 searches" in shown


def test_a_stack_without_a_template_is_refused_before_anything_is_sent_with_the_cure() -> None:
    target = Target.model_validate({**OUTPUTS, "milvus_secret_name": "milvus-store"})
    with pytest.raises(UsageError, match=r"images\.suite .*pulumi up; without --pods this machine"):
        coordinator.require(target)
    coordinator.require(target.model_copy(update={"load_pod_template": "load-generator"}))


def test_a_run_from_pods_is_another_workload_than_one_from_here() -> None:
    report: dict[str, Any] = {"inputs": {}, "target": {}, "versions": {}, "images": []}
    here, there = (fingerprint.fingerprint_of({**report, "inputs": inputs}).workload for inputs in ({}, {"pods": 2}))
    assert fingerprint.differences(here, there) == ["pods is 2, was nothing"]
