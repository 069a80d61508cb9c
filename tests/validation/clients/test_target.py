"""Where the gate aims: outputs of a stack, and what the Kubernetes API knows."""

import json
import os
from pathlib import Path

import pytest

from tests.validation.services import KubernetesApi
from validation.clients import kube, target
from validation.judge.errors import UnreachableError, UsageError

OUTPUTS = {
    "namespace": "rag",
    "milvus_uri": "http://milvus.rag.svc.cluster.local:19530",
    "documents_bucket": "documents",
    "documents_secret_name": "documents-s3",
    "object_store_endpoint": "https://10.0.0.1:7070",
    "object_store_region": "us-east-1",
    "embedding_url": "http://embedding.rag.svc.cluster.local:8080/v1",
    "embedding_model": "tiny",
    "embedding_dimension": 64,
    "llm_url": "http://llm.rag.svc.cluster.local:8080/v1",
    "llm_model": "tiny",
    "something_new": 1,
}


def fake_pulumi(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program called pulumi first on PATH."""
    program = directory / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_a_target_comes_from_a_file_or_from_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "target.json"
    path.write_text(json.dumps(OUTPUTS))
    fake_pulumi(tmp_path, monkeypatch, f'test "$*" = "stack output --json --non-interactive --stack lab" && cat {path}')
    assert target.read("lab") == target.read(str(path))
    assert target.read(str(path)).milvus_database == "default"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo \"error: no stack named 'lab' found\" >&2; exit 255", "no stack named 'lab'.*pulumi stack ls"),
        ("echo '{}'", "no outputs yet; deploy it first: pulumi up --stack lab"),
        ("echo hello", "not JSON"),
        ('echo \'{"namespace": "rag"}\'', "milvus_uri: Field required"),
    ],
)
def test_a_stack_without_usable_outputs_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_pulumi(tmp_path, monkeypatch, script)
    with pytest.raises(UsageError, match=reason):
        target.read("lab")


def test_no_pulumi_on_path_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"pulumi is not on PATH.*./rag env"):
        target.read("lab")


@pytest.mark.parametrize("url", ["http://user:pass@host:1", "ftp://host", "host:19530", "http://"])
def test_an_address_that_is_none_or_carries_a_password_is_refused(tmp_path: Path, url: str) -> None:
    path = tmp_path / "target.json"
    path.write_text(json.dumps(OUTPUTS | {"milvus_uri": url}))
    with pytest.raises(UsageError, match="milvus_uri: ") as caught:
        target.read(str(path))
    assert "pass@" not in str(caught.value)


def test_a_service_name_becomes_its_cluster_address(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_service("milvus", "10.96.0.7")
    kubernetes_api.add_service("six", "fd00::7")
    kubernetes_api.add_service("headless", "None")
    api = kube.connect()
    assert api.address("http://milvus.rag.svc.cluster.local:19530") == "http://10.96.0.7:19530"
    assert api.address("http://milvus.rag.svc.k8s.example.net:19530") == "http://10.96.0.7:19530", "another domain of the cluster"
    assert api.address("https://svc.example.net/x") == "https://svc.example.net/x"
    assert api.address("http://six.rag.svc:8080/v1") == "http://[fd00::7]:8080/v1"
    assert api.address("https://store.example.net/x") == "https://store.example.net/x"
    with pytest.raises(UsageError, match="headless"):
        api.address("http://headless.rag.svc:1")
    with pytest.raises(UsageError, match=r"answered 404.*Service nothing in rag"):
        api.address("http://nothing.rag.svc:1")
    api.close()


@pytest.mark.parametrize(
    ("address", "expected"), [("10.244.0.6", "http://10.244.0.6:19530"), ("fd00::6", "http://[fd00::6]:19530"), (None, "")]
)
def test_a_pod_behind_a_service_is_reached_by_its_own_address(
    kubernetes_api: KubernetesApi, tmp_path: Path, address: str | None, expected: str
) -> None:
    kubernetes_api.objects["pods"] = {"items": [{"metadata": {"name": "milvus-0"}, "status": {"podIP": address}}]}
    api = kube.connect()
    assert api.pod_address(OUTPUTS["milvus_uri"]) == expected  # type: ignore[arg-type]  # this value is a str
    assert api.pod_address("https://milvus.example.net:19530") == ""
    assert kube.Mounted(tmp_path).pod_address("http://milvus.rag.svc:19530") == "", "without a token nobody knows the pods"
    api.close()


def test_inside_a_cluster_names_are_left_to_its_dns(kubernetes_api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api = kube.connect()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert api.address(OUTPUTS["milvus_uri"]) == OUTPUTS["milvus_uri"]  # type: ignore[arg-type]  # this value is a str
    assert not kubernetes_api.objects
    api.close()


def test_credential_authority_and_digests_are_read(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_secret("documents-s3", access_key="AKID", secret_key="s3cr3t")
    kubernetes_api.add_secret("half", access_key="AKID")
    kubernetes_api.add_pod("milvus-0", "milvus:2.3.5", "sha256:abc")
    kubernetes_api.objects["configmaps/ca"] = {"metadata": {"name": "ca"}, "data": {"ca.crt": "-----BEGIN CERTIFICATE-----\n"}}
    kubernetes_api.objects["configmaps/empty"] = {"metadata": {"name": "empty"}}
    api = kube.connect()
    assert api.credential("rag", "documents-s3").secret_key == "s3cr3t"
    assert api.certificate_authority("rag", "ca").startswith("-----BEGIN")
    assert api.running_images("rag") == [{"pod": "milvus-0", "container": "main", "image": "milvus:2.3.5", "digest": "sha256:abc"}]
    with pytest.raises(UsageError, match="has no secret_key"):
        api.credential("rag", "half")
    with pytest.raises(UsageError, match="no certificate"):
        api.certificate_authority("rag", "empty")
    api.close()


def test_an_api_server_that_does_not_answer_is_unreachable(kubernetes_api: KubernetesApi, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:9#"))
    api = kube.connect()
    with pytest.raises(UnreachableError, match="kubectl cluster-info"):
        api.credential("rag", "documents-s3")
    api.close()
    assert not kubernetes_api.objects


def test_no_kubeconfig_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="set KUBECONFIG"):
        kube.connect()


def test_private_addresses_go_past_the_proxy_and_public_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example.net")
    monkeypatch.setenv("no_proxy", "")
    kube.bypass_proxies(
        ["http://10.96.0.7:19530", "https://store.example.net", "http://llm.rag.svc.cluster.local:8080/v1", "http://8.8.8.8"]
    )
    assert os.environ["NO_PROXY"] == "intern.example.net,10.96.0.7,llm.rag.svc.cluster.local"
    assert os.environ["no_proxy"] == "10.96.0.7,llm.rag.svc.cluster.local"
