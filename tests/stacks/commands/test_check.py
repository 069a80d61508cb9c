"""`./rag check` and `./rag status`: each thing that a cluster lacks is a line of its own, with a cure; what is good says what was seen."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components import pods
from stacks import environments
from stacks.commands import status
from stacks.operations import cluster, examination, pod_probe, pod_watch, posture, pulumi_cli
from stacks.operations.cluster import Seen
from stacks.operations.helm import Revision
from stacks.operations.leftovers import Facts
from stacks.problems import Line, SettingsError
from stacks.settings import Settings
from stacks.settings.platform import BackupSettings, MonitoringSettings
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
        secrets={(each.namespace, each.name): texts for each in cluster.wanted_secrets(PROD)},
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
    "a cache of names on the node": (
        {"daemon_sets": [{"metadata": {"name": "node-local-dns"}}]},
        "WARN",
        "names",
        "node-local-dns in 'kube-system' answers pods",
    ),
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


def test_a_cache_of_names_that_the_settings_know_is_no_line(good: Seen) -> None:
    known = PROD.model_copy(update={"network": PROD.network.model_copy(update={"dns_addresses": ("169.254.20.10/32",)})})
    assert [
        line for line in judged(replace(good, daemon_sets=[{"metadata": {"name": "nodelocaldns"}}]), known) if line.what == "names"
    ] == []


@pytest.mark.parametrize(("days", "level"), [(90, "OK"), (10, "WARN"), (-1, "FAIL")])
def test_a_certificate_is_judged_by_the_days_that_it_has_left(days: int, level: str, tmp_path: Path) -> None:
    pem = certificates.make(tmp_path, days=90).crt_file.read_text()
    assert examination.certificate("c", pem, NOW + dt.timedelta(days=90 - days)).level == level
    assert examination.certificate("c", "none", NOW).level == "FAIL"


def test_secrets_that_the_settings_name_are_looked_up_where_they_are() -> None:
    wanted = {(each.namespace, each.name): each.keys for each in cluster.wanted_secrets(PROD)}
    assert wanted["rag", "milvus-proxy-tls"] == ("tls.crt", "tls.key")
    backup = BackupSettings(endpoint="https://backup.example.net", bucket="copies", secret="backup-key")
    named = {(each.namespace, each.name): each.keys for each in cluster.wanted_secrets(PROD.model_copy(update={"backup": backup}))}
    assert named["rag", "backup-key"] == ("access_key", "secret_key")


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
def test_the_posture_of_a_running_pod_without_a_shell_is_that_of_its_spec_and_says_so(container: dict[str, Any], fault: str) -> None:
    (line,) = posture.judge([pod(**container)], lambda *_: "no /bin/sh")
    assert (line.level, fault in line.seen, "not tried inside main: no /bin/sh" in line.seen) == ("WARN" if fault else "OK", True, True)


GUARDED = {"user": "1000", "root": "read-only", "token": "no", "memory": "1073741824"}


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        ({}, ""),
        ({"user": "0"}, "main runs as root"),
        ({"root": "writable"}, "main may write to its root"),
        ({"token": "yes"}, "main has a token of the API"),
        ({"memory": "max"}, "main has no limit of memory"),
        ({"memory": "9223372036854771712"}, "main has no limit of memory"),
    ],
)
def test_what_a_container_really_is_counts_more_than_its_spec(inside: dict[str, str], fault: str) -> None:
    (line,) = posture.judge([pod()], lambda *_: {**GUARDED, **inside})
    assert (line.level, fault in line.seen) == ("WARN" if fault else "OK", True)


def test_a_token_of_the_api_is_seen() -> None:
    with_token = pod()
    with_token["spec"]["volumes"] = [{"projected": {"sources": [{"serviceAccountToken": {}}]}}]
    assert "token of the API" in next(iter(posture.judge([with_token], lambda *_: GUARDED))).seen


MONITORED = environments.load("prod", own_files_only=True).settings.model_copy(
    update={"monitoring": MonitoringSettings(enabled=True, labels={"release": "kps"})}
)
SELECTORS: dict[str, tuple[dict[str, Any], str]] = {
    "services alone": ({"serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {}, "podMonitorSelector": None}, "WARN"),
    "pods of its own namespace": (
        {"serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {}, "podMonitorNamespaceSelector": None},
        "WARN",
    ),
    "by label, everywhere": (
        {"serviceMonitorSelector": {"matchLabels": {"release": "kps"}}, "serviceMonitorNamespaceSelector": {}},
        "OK",
    ),
    "everything": ({"serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {}}, "OK"),
    "another label": ({"serviceMonitorSelector": {"matchLabels": {"release": "x"}}, "serviceMonitorNamespaceSelector": {}}, "WARN"),
    "its own namespace": ({"serviceMonitorSelector": {}}, "WARN"),
    "none": ({"serviceMonitorNamespaceSelector": {}}, "WARN"),
    "this namespace by its name": (
        {
            "serviceMonitorSelector": {"matchExpressions": [{"key": "release", "operator": "Exists"}]},
            "serviceMonitorNamespaceSelector": {
                "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["rag"]}]
            },
        },
        "OK",
    ),
}


@pytest.mark.parametrize(("spec", "level"), SELECTORS.values(), ids=SELECTORS)
def test_whether_a_prometheus_would_select_the_monitors(spec: dict[str, Any], level: str, good: Seen) -> None:
    of_pods = {name.replace("service", "pod"): selector for name, selector in spec.items() if name.startswith("service")}
    there = replace(good, prometheuses=[{"metadata": {"name": "k8s", "namespace": "monitoring"}, "spec": {**of_pods, **spec}}])
    assert [line.level for line in judged(there, MONITORED) if line.what == "Prometheus"] == [level]


@pytest.mark.parametrize(
    ("text", "level"),
    [('{"auths": {"registry.example.net": {}}}', ""), ('{"auths": {"https://other.test": {}}}', "WARN"), ("{}", "FAIL"), ("x", "FAIL")],
)
def test_a_pull_secret_needs_a_login_for_the_registry_of_the_images(text: str, level: str, good: Seen) -> None:
    settings = PROD.model_copy(update={"registry": PROD.registry.model_copy(update={"pull_secrets": ("mirror",)})})
    seen = replace(good, secrets={**good.secrets, ("rag", "mirror"): {".dockerconfigjson": text}})
    assert [line.level for line in judged(seen, settings) if line.what == "Secret mirror"] == ([level] if level else [])


@pytest.mark.parametrize(
    ("stacks", "variables", "line"),
    [
        ({"prod"}, {"PULUMI_CONFIG_PASSPHRASE": "x"}, ("OK", "")),
        ({"prod"}, {}, ("FAIL", "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE")),
        (set(), {}, ("FAIL", "pulumi stack init prod")),
        (None, {}, ("FAIL", "mkdir -p ~/.pulumi-state; pulumi login file://~/.pulumi-state")),
    ],
)
def test_the_state_of_pulumi_is_there_and_this_shell_can_open_it(
    stacks: set[str] | None, variables: dict[str, str], line: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed() -> set[str]:
        if stacks is None:
            raise SettingsError("`pulumi stack ls` failed: error: PULUMI_ACCESS_TOKEN must be set", code="pulumi.failed")
        return stacks

    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pulumi_cli, "stacks", listed)
    source = tmp_path / "Pulumi.prod.yaml"
    source.write_text("encryptionsalt: v1:x\n")
    judged = examination._stack(replace(environments.load("prod", own_files_only=True), source=source))
    assert (judged.level, judged.cure) == line


def test_a_plugin_of_another_version_is_named_with_the_command_that_brings_the_right_one() -> None:
    assert examination._plugin("4.25.0", [{"name": "kubernetes", "version": "4.25.0"}]).level == "OK"
    line = examination._plugin("4.25.0", [{"name": "kubernetes", "version": "4.20.0"}])
    assert (line.level, line.cure) == ("WARN", "pulumi plugin install resource kubernetes 4.25.0")


@pytest.mark.parametrize(
    ("answer", "level", "seen"),
    [
        ({"s3.test 443": ""}, "OK", "s3.test:443 answers"),
        ({"kubernetes.default.svc": ""}, "OK", "kubernetes.default.svc resolves"),
        ({"s3.test 443": "gaierror: no such name"}, "FAIL", "s3.test:443: gaierror"),
    ],
)
def test_what_a_pod_was_answered_is_judged(answer: dict[str, str], level: str, seen: str) -> None:
    (line,) = pod_probe.judge(answer, "rag")
    assert (line.level, seen in line.seen, bool(line.cure)) == (level, True, level == "FAIL")


def test_without_an_image_of_the_suite_no_pod_is_asked_and_that_is_said() -> None:
    settings = PROD.model_copy(update={"images": PROD.images.model_copy(update={"suite": None})})
    (line,) = pod_probe.lines(settings, "prod", "rag", ["s3.test 443"])
    assert (line.level, "not tried" in line.seen) == ("WARN", True)


def test_a_pod_whose_names_do_not_resolve_says_which_name_server_it_asked() -> None:
    ended = subprocess.run([sys.executable, "-c", pod_probe._ASK, "no-such-store.invalid 443"], capture_output=True, text=True, check=True)
    (problem,) = json.loads(ended.stdout).values()
    (line,) = pod_probe.judge({"no-such-store.invalid 443": problem}, "rag")
    assert "(asked: " in line.seen
    assert "network.dns_addresses" in line.cure


def test_the_pod_that_asks_is_one_that_the_strictest_pod_security_admits() -> None:
    job = pod_probe._job(PROD, "check-1", "rag", ["s3.test 443"])
    (container,), spec = job["spec"]["template"]["spec"]["containers"], job["spec"]["template"]["spec"]
    assert (spec["automountServiceAccountToken"], spec["securityContext"]["runAsNonRoot"]) == (False, True)
    assert container["securityContext"] == pods.container_security()
    assert job["spec"]["ttlSecondsAfterFinished"]


def test_check_exits_by_its_worst_line_and_prints_json(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, good: Seen) -> None:
    monkeypatch.setattr("stacks.operations.cluster.show", lambda *_: None)
    monkeypatch.setattr(cluster, "look", lambda *_: good)
    monkeypatch.setattr(pod_watch, "pods", lambda _: [pod()])
    monkeypatch.setattr(examination, "of_shell", lambda _: [])
    monkeypatch.setattr(posture, "inside", lambda *_: GUARDED)
    code, printed, _ = command("check", "prod", "--pre", "--no-pod")
    assert code == 1  # addresses of the examples
    assert printed.splitlines()[-1].startswith("in all: ")
    assert "FAIL  milvus-x10000:object_store.endpoint" in printed
    code, printed, _ = command("check", "prod", "--posture", "--json")
    assert (code, json.loads(printed)[0]["level"]) == (0, "OK")


def test_status_judges_release_pods_and_the_last_gate(tmp_path: Path) -> None:
    revision = Revision(2, "failed", NOW, "")
    assert status.release(Facts(environment="t", is_ours=True, revisions=[revision])).level == "FAIL"
    restarted = pod()
    restarted["status"]["containerStatuses"][0]["restartCount"] = 3
    away = pod()
    away["status"]["containerStatuses"] = []
    assert [line.level for line in status.of_pods([pod(), restarted, away])] == ["OK", "WARN", "FAIL"]
    held = [{"name": "a", "rows": 21, "state": "Loaded", "segments": 1}, {"name": "b", "rows": 2, "state": "NotLoad", "segments": 0}]
    assert [(line.level, line.seen) for line in status.of_collections(held, "")] == [
        ("OK", "Loaded, 21 rows, 1 segments in memory"),
        ("WARN", "NotLoad, 2 rows, 0 segments in memory"),
    ]
    assert [line.level for line in status.of_collections([], "Milvus at x does not answer")] == ["FAIL"]
    assert status.last_gate("acme", NOW, tmp_path).cure == "./rag gate acme"
    for moment, profile, outcome in (("20261101T000000Z", "acme", "PASS"), ("20261102T000000Z", "other", "FAIL")):
        (tmp_path / moment).mkdir()
        report = {"inputs": {"profile": {"profile": profile}}, "result": {"outcome": outcome}}
        (tmp_path / moment / "report.json").write_text(json.dumps(report))
    assert status.last_gate("acme", NOW, tmp_path).level == "OK"


def test_status_tells_how_old_the_last_good_backup_is(tmp_path: Path) -> None:
    assert status.last_backup("acme", NOW, tmp_path).cure == "./rag backup acme --list"
    for name, outcome, hours in (("a", "PASS", 30), ("b", "FAIL", 1), ("c", "PASS", 60)):
        (tmp_path / name).mkdir()
        about = {"id": name, "ended_at": (NOW - dt.timedelta(hours=hours)).isoformat(), "bytes": 1_234_567}
        data = {"backup": about, "result": {"outcome": outcome}, "inputs": {"environment": "acme" if name != "c" else "other"}}
        (tmp_path / name / "backup.json").write_text(json.dumps(data))
    line = status.last_backup("acme", NOW, tmp_path)
    assert (line.level, line.seen) == ("OK", "30.0 h old, 1,234,567 bytes: a")
    assert status.last_backup("acme", NOW + dt.timedelta(hours=20), tmp_path).level == "WARN"
