"""One load from pods, from the first object in the bucket to the last one removed, however it ends."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.target import Target
from validation.judge.errors import GateError, UsageError
from validation.load.open_loop import Shot
from validation.load.pods import lead, mailbox
from validation.load.pods.clock import Bounds
from validation.load.pods.exchange import Order, Result, pack_share
from validation.load.pods.job import Job, Pod
from validation.load.pods.lead import Lead
from validation.load.pods.mailbox import Mailbox
from validation.load.samples import Samples
from validation.load.workers import Aim, Share
from validation.run.progress import Reporter

_MARGIN_S = 900.0
"""Beyond the load itself: images, start, rounds and results, each of which has a limit of its own."""
_THROTTLED_SHARE = 0.01
_STEPPED_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a load takes place, and who hears of it."""

    target: Target
    reporter: Reporter
    secrets: list[str]
    """What must never be printed is added to it."""


@dataclass(frozen=True, kw_only=True)
class Volley:
    """What came back."""

    shots: list[Shot]
    """In the order of the plan, in seconds from the common start."""
    facts: dict[str, Any]
    faults: list[str]


def require(target: Target) -> None:
    """UsageError where the stack has nothing to make generators from."""
    if not target.load_pod_template or not target.milvus_secret_name:
        raise UsageError(
            "the stack declares no load generators (output load_pod_template): name the suite's image in images.suite "
            "(docs/suite-image.md), then: pulumi up; without --pods this machine sends the searches itself"
        )


def fire(ground: Ground, aim: Aim, shares: Sequence[Share], advance: Callable[[int], None]) -> Volley:
    """Send each share from a pod of its own, all from one start; nothing of it is left."""
    timeout_s = aim.search.timeout_ms / 1e3
    longest_s = max((share.due_s[-1] for share in shares), default=0.0) + timeout_s
    with ExitStack() as closing:
        kubernetes = kube.connect()
        closing.callback(kubernetes.close)
        name = f"gate-load-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        box = _mailbox(ground, kubernetes, name, closing)
        job = Job(kubernetes.api_client, ground.target.namespace, name)
        closing.callback(_clean, ground, job, box)
        ground.reporter.say(f"search: from {len(shares)} pods, kubectl -n {ground.target.namespace} logs -l job-name={name} --prefix")
        for index, share in enumerate(shares):
            box.put(f"{index}/share", pack_share(share))
        orders = {index: _order(ground, aim, box, index, longest_s + _MARGIN_S) for index in range(len(shares))}
        job.make(ground.target.load_pod_template, orders, longest_s + _MARGIN_S)
        leading = Lead(job=job, mailbox=box, pods=len(shares))
        leading.await_all()
        spread_s = leading.agree()
        results = leading.collect(longest_s, advance)
        pods = job.pods()
    shots, merged = lead.merge(results, range(sum(len(share.numbers) for share in shares)), timeout_s)
    found = [_facts(pods[index], result, leading.bounds[index]) for index, result in enumerate(results)]
    facts = {"generators": found, "spread_ms": spread_s * 1e3, "latency_histogram": merged.encoded()}
    return Volley(shots=shots, facts=facts, faults=[fault for index, result in enumerate(results) for fault in _faults(index, result)])


def _mailbox(ground: Ground, kubernetes: kube.Cluster, name: str, closing: ExitStack) -> Mailbox:
    """Open the bucket, and remove what killed runs left in it."""
    target = ground.target
    credential = kubernetes.credential(target.namespace, target.milvus_secret_name)
    ground.secrets.extend([credential.access_key, credential.secret_key])
    ca_file = Connector(target=target, kubernetes=kubernetes, closing=closing, secrets=ground.secrets).store_ca_file()
    region, endpoint = target.object_store_region, target.object_store_endpoint
    box = Mailbox(
        bucket=target.milvus_bucket,
        run=name,
        ours=mailbox.connect(kubernetes.address(endpoint), region, credential, ca_file),
        theirs=mailbox.connect(endpoint, region, credential, ca_file),
    )
    closing.callback(box.close)
    stale = box.clear_stale()
    if stale:
        ground.reporter.say(
            f"search: removed {stale} objects that a killed run left below {mailbox.PREFIX} in bucket {target.milvus_bucket}"
        )
    return box


def _order(ground: Ground, aim: Aim, box: Mailbox, index: int, seconds: float) -> str:
    order = Order(
        uri=ground.target.milvus_uri,
        database=aim.database,
        collection=aim.collection,
        limit=aim.limit,
        search=aim.search,
        share_url=box.address(f"{index}/share", "get", seconds),
        word_url=box.address("word", "get", seconds),
        status_url=box.address(f"{index}/status", "put", seconds),
        result_url=box.address(f"{index}/result", "put", seconds),
    )
    return order.model_dump_json()


def _clean(ground: Ground, job: Job, box: Mailbox) -> None:
    """Remove the pods first, since they could still write; what does not go is told, with what to type."""
    left = job.remove()
    if left:
        ground.reporter.say(left)
    try:
        box.clear()
    except GateError as error:
        ground.reporter.say(f"{error}; the next run with --pods removes it")


def _facts(pod: Pod, result: Result, bounds: Bounds) -> dict[str, Any]:
    latency, delay = Samples.decoded(result.histogram), Samples.decoded(result.delays)
    return {
        "pod": pod.name,
        "node": pod.node,
        "requests": len(result.shots),
        "errors": sum(bool(shot.error) for shot in result.shots),
        **{f"p{percentile}_ms": latency.percentile_ms(percentile) for percentile in (50, 95, 99)},
        "delay_p99_ms": delay.percentile_ms(99),
        "clock_ahead_ms": [bounds.low_s * 1e3, bounds.high_s * 1e3],
        "cpu_throttled_s": result.throttled_s,
        "clock_stepped_ms": result.stepped_s * 1e3,
        "latency_histogram": result.histogram,
    }


def _faults(index: int, result: Result) -> list[str]:
    """What a generator knows of itself that makes its numbers worth nothing; its own delay is judged with all the others'."""
    span_s = max((shot.ended_s for shot in result.shots), default=0.0)
    found = []
    if result.throttled_s is not None and result.throttled_s > _THROTTLED_SHARE * span_s:
        kept = f"load generator {index} was kept from its CPU for {result.throttled_s:.3g} of {span_s:.3g} s"
        found.append(f"{kept}, which counts as latency of Milvus; take the CPU limit off the namespace's pods of the suite")
    if abs(result.stepped_s) > _STEPPED_S:
        found.append(f"the clock of load generator {index} was set by {result.stepped_s:.3g} s meanwhile; look at its node's time service")
    return found
