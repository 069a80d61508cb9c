"""One load from pods, from the first object in the bucket to the last one removed, however it ends.

All pods start at one instant, which is written once they are ready; a pod whose clock is off refuses. Every wait is bounded. A pod that is
missing, fails, is late, or brings other requests than it was given makes the run INVALID, with its name: a part of the load is no load.
"""

import secrets
import time
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.searcher import LoadTarget
from validation.clients.target import Target
from validation.judge.errors import GateError, InvalidRunError, UsageError, text_of
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.load.pods import exchange
from validation.load.pods.exchange import LoadBucket, Order, Result, Start, Status, pack_share
from validation.load.pods.generator import ASKED_AGAIN, ahead_s, require_clock
from validation.load.pods.job import Job, Pod
from validation.load.pods.job import require as require_alive
from validation.load.workers import Share
from validation.run.record import Reporter

READY_PATIENCE_S = 300.0
_LEAD_S = 3.0  # from writing the start until it: longer than a clock may be off, and a poll
_LOOK_S = 1.0
END_PATIENCE_S = 60.0
_MARGIN_S = 900.0  # beyond the load itself: images, start and results, each of which has a limit of its own
_THROTTLED_SHARE = 0.01
_STEPPED_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a load takes place, and who hears of it."""

    target: Target
    reporter: Reporter
    secrets: list[str]  # what must never be printed is added to it


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What came back."""

    samples: list[Sample]  # in the order of the plan, in seconds from the common start
    facts: dict[str, Any]
    faults: list[str]


def require(target: Target) -> None:
    """UsageError where the stack has nothing to make generators from."""
    if not target.load_pod_template or not target.milvus_secret_name:
        raise UsageError.of("pods.none")


def run_load(placement: Placement, where: LoadTarget, shares: Sequence[Share], advance: Callable[[int], None]) -> LoadResult:
    """Send each share from a pod of its own, all from one start; nothing of it is left."""
    target, timeout_s = placement.target, where.search.timeout_ms / 1e3
    longest_s = max((share.due_s[-1] for share in shares), default=0.0) + timeout_s
    with ExitStack() as closing:
        kubernetes = kube.connect()
        closing.callback(kubernetes.close)
        name = f"gate-load-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        objects = _bucket(placement, kubernetes, name, closing)
        job = Job(kubernetes.api_client, target.namespace, name)
        closing.callback(_clean, placement, job, objects)
        placement.reporter.say(f"search: from {len(shares)} pods, kubectl -n {target.namespace} logs -l job-name={name} --prefix")
        for index, share in enumerate(shares):
            objects.put(f"{index}/share", pack_share(share))
        deadline_s = longest_s + _MARGIN_S
        orders = {index: _order(target.milvus_uri, where, objects, index, deadline_s) for index in range(len(shares))}
        job.make(target.load_pod_template, orders, deadline_s)
        coordinator = Coordinator(job=job, objects=objects, pods=len(shares))
        coordinator.await_all()
        coordinator.start()
        results = coordinator.collect(longest_s, advance)
        pods = job.pods()
    samples, merged = merge(results, range(sum(len(share.numbers) for share in shares)), timeout_s)
    facts = {"generators": [_facts(pods[index], result) for index, result in enumerate(results)], "latency_histogram": merged.encoded()}
    faults = [fault for index, result in enumerate(results) for fault in _faults(index, result)]
    return LoadResult(samples=samples, facts=facts, faults=faults)


@dataclass(kw_only=True)
class Coordinator:
    """One run of generators that are made already."""

    job: Job
    objects: LoadBucket
    pods: int
    clock: Callable[[], float] = time.time
    _looked_s: float = field(default=0.0, init=False)

    def await_all(self) -> None:
        """Return once every generator is ready."""
        deadline_s = time.monotonic() + READY_PATIENCE_S
        while missing := [index for index in range(self.pods) if self._status(index) is None]:
            self._look()
            if time.monotonic() > deadline_s:
                waits = {index: pod.waits_for or "runs" for index, pod in self.job.pods().items()}
                states = ", ".join(f"{index} ({waits.get(index, 'no pod')})" for index in missing)
                raise InvalidRunError.of("pods.late", patience_s=READY_PATIENCE_S, states=states, pods=self.pods)
            time.sleep(0.2)

    def start(self) -> None:
        """Write the instant at which all begin; InvalidRunError where the gate's own clock is not the store's."""
        self._compare_clocks()
        self.objects.put("start", Start(at_s=self.clock() + _LEAD_S).model_dump_json().encode())

    @ASKED_AGAIN
    def _compare_clocks(self) -> None:
        asked_s = self.clock()
        require_clock(ahead_s(self.objects.put("clock", b""), asked_s, self.clock()), "the gate's")

    def collect(self, longest_s: float, advance: Callable[[int], None]) -> list[Result]:
        """Return the result of every generator, telling what is done on the way."""
        deadline_s = time.monotonic() + _LEAD_S + longest_s + END_PATIENCE_S
        results, done = dict[int, Result](), [0] * self.pods
        while True:
            for index in set(range(self.pods)) - results.keys():
                if body := self.objects.get(f"{index}/result"):
                    results[index] = Result.unpack(body)
                    done[index] = len(results[index].samples)
                elif status := self._status(index):
                    done[index] = max(done[index], status.done)
            advance(sum(done))
            if len(results) == self.pods:
                return [results[index] for index in range(self.pods)]
            self._look(besides=results.keys())
            if time.monotonic() > deadline_s:
                raise InvalidRunError(f"load generators {sorted(set(range(self.pods)) - results.keys())} brought no result in time")
            time.sleep(_LOOK_S)

    def _status(self, index: int) -> Status | None:
        """What a generator says of itself; InvalidRunError when that is: failed."""
        body = self.objects.get(f"{index}/status")
        status = Status.model_validate_json(body) if body else None
        if status is not None and status.state == "failed":
            pod = self.job.pods().get(index)
            raise InvalidRunError(f"load generator {index}, pod {pod.name if pod else '?'}: {status.reason}")
        return status

    def _look(self, besides: Container[int] = ()) -> None:
        """Ask once a second whether every pod lives that has brought nothing yet."""
        if time.monotonic() - self._looked_s >= _LOOK_S:
            self._looked_s = time.monotonic()
            require_alive({index: pod for index, pod in self.job.pods().items() if index not in besides}, self.job)


def merge(results: Sequence[Result], planned: Sequence[int], timeout_s: float) -> tuple[list[Sample], Histogram]:
    """Merge samples and histograms; InvalidRunError unless every planned request is there once, and counted once."""
    samples = sorted((sample for result in results for sample in result.samples), key=lambda sample: sample.number)
    if [sample.number for sample in samples] != list(planned):
        raise InvalidRunError.of("pods.requests", number=len(samples), planned=len(planned))
    merged = Histogram()
    for result in results:
        merged.merge(Histogram.decoded(result.histogram))
    if merged.encoded() != Histogram(sample.counted_s(timeout_s) for sample in samples).encoded():
        raise InvalidRunError.of("pods.histograms")
    return samples, merged


def _bucket(placement: Placement, kubernetes: kube.Cluster, name: str, closing: ExitStack) -> LoadBucket:
    """Open the bucket, and remove what killed runs left in it."""
    target = placement.target
    credential = kubernetes.credential(target.namespace, target.milvus_secret_name)
    placement.secrets.extend([credential.access_key, credential.secret_key])
    ca_file = Connector(target=target, kubernetes=kubernetes, closing=closing, secrets=placement.secrets).store_ca_file()
    endpoints = kubernetes.address(target.object_store_endpoint), target.object_store_endpoint
    ours, theirs = (exchange.connect(endpoint, target.object_store_region, credential, ca_file) for endpoint in endpoints)
    objects = LoadBucket(bucket=target.milvus_bucket, run=name, ours=ours, theirs=theirs)
    closing.callback(objects.close)
    if stale := objects.clear_stale():
        removed = f"removed {stale} objects that a killed run left below {exchange.PREFIX} in bucket {target.milvus_bucket}"
        placement.reporter.say(f"search: {removed}")
    return objects


def _order(uri: str, where: LoadTarget, objects: LoadBucket, index: int, seconds: float) -> str:
    names = {f"{index}/share": "get", "start": "get", f"{index}/status": "put", f"{index}/result": "put"}
    addresses: dict[str, Any] = {f"{name.rpartition('/')[2]}_url": objects.address(name, method, seconds) for name, method in names.items()}
    chosen = {name: getattr(where, name) for name in ("database", "collection", "limit", "search", "connections")}
    return Order(uri=uri, **chosen, **addresses).model_dump_json()


def _clean(placement: Placement, job: Job, objects: LoadBucket) -> None:
    """Remove the pods first, since they could still write; what cannot be removed is reported, with the command that does."""
    if left := job.remove():
        placement.reporter.say(left)
    try:
        objects.clear()
    except GateError as error:
        placement.reporter.say(f"{error}; the next run with --pods removes it")


def _facts(pod: Pod, result: Result) -> dict[str, Any]:
    latency, delay = Histogram.decoded(result.histogram), Histogram.decoded(result.delays)
    about = {"pod": pod.name, "node": pod.node, "requests": len(result.samples)}
    times = {f"p{percentile}_ms": latency.percentile_ms(percentile) for percentile in (50, 95, 99)}
    clock = {"clock_ahead_ms": [bound * 1e3 for bound in result.clock_ahead_s], "cpu_throttled_s": result.throttled_s}
    counted = {"errors": sum(bool(sample.error) for sample in result.samples), **times, "delay_p99_ms": delay.percentile_ms(99)}
    return {**about, **counted, **clock, "clock_stepped_ms": result.stepped_s * 1e3, "latency_histogram": result.histogram}


def _faults(index: int, result: Result) -> list[str]:
    """What a generator knows of itself that makes its numbers worth nothing; its own delay is judged with all the others'."""
    faults, name, span_s = list[str](), f"load generator {index}", max((sample.ended_s for sample in result.samples), default=0.0)
    if result.throttled_s is not None and result.throttled_s > _THROTTLED_SHARE * span_s:
        faults.append(text_of("fault.throttled", name=name, throttled_s=result.throttled_s, span_s=span_s))
    if abs(result.stepped_s) > _STEPPED_S:
        faults.append(f"the clock of {name} was set by {result.stepped_s:.3g} s meanwhile; look at its node's time service")
    return faults
