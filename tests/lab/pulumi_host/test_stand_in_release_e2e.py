"""Promises about Helm releases: `pulumi`, a Python program and the kubernetes plugin, kept by the stand-ins and by the official ones alike.

Needs `pulumi`, `helm` and `kubectl` on PATH and a cluster behind KUBECONFIG; brings its own state, project and namespace.
"""

import subprocess

import pytest

from tests.lab.pulumi_host.stand_in_stack import Stack

RELEASE = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": config.require("namespace")})
release = k8s.helm.v3.Release(
    "demo",
    name="demo",
    chart="./chart",
    namespace=namespace.metadata["name"],
    timeout=20,
    values={"size": int(config.get("size") or "1"), "password": config.require_secret("password")},
)
pulumi.export("status", release.status)
"""

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: '2.3.5'\n",
    "chart/values.yaml": "size: 0\n",
    "chart/templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {size: {{ .Values.size | quote }}}
""",
}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("stack", [{"__main__.py": RELEASE, **CHART}], indirect=True, ids=["release"]),
]


def test_a_release_is_a_real_one_and_stays_as_it_is(stack: Stack) -> None:
    assert "3 to create" in stack.must("preview")
    stack.up()
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    status = stack.outputs()["status"]
    expected = {"appVersion": "2.3.5", "chart": "demo", "name": "demo", "namespace": stack.namespace, "revision": 1}
    assert {key: status[key] for key in expected} == expected
    assert (status["status"], status["version"]) == ("deployed", "0.1.0")
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "1"
    assert stack.password not in stack.state()


def test_new_values_upgrade_a_release_and_destroy_removes_it(stack: Stack) -> None:
    stack.up()
    stack.must("config", "set", "size", "2")
    stack.up()
    assert stack.outputs()["status"]["revision"] == 2
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "2"
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")


def test_an_edited_chart_is_a_change(stack: Stack) -> None:
    stack.up()
    (stack.folder / "chart/templates/all.yaml").write_text(CHART["chart/templates/all.yaml"].replace("data: {", 'data: {edited: "yes", '))
    assert stack.run("preview", "--expect-no-changes").returncode != 0
    stack.up()
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.edited}") == "yes"


def test_a_release_uninstalled_by_hand_is_installed_again_after_a_refresh(stack: Stack) -> None:
    stack.up()
    subprocess.run(["helm", "uninstall", "demo", "--namespace", stack.namespace], env=stack.environment, capture_output=True, check=True)
    stack.must("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "1"


def test_a_chart_that_is_missing_fails_the_preview(stack: Stack) -> None:
    (stack.folder / "chart" / "Chart.yaml").unlink()
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "chart" in failed.stdout + failed.stderr
