"""Two generators in pods of the lab: every request counted once, one histogram of both, nothing left; one killed makes the run INVALID."""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab.places import REPOSITORY
from tests.e2e.lab import Lab
from validation.checks import gate  # noqa: F401  # its measures are what an SLO file may name
from validation.clients import kube
from validation.clients.searcher import LoadTarget
from validation.clients.target import Target
from validation.judge.errors import InvalidRunError
from validation.judge.slo_file import read_profile
from validation.load import workers
from validation.load.histogram import Histogram
from validation.load.pods import exchange
from validation.load.pods.coordinator import LoadResult, Placement, run_load
from validation.run.record import Reporter

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
VECTORS = np.random.default_rng(5).standard_normal((120, 16)).astype(np.float32)
SEARCH = read_profile(REPOSITORY / "validation" / "slo.lab.yaml").search
RATE = 40


@dataclass(frozen=True)
class Range:
    """A small collection of the lab's Milvus, and two generators that search it."""

    lab: Lab
    placement: Placement
    aim: LoadTarget

    def fire(self, count: int) -> LoadResult:
        due = [number / RATE for number in range(count)]
        return run_load(self.placement, self.aim, workers.partition(VECTORS[:count], [""] * count, due, 2), lambda _: None)

    def left(self) -> list[str]:
        """Objects of the cluster and of the bucket that a run made."""
        found = self.lab.kubectl("-n", "rag", "get", "job,secret,pod")["items"]
        names = [item["metadata"]["name"] for item in found if item["metadata"]["name"].startswith("gate-load-")]
        target = self.placement.target
        with closing(kube.connect()) as kubernetes:
            credential = kubernetes.credential("rag", target.milvus_secret_name)
        ca_file = Path(self.lab.environment()["AWS_CA_BUNDLE"])
        with closing(exchange.connect(target.object_store_endpoint, target.object_store_region, credential, ca_file)) as store:
            listed = store.list_objects_v2(Bucket=target.milvus_bucket, Prefix=exchange.PREFIX)
        return [*names, *(one["Key"] for one in listed.get("Contents", []))]


@pytest.fixture(scope="module")
def small(lab: Lab) -> Iterator[Range]:
    target = Target.model_validate(lab.outputs())
    uri, name = lab.environment()["MILVUS_URI"], f"pods_{secrets.token_hex(4)}"
    milvus = MilvusClient(uri=uri, timeout=30)
    try:
        milvus.create_collection(name, dimension=16, metric_type="COSINE", consistency_level="Strong", timeout=60)
        milvus.insert(name, [{"id": number, "vector": vector} for number, vector in enumerate(VECTORS)], timeout=60)
        search = SEARCH.model_copy(update={"consistency": "Strong", "warmup_requests": 5, "timeout_ms": 20_000})
        aim = LoadTarget(uri=uri, database="default", collection=name, search=search, limit=3)
        yield Range(lab, Placement(target=target, reporter=Reporter(quiet=True), secrets=[]), aim)
    finally:
        milvus.drop_collection(name, timeout=60)
        milvus.close()


def test_every_request_comes_back_once_and_the_histogram_is_that_of_both_pods(small: Range) -> None:
    load = small.fire(len(VECTORS))
    assert [sample.number for sample in load.samples] == list(range(len(VECTORS)))
    assert [sample.ids[0] for sample in load.samples] == list(range(len(VECTORS))), "each vector finds itself first"
    assert [sample.planned_s for sample in load.samples] == pytest.approx([number / RATE for number in range(len(VECTORS))], abs=1e-6)
    first, second = load.facts["generators"]
    assert first["pod"] != second["pod"]
    assert (first["requests"], second["requests"]) == (60, 60)
    merged = Histogram.decoded(first["latency_histogram"])
    merged.merge(Histogram.decoded(second["latency_histogram"]))
    assert merged.encoded() == load.facts["latency_histogram"]
    assert merged.count == len(VECTORS)
    for one in (first, second):
        low, high = one["clock_ahead_ms"]
        assert low <= 0 <= high, "both run on this machine, so there is one clock, and the bounds hold it"
    assert small.left() == []
    assert not [secret for secret in small.placement.secrets if secret in json.dumps(load.facts)]


@pytest.mark.proof
def test_ctrl_c_under_load_leaves_neither_pods_nor_objects(small: Range) -> None:
    seen = list[int]()

    def press(done: int) -> None:
        if done:
            seen.append(len(small.left()))
            raise KeyboardInterrupt

    due = [number / 4 for number in range(len(VECTORS))]  # half a minute, if nobody ended it
    with pytest.raises(KeyboardInterrupt):
        run_load(small.placement, small.aim, workers.partition(VECTORS, [""] * len(VECTORS), due, 2), press)
    assert seen[0] >= 4, "a Job, its Secret and two pods were there, and objects"
    assert small.left() == []


@pytest.mark.proof
def test_a_killed_pod_makes_the_run_invalid_and_is_named(small: Range) -> None:
    killed = list[str]()

    def kill(done: int) -> None:
        if killed or not done:
            return
        found = small.lab.kubectl("-n", "rag", "get", "pods", "-l", "app.kubernetes.io/component=load-generator")["items"]
        index = "batch.kubernetes.io/job-completion-index"
        killed.extend(item["metadata"]["name"] for item in found if item["metadata"]["labels"][index] == "1")
        small.lab.run("kubectl", "-n", "rag", "delete", "pod", *killed, "--grace-period=0", "--force")

    due = [number / 4 for number in range(len(VECTORS))]  # half a minute, if nobody ended it
    shares = workers.partition(VECTORS, [""] * len(VECTORS), due, 2)
    with pytest.raises(InvalidRunError) as caught:
        run_load(small.placement, small.aim, shares, kill)
    assert len(killed) == 1
    assert str(caught.value).startswith(f"load generator 1, pod {killed[0]}: ")
    assert small.left() == []
