"""The lab's chart, rendered by Helm from the very values that the component gives to it.

Where MILVUS_CHART names the official chart, the lab's pod is compared with the one that this makes of the same values.
"""

import os
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from components.milvus_values import CREDENTIAL_ANNOTATION, configuration, values
from tests.components.test_contract import DATA, SHAPE
from tests.components.test_milvus_values import PRIVATE

CHART = "lab/chart/milvus"
OFFICIAL = os.environ.get("MILVUS_CHART", "")
pytestmark = pytest.mark.e2e


def helm(*arguments: str, given: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    command = ["helm", *arguments, "--values", "-"]
    return subprocess.run(command, input=yaml.safe_dump(dict(given)), capture_output=True, text=True, check=False)


def rendered(given: Mapping[str, Any], chart: str = CHART) -> dict[str, dict[str, Any]]:
    run = helm("template", "milvus", chart, "--namespace", "rag", given=given)
    assert run.returncode == 0, run.stderr
    return {item["kind"]: item for item in yaml.safe_load_all(run.stdout) if item}


def test_helm_finds_nothing_wrong() -> None:
    run = helm("lint", "--strict", CHART, given=values(SHAPE, PRIVATE))
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_service_is_called_milvus_and_selects_the_pods() -> None:
    found = rendered(values(SHAPE, PRIVATE))
    service = found["Service"]
    assert service["metadata"]["name"] == "milvus"
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == {"milvus": 19530}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert labels["app.kubernetes.io/name"] == "milvus"  # what the network policy to the store selects


def test_port_9091_is_in_the_service_only_where_it_is_asked_for_as_in_the_official_chart() -> None:
    service = rendered({**values(SHAPE, PRIVATE), "metrics": {"enabled": True}})["Service"]
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == {"milvus": 19530, "metrics": 9091}


def test_the_pod_satisfies_the_restricted_standard_and_reads_its_key_from_the_secret() -> None:
    template = rendered(values(SHAPE, PRIVATE))["Deployment"]["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == "milvus:1.0"
    assert container["args"] == ["milvus", "run", "standalone"]
    keys, ports = {"MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY"}, {"MINIO_PORT", "PROXY_PORT"}
    assert {item["name"] for item in container["env"]} == {*keys, *ports, "DEPLOY_MODE"}
    assert template["metadata"]["annotations"][CREDENTIAL_ANNOTATION] == "g1"


def test_every_mount_has_its_volume() -> None:
    pod = rendered(values(SHAPE, PRIVATE))["Deployment"]["spec"]["template"]["spec"]
    mounts = {item["mountPath"]: item["name"] for item in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() >= {"/milvus/configs/default.yaml", "/milvus/configs/user.yaml", "/var/lib/milvus", "/run/milvus", "/tmp"}  # noqa: S108  a path in the container
    assert set(mounts.values()) == {item["name"] for item in pod["volumes"]}


def test_the_configuration_names_the_store_and_no_key() -> None:
    given = values(SHAPE, PRIVATE)
    data = rendered(given)["ConfigMap"]["data"]
    default = yaml.safe_load(data["default.yaml"])
    assert default["minio"].items() >= {"address": "10.0.0.5", "port": 9000, "useSSL": True, "bucketName": "rag-milvus"}.items()
    assert (default["minio"]["accessKeyID"], default["minio"]["secretAccessKey"]) == (None, None)
    assert default["mq"] == {"type": "rocksmq"}
    assert default["etcd"]["endpoints"] == ["localhost:2379"]
    assert data["user.yaml"] == given["extraConfigFiles"]["user.yaml"].rstrip()


def test_the_pod_is_as_unkind_as_the_official_charts() -> None:
    pod = rendered(values(SHAPE, PRIVATE))["Deployment"]["spec"]["template"]["spec"]
    assert pod.keys() & {"terminationGracePeriodSeconds", "enableServiceLinks", "automountServiceAccountToken"} == set()
    liveness = pod["containers"][0]["livenessProbe"]
    assert (liveness["tcpSocket"]["port"], liveness["initialDelaySeconds"]) == ("metrics", 90)
    assert "startupProbe" not in pod["containers"][0]


@pytest.mark.skipif(not OFFICIAL, reason="MILVUS_CHART names no folder or archive with the official chart of Milvus")
@pytest.mark.parametrize("over", [{}, {"standalone": {"disk": {"enabled": True}}}, {"readinessProbe": {}, "annotations": {}}])
def test_the_pod_is_the_one_that_the_official_chart_makes_of_the_same_values(over: dict[str, Any]) -> None:
    given = values(SHAPE, PRIVATE)
    configuration.merge(given, over)
    ours, theirs = (rendered(given, chart)["Deployment"]["spec"] for chart in (CHART, OFFICIAL))
    assert {key: ours[key] for key in ("strategy", "selector")} == {key: theirs[key] for key in ("strategy", "selector")}
    assert without_nothing(ours["template"]["spec"]) == without_nothing(theirs["template"]["spec"])
    assert ours["template"]["metadata"]["labels"] == theirs["template"]["metadata"]["labels"]


def without_nothing(item: Any) -> Any:
    """Leave out what is null, and the protocol that is the default."""
    if isinstance(item, dict):
        return {key: without_nothing(value) for key, value in item.items() if value not in (None, "TCP")}
    return [without_nothing(each) for each in item] if isinstance(item, list) else item


def test_a_changed_configuration_restarts_the_pods() -> None:
    checksums = {
        rendered(each)["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for each in (values(SHAPE, DATA), values(SHAPE, PRIVATE))
    }
    assert len(checksums) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cluster": {"enabled": True}}, "standalone only"),
        ({"externalS3": {"secretKey": "k"}}, "would be readable in a ConfigMap"),
    ],
)
def test_what_the_chart_cannot_do_safely_it_refuses(change: dict[str, Any], why: str) -> None:
    run = helm("template", "milvus", CHART, given={**values(SHAPE, DATA), **change})
    assert run.returncode != 0
    assert why in run.stderr
