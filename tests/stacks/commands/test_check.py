"""`./rag check` and `./rag status`: each thing that a cluster lacks is a line of its own, with a cure; what is good says what was seen."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stacks import environments
from stacks.commands import status
from stacks.operations import cluster_facts, examination, pod_watch
from stacks.operations.cluster_facts import Seen
from stacks.operations.examination import Line
from stacks.operations.helm import Revision
from stacks.operations.leftovers import Facts
from stacks.settings import Settings
from tests import certificates

NOW = dt.datetime.now(dt.UTC)
PROD = environments.load("prod", own_files_only=True).settings


def node(cpu: str = "64", memory: str = "512Gi", **labels: str) -> dict[str, Any]:
    gpus = {"nvidia.com/gpu": "4"}
    return {
        "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "NVIDIA-L4", **labels}},
        "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, **gpus}, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}}}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return a cluster that has all that prod needs."""
    pem = certificates.make(tmp_path_factory.mktemp("tls"), days=90).crt_file.read_text()
    texts = {"tls.crt": pem, "tls.key": "k", "access_key": "a", "secret_key": "s", "ca.crt": pem}
    return Seen(
        version=(1, 34),
        nodes=[node(), node(), node(), node()],
        classes=[storage_class("fast-nvme"), storage_class("standard", default=True)],
        groups={"monitoring.coreos.com"},
        namespace={"metadata": {"name": "rag", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        secrets={(each.namespace, each.name): texts for each in cluster_facts.wanted_secrets(PROD)},
    )


def judged(seen: Seen, settings: Settings = PROD) -> list[Line]:
    return list(examination.of_cluster(settings, seen, NOW))


def test_a_cluster_that_has_everything_is_ok_line_by_line(good: Seen) -> None:
    lines = judged(good)
    assert [line.text for line in lines if line.level != "OK"] == []
    assert {"Kubernetes", "rights", "namespace", "StorageClass", "CRDs", "nodes", "GPU of llm", "Secret rag/milvus-proxy-tls"} <= {
        line.what for line in lines
    }


LACKS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "old": ({"version": (1, 24)}, "WARN", "Kubernetes", "1.24"),
    "rights": ({"denied": ["create secrets"]}, "FAIL", "rights", "may not create secrets"),
    "class": (
        {"classes": [storage_class("standard", default=True)]},
        "FAIL",
        "StorageClass",
        "no 'fast-nvme' (milvus.etcd_cluster.storage_class)",
    ),
    "no default": ({"classes": [storage_class("fast-nvme")]}, "WARN", "StorageClass", "none is the default"),
    "classes not seen": ({"classes": None}, "WARN", "StorageClass", "may not list them"),
    "operator": ({"groups": set()}, "FAIL", "CRDs", "monitoring.coreos.com is not served"),
    "small nodes": ({"nodes": [node("2", "4Gi")]}, "FAIL", "nodes", "no node holds one pod of"),
    "few nodes": ({"nodes": [node("24", "96Gi")]}, "WARN", "nodes", "not all of it has room"),
    "nodes not seen": ({"nodes": None}, "WARN", "nodes", "may not list them"),
    "other GPU": ({"nodes": [node(**{"nvidia.com/gpu.product": "Tesla-T4"})] * 4}, "FAIL", "GPU of llm", "NVIDIA-L4"),
    "no Secret": ({"secrets": {}}, "FAIL", "Secret rag/milvus-proxy-tls", "is not there (milvus.tls.proxy_secret)"),
    "key": (
        {"secrets": {("rag", "milvus-proxy-tls"): {"tls.crt": "x"}}},
        "FAIL",
        "Secret rag/milvus-proxy-tls",
        "has no tls.key, it has tls.crt",
    ),
    "forbidden": ({"unreadable": {("rag", "milvus-proxy-tls")}}, "WARN", "Secret rag/milvus-proxy-tls", "may not read it"),
}


@pytest.mark.parametrize(("changes", "level", "what", "seen"), LACKS.values(), ids=LACKS)
def test_what_is_lacking_is_a_line_with_a_cure(changes: dict[str, Any], level: str, what: str, seen: str, good: Seen) -> None:
    lines = [line for line in judged(replace(good, **changes)) if (line.level, line.what) == (level, what)]
    assert [line for line in lines if seen in line.seen and (line.cure or line.page)], lines


@pytest.mark.parametrize(("days", "level"), [(90, "OK"), (10, "WARN"), (-1, "FAIL")])
def test_a_certificate_is_judged_by_the_days_that_it_has_left(days: int, level: str, tmp_path: Path) -> None:
    pem = certificates.make(tmp_path, days=90).crt_file.read_text()
    assert examination.certificate("c", pem, NOW + dt.timedelta(days=90 - days)).level == level
    assert examination.certificate("c", "none", NOW).level == "FAIL"


def test_secrets_that_the_settings_name_are_looked_up_where_they_are() -> None:
    wanted = {(each.namespace, each.name): each.keys for each in cluster_facts.wanted_secrets(PROD)}
    assert wanted["rag", "milvus-proxy-tls"] == ("tls.crt", "tls.key")


def pod(**container: Any) -> dict[str, Any]:
    guarded = {"runAsNonRoot": True, "readOnlyRootFilesystem": True}
    good = {"name": "main", "securityContext": guarded, "resources": {"limits": {"memory": "1Gi"}}, "readinessProbe": {}}
    ready = [{"ready": True, "restartCount": 0}]
    return {
        "metadata": {"name": "p", "namespace": "rag"},
        "spec": {"containers": [{**good, "readinessProbe": {"tcpSocket": {}}, **container}]},
        "status": {"phase": "Running", "containerStatuses": ready},
    }


@pytest.mark.parametrize(
    ("container", "fault"),
    [
        ({}, ""),
        ({"securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": True}}, "may run as root"),
        ({"securityContext": {"runAsUser": 5}}, "may write to its root"),
        ({"resources": {}}, "has no limit of memory"),
        ({"readinessProbe": None}, "has no readiness probe"),
    ],
)
def test_the_posture_of_a_running_pod(container: dict[str, Any], fault: str) -> None:
    (line,) = examination.of_posture([pod(**container)])
    assert (line.level, fault in line.seen) == ("WARN" if fault else "OK", True)


def test_a_token_of_the_api_is_seen() -> None:
    with_token = pod()
    with_token["spec"]["volumes"] = [{"projected": {"sources": [{"serviceAccountToken": {}}]}}]
    assert "token of the API" in next(iter(examination.of_posture([with_token]))).seen


def test_check_exits_by_its_worst_line_and_prints_json(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, good: Seen) -> None:
    monkeypatch.setattr("stacks.operations.cluster.show", lambda *_: None)
    monkeypatch.setattr(cluster_facts, "look", lambda *_: good)
    monkeypatch.setattr(pod_watch, "pods", lambda _: [pod()])
    code, printed, _ = command("check", "prod", "--pre")
    assert code == 1  # addresses of the examples
    assert printed.splitlines()[-1].startswith("in all: ")
    assert "FAIL  milvus-x10000:object_store.endpoint" in printed
    code, printed, _ = command("check", "prod", "--posture", "--json")
    assert (code, json.loads(printed)[0]["level"]) == (0, "OK")


def test_status_judges_release_pods_and_the_last_gate(tmp_path: Path) -> None:
    revision = Revision(2, "failed", NOW, "")
    assert [line.level for line in status.release(Facts(environment="t", is_ours=True, revisions=[revision]))] == ["FAIL"]
    restarted = pod()
    restarted["status"]["containerStatuses"][0]["restartCount"] = 3
    away = pod()
    away["status"]["containerStatuses"] = []
    assert [line.level for line in status.of_pods([pod(), restarted, away])] == ["OK", "WARN", "FAIL"]
    assert status.last_gate("acme", NOW, tmp_path).cure == "./rag gate acme"
    for moment, profile, outcome in (("20261101T000000Z", "acme", "PASS"), ("20261102T000000Z", "other", "FAIL")):
        (tmp_path / moment).mkdir()
        report = {"inputs": {"profile": {"profile": profile}}, "result": {"outcome": outcome}}
        (tmp_path / moment / "report.json").write_text(json.dumps(report))
    assert status.last_gate("acme", NOW, tmp_path).level == "OK"
