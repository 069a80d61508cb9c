"""A real Prometheus on the lab reads Milvus and the service of questions: each panel has data, and alerts fire and clear."""

import base64
import json
import math
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus has no types

from components.monitoring import dashboards
from components.monitoring.rules import groups
from stacks import environments
from stacks.wiring.monitoring import objectives
from tests import prometheus
from tests.e2e.lab import Lab
from tests.prometheus import Prometheus, until

pytestmark = pytest.mark.e2e

SHORT = {"5m": 10, "10m": 10, "30m": 15, "1h": 20, "2h": 20, "6h": 25, "1d": 30, "3d": 40}
"""Seconds of each window in this test, in place of hours; every expression stays as it is otherwise."""


def _pod(lab: Lab, selector: str) -> str:
    pods = lab.kubectl("get", "pods", "-n", "rag", "-l", selector)["items"]
    address: str = next(pod["status"]["podIP"] for pod in pods if pod["status"]["phase"] == "Running")
    return address


def _rules() -> list[dict[str, Any]]:
    text = json.dumps(groups(objectives(environments.load("lab").settings, "lab")))
    for long, short in SHORT.items():
        text = text.replace(f"[{long}]", f"[{short}s]")
    rules: list[dict[str, Any]] = json.loads(text)
    for rule in rules[1]["rules"]:
        rule["for"] = "0s"
    return rules


@pytest.fixture(scope="module")
def milvus(lab: Lab) -> Iterator[MilvusClient]:
    client = MilvusClient(f"http://{_pod(lab, 'app.kubernetes.io/name=milvus')}:19530", timeout=30)
    yield client
    client.close()


@pytest.fixture(scope="module")
def server(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus on loopback; Milvus's address stands in a file, so that a test can take it away as a broken network would."""
    home = tmp_path_factory.mktemp("prometheus")
    milvus, ask = _pod(lab, "app.kubernetes.io/name=milvus"), _pod(lab, "app.kubernetes.io/name=ask")
    _aim(home, f"{milvus}:9091")
    jobs = [
        {"job_name": "milvus", "file_sd_configs": [{"files": [str(home / "milvus.json")], "refresh_interval": "1s"}]},
        {"job_name": "ask", "static_configs": [{"targets": [f"{ask}:8080"], "labels": {"namespace": "rag", "pod": "ask"}}]},
    ]
    with prometheus.running(home, jobs, _rules()) as running:
        until(lambda: bool(running.ask("milvus_num_node")) and bool(running.ask("ask_in_flight")), "Milvus and the service are read")
        yield running


def _aim(home: Path, address: str | None) -> None:
    targets = [{"targets": [address], "labels": {"namespace": "rag", "pod": "milvus"}}] if address else []
    (home / "milvus.new").write_text(json.dumps(targets))
    (home / "milvus.new").replace(home / "milvus.json")


@pytest.fixture(scope="module")
def busy(
    server: Prometheus,  # noqa: ARG001  read before anything happens
    milvus: MilvusClient,
    lab: Lab,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A small collection that was filled, flushed, loaded and searched while Prometheus looked on, and a question to the service."""
    name, read = (f"monitoring_{uuid4().hex[:8]}" for _ in range(2))
    milvus.create_collection(name, dimension=8, metric_type="COSINE")
    try:
        milvus.insert(name, [{"id": number, "vector": [float(number % 7 + 1), *[1.0] * 7]} for number in range(2000)])
        milvus.flush(name)
        milvus.release_collection(name)
        milvus.load_collection(name)
        for _ in range(60):
            milvus.search(name, [[1.0] * 8], limit=3)
            time.sleep(0.05)
        folder = tmp_path_factory.mktemp("documents")
        (folder / "badges.md").write_text("# Badges\n\nThe front desk orders a new badge.\n")
        filled = lab.run("./rag", "ingest", "lab", str(folder), "--collection", read, "--quiet")
        assert filled.code == 0, filled.output
        key = base64.b64decode(lab.kubectl("-n", "rag", "get", "secret", "ask-api-key")["data"]["api_key"]).decode()
        asked = {"query": "Who orders a badge?", "collection": read}
        address = f"http://{_pod(lab, 'app.kubernetes.io/name=ask')}:8080/v1/search"
        for _ in range(3):
            httpx.post(address, json=asked, headers={"Authorization": f"Bearer {key}"}, timeout=60).raise_for_status()
            time.sleep(2)
        time.sleep(3)
        yield name
    finally:
        milvus.drop_collection(name)
        milvus.drop_collection(read)


PANELS = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['legendFormat']}")
    for name, model in dashboards("lab", "rag").items()
    if name != "history"  # of CronJobs, which the lab has not by itself: tests/e2e/test_scheduled.py
    for panel in model["panels"]
    for target in panel["targets"]
]


@pytest.mark.parametrize("expr", PANELS)
def test_every_query_of_every_panel_returns_data(expr: str, server: Prometheus, milvus: MilvusClient, busy: str) -> None:
    asked = expr.replace("$namespace", "rag").replace("ratio_rate3d", "ratio_rate1h")  # three days are not over

    def has_data() -> bool:
        milvus.search(busy, [[1.0] * 8], limit=3)  # no share of the last seconds without one
        return any(not math.isnan(float(sample["value"][1])) for sample in server.ask(asked))

    until(has_data, asked, within_s=30)  # a Milvus that is asked each second and once answers late is gone for that second


@pytest.fixture
def released(milvus: MilvusClient) -> Iterator[str]:
    """A collection that is not loaded: each search of it fails."""
    name = f"monitoring_{uuid4().hex[:8]}"
    milvus.create_collection(name, dimension=8)
    milvus.release_collection(name)
    yield name
    milvus.drop_collection(name)


@pytest.mark.alone  # good searches of others would keep the share of failed ones small
@pytest.mark.proof
def test_failing_searches_burn_the_budget_and_the_alert_clears(busy: str, released: str, server: Prometheus, milvus: MilvusClient) -> None:
    assert "MilvusSearchBudgetBurning availability" not in server.firing()

    def fires() -> bool:
        for _ in range(5):
            with suppress(MilvusException):
                milvus.search(released, [[1.0] * 8], limit=3)
        return "MilvusSearchBudgetBurning availability" in server.firing()

    def clears() -> bool:
        milvus.search(busy, [[1.0] * 8], limit=3)
        return "MilvusSearchBudgetBurning availability" not in server.firing()

    until(fires, "the alert fires")
    until(clears, "the alert clears")


@pytest.mark.usefixtures("busy")
def test_milvus_that_is_not_read_any_more_is_said_to_be_gone_until_it_is_read_again(server: Prometheus, lab: Lab) -> None:
    _aim(server.home, None)
    until(lambda: "MilvusGone" in server.firing(), "the alert fires")
    _aim(server.home, f"{_pod(lab, 'app.kubernetes.io/name=milvus')}:9091")
    until(lambda: "MilvusGone" not in server.firing(), "the alert clears")
