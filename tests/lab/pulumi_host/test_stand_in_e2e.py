"""Promises of `pulumi` with a Python program and the kubernetes plugin, kept by the stand-ins and by the official ones alike.

Needs `pulumi` and `helm` on PATH and a cluster behind KUBECONFIG; brings its own state, project and namespace.
"""

import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

PASSWORD = f"very-secret-{uuid.uuid4().hex}"

OBJECTS = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": config.require("namespace")})
place = {"namespace": namespace.metadata["name"]}
k8s.core.v1.ConfigMap("settings", metadata={"name": "settings", **place}, data={"size": config.get("size") or "1"})
k8s.core.v1.Secret("keys", metadata={"name": "keys", **place}, string_data={"password": config.require_secret("password")})
labels = {"app": "web"}
resources = {"requests": {"cpu": "1000m", "memory": "1024Mi"}}
container = {"name": "web", "image": "127.0.0.1:1/absent:1", "resources": resources}
pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
web = k8s.apps.v1.Deployment(
    "web",
    metadata={"name": "web", **place},
    spec={"replicas": int(config.get("replicas") or "0"), "selector": {"match_labels": labels}, "template": pod},
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="20s", update="20s")),
)
made_up = k8s.core.v1.ConfigMap("made-up", metadata=place, data={"a": "b"})
pulumi.export("made_up", made_up.metadata["name"])
pulumi.export("uid", web.metadata["uid"])
"""

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
    "Chart.yaml": "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: '2.3.5'\n",
    "values.yaml": "size: 0\n",
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {size: {{ .Values.size | quote }}}
""",
}


@dataclass(frozen=True)
class Stack:
    """One Pulumi project with a stack of its own."""

    folder: Path
    environment: dict[str, str]
    namespace: str

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one pulumi command; `more` is added to its environment."""
        command = ["pulumi", *arguments, "--non-interactive"]
        return subprocess.run(command, cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True, check=False)

    def must(self, *arguments: str, **more: str) -> str:
        """Run one that has to succeed; what it said."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self, **more: str) -> str:
        """Deploy without asking."""
        return self.must("up", "--yes", "--skip-preview", **more)

    def outputs(self) -> dict[str, Any]:
        """Outputs of the stack."""
        outputs: dict[str, Any] = json.loads(self.must("stack", "output", "--json"))
        return outputs

    def state(self) -> str:
        """Everything in the backend, as text."""
        backend = Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        return "".join(path.read_text(errors="replace") for path in backend.rglob("*") if path.is_file())

    def kubectl(self, *arguments: str) -> str:
        """Do something behind Pulumi's back."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the program that the test is parametrised with; its namespace goes afterwards."""
    project, backend = tmp_path / "project", tmp_path / "backend"
    for folder in (project, backend):
        folder.mkdir()
    (project / "Pulumi.yaml").write_text("name: stand-in\nruntime: python\n")
    (project / "__main__.py").write_text(request.param)
    for name, text in CHART.items():
        (project / "chart" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "chart" / name).write_text(text)
    environment = {
        **os.environ,
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    environment.pop("PULUMI_OPTION_CONFIG_FILE", None)  # names the configuration of the lab's own stack
    made = Stack(project, environment, f"stand-in-{uuid.uuid4().hex[:8]}")
    made.must("stack", "init", "test")
    made.must("config", "set", "namespace", made.namespace)
    made.must("config", "set", "--secret", "password", PASSWORD)
    yield made
    made.run("destroy", "--yes", "--skip-preview")
    subprocess.run(
        ["kubectl", "delete", "namespace", made.namespace, "--ignore-not-found"], env=environment, capture_output=True, check=True
    )


objects = pytest.mark.parametrize("stack", [OBJECTS], indirect=True, ids=["objects"])
release = pytest.mark.parametrize("stack", [RELEASE], indirect=True, ids=["release"])


@objects
def test_a_preview_works_before_the_namespace_exists_and_makes_nothing(stack: Stack) -> None:
    assert "6 to create" in stack.must("preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")


@objects
def test_a_second_up_and_a_refresh_change_nothing(stack: Stack) -> None:
    stack.up()
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.must("preview", "--expect-no-changes")
    stack.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")


@objects
def test_secrets_reach_the_cluster_and_nothing_else(stack: Stack) -> None:
    said = stack.up()
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    assert stack.kubectl("get", "secret", "keys", "--output", "jsonpath={.data.password}") == encoded
    said += stack.must("refresh", "--yes", "--skip-preview", "--diff") + stack.must("preview", "--diff")
    assert PASSWORD not in stack.state() + said
    assert encoded not in stack.state() + said


@objects
def test_drift_is_found_by_refresh_and_repaired_by_up(stack: Stack) -> None:
    stack.up()
    stack.kubectl("patch", "configmap", "settings", "--patch", '{"data": {"size": "drifted"}}')
    stack.must("refresh", "--yes", "--skip-preview")
    assert stack.run("preview", "--expect-no-changes").returncode != 0
    stack.up(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "1"
    stack.must("preview", "--expect-no-changes")


@objects
def test_a_field_that_another_took_is_not_taken_back_in_silence(stack: Stack) -> None:
    stack.up()
    stack.kubectl("label", "deployment", "web", "owner=other")
    stack.kubectl("patch", "deployment", "web", "--patch", '{"spec": {"minReadySeconds": 7}}')
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.kubectl("scale", "deployment", "web", "--replicas=0")
    program = stack.folder / "__main__.py"
    program.write_text(OBJECTS.replace('{"replicas"', '{"min_ready_seconds": 3, "replicas"'))
    failed = stack.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "minReadySeconds" in failed.stdout + failed.stderr
    stack.up(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert stack.kubectl("get", "deployment", "web", "--output", "jsonpath={.spec.minReadySeconds}") == "3"


@objects
def test_an_object_deleted_by_hand_is_made_again_after_a_refresh(stack: Stack) -> None:
    stack.up()
    stack.kubectl("delete", "configmap", "settings")
    stack.must("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "1"


@objects
def test_a_name_that_was_made_up_is_kept_and_so_is_the_object(stack: Stack) -> None:
    stack.up()
    before = stack.outputs()
    stack.must("config", "set", "size", "2")
    stack.up()
    assert stack.outputs() == before
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "2"


@objects
def test_an_object_of_somebody_else_is_left_alone(stack: Stack) -> None:
    stack.kubectl("create", "namespace", stack.namespace)
    failed = stack.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "exists" in failed.stdout + failed.stderr
    stack.kubectl("get", "namespace", stack.namespace)


@objects
def test_a_deployment_that_does_not_come_up_fails_with_the_reason_and_is_tried_again(stack: Stack) -> None:
    if "True" not in stack.kubectl("get", "nodes", "--output", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'):
        pytest.skip("no node is Ready: no pod can fail here")
    stack.must("config", "set", "replicas", "1")
    failed = stack.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "absent:1" in failed.stdout + failed.stderr
    stack.must("config", "set", "replicas", "0")
    stack.up()
    stack.must("preview", "--expect-no-changes")


@objects
def test_destroy_leaves_nothing(stack: Stack) -> None:
    stack.up()
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")


@release
def test_a_release_is_a_real_one_and_stays_as_it_is(stack: Stack) -> None:
    assert "3 to create" in stack.must("preview")
    stack.up()
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    status = stack.outputs()["status"]
    expected = {"appVersion": "2.3.5", "chart": "demo", "name": "demo", "namespace": stack.namespace, "revision": 1}
    assert {key: status[key] for key in expected} == expected
    assert (status["status"], status["version"]) == ("deployed", "0.1.0")
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "1"
    assert PASSWORD not in stack.state()


@release
def test_new_values_upgrade_a_release_and_destroy_removes_it(stack: Stack) -> None:
    stack.up()
    stack.must("config", "set", "size", "2")
    stack.up()
    assert stack.outputs()["status"]["revision"] == 2
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "2"
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")


@release
def test_an_edited_chart_is_a_change(stack: Stack) -> None:
    stack.up()
    (stack.folder / "chart" / "templates" / "all.yaml").write_text(CHART["templates/all.yaml"].replace("data: {", 'data: {edited: "yes", '))
    assert stack.run("preview", "--expect-no-changes").returncode != 0
    stack.up()
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.edited}") == "yes"


@release
def test_a_release_uninstalled_by_hand_is_installed_again_after_a_refresh(stack: Stack) -> None:
    stack.up()
    subprocess.run(["helm", "uninstall", "demo", "--namespace", stack.namespace], env=stack.environment, capture_output=True, check=True)
    stack.must("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.kubectl("get", "configmap", "demo", "--output", "jsonpath={.data.size}") == "1"


@release
def test_a_chart_that_is_missing_fails_the_preview(stack: Stack) -> None:
    (stack.folder / "chart" / "Chart.yaml").unlink()
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "chart" in failed.stdout + failed.stderr
