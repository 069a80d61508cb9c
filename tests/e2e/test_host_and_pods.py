"""What runs, looked at from inside: pods and host, by testinfra."""

from collections.abc import Callable

import pytest
import testinfra  # type: ignore[import-untyped]  # testinfra has no types
import yaml
from testinfra.host import Host  # type: ignore[import-untyped]  # testinfra has no types

from lab.places import HOST_INTERFACE, STATE, network
from tests.e2e.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture
def pod(lab: Lab) -> Callable[[str], Host]:
    """Return the inside of the pod of one part."""

    def inside(name: str) -> Host:
        pods = lab.kubectl("-n", "rag", "get", "pods")["items"]
        found = next(item["metadata"]["name"] for item in pods if item["metadata"]["name"].startswith(name))
        return testinfra.get_host(f"kubectl://{found}?namespace=rag")

    return inside


@pytest.mark.parametrize(("name", "user"), [("milvus-standalone", 999), ("embedding", 10001), ("llm", 10001)])
def test_no_pod_runs_as_root_or_can_write_its_image_or_reach_the_api(pod: Callable[[str], Host], name: str, user: int) -> None:
    inside = pod(name)
    status = inside.file("/proc/1/status").content_string
    assert f"Uid:\t{user}\t{user}\t{user}\t{user}" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "CapEff:\t0000000000000000" in status
    mounts = inside.file("/proc/mounts").content_string.splitlines()
    assert next(line for line in mounts if line.split()[1] == "/").split()[3].startswith("ro")
    assert "/var/run/secrets/kubernetes.io" not in "\n".join(mounts)


def test_milvus_trusts_the_stores_authority_and_no_other(pod: Callable[[str], Host]) -> None:
    inside = pod("milvus-standalone")
    bundle = inside.file("/etc/ssl/certs/ca-certificates.crt").content_string
    assert bundle.strip() == (STATE / "pki" / "store-ca.crt").read_text().strip()


def test_milvus_has_its_key_from_the_secret_and_not_from_a_file(pod: Callable[[str], Host], lab: Lab) -> None:
    containers = lab.kubectl("-n", "rag", "get", "deployment", "milvus-standalone")["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry for entry in containers[0]["env"]}
    for name in ("MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY"):
        assert environment[name]["valueFrom"]["secretKeyRef"]["name"] == "milvus-store"
    text = pod("milvus-standalone").file("/tmp/milvus/configs/milvus.yaml").content_string  # noqa: S108  inside the pod
    settings = yaml.safe_load(text)["minio"]
    assert [settings[name] or "" for name in ("accessKeyID", "secretAccessKey")] == ["", ""]


def test_a_pod_finds_the_others_by_name(pod: Callable[[str], Host]) -> None:
    answer = pod("embedding").check_output("wget -q -O - http://llm.rag.svc.cluster.local:8080/health")
    assert "ok" in answer


def test_the_host_has_one_interface_and_two_routes_of_the_lab_and_no_rule_or_port() -> None:
    host = testinfra.get_host("local://")
    assert str(network().host) in host.interface(HOST_INTERFACE).addresses
    routes = host.check_output("ip route show dev %s", HOST_INTERFACE)
    assert {str(network().services), str(network().pods), str(network().link)} == {line.split()[0] for line in routes.splitlines()}
    assert "KUBE-" not in host.check_output("iptables-save")
    assert not [socket for socket in host.socket.get_listening_sockets() if socket.endswith((":6443", ":7070", ":10250"))]


def test_everything_of_the_lab_is_in_namespaces_of_its_own() -> None:
    host = testinfra.get_host("local://")
    mounts = host.file("/proc/mounts").content_string
    assert str(STATE) not in mounts
    assert not [name for name in host.interface.names() if name.startswith(("cni", "veth"))]
