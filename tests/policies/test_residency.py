"""Addresses outside, in every place where a manifest can name one."""

from typing import Any

import pytest

from policies.residency import hosts, is_inside, violations
from policies.subject import Context, Subject

ALLOWED = ("x10000.example.net", "*.corp.example.net", "10.0.0.0/8", "registry.example.net")
LOCKED = Context(production=True, throwaway=False, allowed_hosts=ALLOWED)


def pod(**container: Any) -> Subject:
    spec = {"containers": [{"name": "main", "image": "registry.example.net/a:1", **container}]}
    return Subject(kind="Pod", name="p", content={"kind": "Pod", "spec": spec}, protect=False)


def config(text: str) -> Subject:
    return Subject(kind="ConfigMap", name="c", content={"kind": "ConfigMap", "data": {"file.yaml": text}}, protect=False)


def told(subject: Subject) -> list[str]:
    return [each.text for each in violations([subject], LOCKED)]


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(pod(env=[{"name": "X", "value": "https://evil.example.org/v1"}]), id="URL in the environment"),
        pytest.param(pod(env=[{"name": "X", "value": "https://user@evil.example.org"}]), id="URL with a user"),
        pytest.param(pod(env=[{"name": "STORE_HOST", "value": "evil.example.org"}]), id="bare name under a telling key"),
        pytest.param(pod(args=["--endpoint=http://evil.example.org:80"]), id="argument"),
        pytest.param(pod(command=["sh", "-c", "curl evil.example.org:443"]), id="name with a port in a command"),
        pytest.param(pod(args=["93.184.216.34"]), id="address"),
        pytest.param(pod(args=["http://[2001:db8::1]/"]), id="IPv6 address"),
        pytest.param(pod(image="evil.example.org/a:1"), id="registry"),
        pytest.param(pod(image="a:1"), id="the registry that is meant by none"),
        pytest.param(config("hook: grpc://evil.example.org:4317"), id="file of a ConfigMap"),
        pytest.param(
            Subject(kind="Release", name="r", content={"values": {"externalS3": {"host": "evil.example.org"}}}, protect=False),
            id="values of a chart",
        ),
        pytest.param(pod(env=[{"name": "HF_HUB_DISABLE_TELEMETRY", "value": "0"}]), id="telemetry"),
        pytest.param(pod(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}]), id="hub"),
    ],
)
def test_what_is_outside_is_found(subject: Subject) -> None:
    assert len(told(subject)) == 1


@pytest.mark.parametrize(
    "subject",
    [
        pod(env=[{"name": "S3", "value": "https://x10000.example.net:443"}, {"name": "DO_NOT_TRACK", "value": "1"}]),
        pod(args=["http://a.corp.example.net", "http://10.1.2.3:9000", "http://milvus:19530", "http://llm.rag.svc.cluster.local:8080"]),
        pod(args=["--listen", "0.0.0.0:8080", "http://127.0.0.1", "http://localhost:1", "model.gguf", "v2.6.15", "ca.crt"]),
        pod(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
        config("# licence: https://www.apache.org/licenses\naddress: x10000.example.net"),
        Subject(kind="Service", name="s", content={"kind": "Service", "spec": {}}, protect=False),
    ],
)
def test_what_is_inside_is_not(subject: Subject) -> None:
    assert told(subject) == []


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("corp.example.net", False),
        ("a.corp.example.net", True),
        ("x10000.example.net.evil.org", False),
        ("evilcorp.example.net", False),
        ("11.0.0.1", False),
        ("10.255.0.1", True),
        ("milvus", True),
    ],
)
def test_the_list_means_what_it_says(host: str, inside: bool) -> None:
    assert is_inside(host, ALLOWED) is inside


def test_a_host_is_told_once_an_object() -> None:
    assert list(hosts("https://a.example.org https://b.example.org:1/x")) == ["a.example.org", "b.example.org"]
    assert len(told(pod(args=["https://a.example.org", "https://a.example.org"]))) == 1
