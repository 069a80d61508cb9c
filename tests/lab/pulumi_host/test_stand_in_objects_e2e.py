"""Promises about plain objects: `pulumi`, a Python program and the kubernetes plugin, kept by the stand-ins and by the official ones alike.

Needs `pulumi` and `kubectl` on PATH and a cluster behind KUBECONFIG; brings its own state, project and namespace.
"""

import base64

import pytest

from tests.lab.pulumi_host.stand_in_stack import Stack

OBJECTS = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": config.require("namespace")})
place = {"namespace": namespace.metadata["name"]}
k8s.core.v1.ConfigMap("settings", metadata={"name": "settings", **place}, data={"size": config.get("size") or "1"})
k8s.core.v1.Secret("keys", metadata={"name": "keys", **place}, string_data={"password": config.require_secret("password")})
labels = {"app": "web"}
resources = {"requests": {"cpu": "0.1", "memory": "1024Mi"}}
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

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("stack", [{"__main__.py": OBJECTS}], indirect=True, ids=["objects"]),
]


def test_a_preview_works_before_the_namespace_exists_and_makes_nothing(stack: Stack) -> None:
    assert "6 to create" in stack.must("preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")


def test_a_second_up_and_a_refresh_change_nothing(stack: Stack) -> None:
    stack.up()
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.must("preview", "--expect-no-changes")
    stack.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_secrets_reach_the_cluster_and_nothing_else(stack: Stack) -> None:
    said = stack.up()
    encoded = base64.b64encode(stack.password.encode()).decode()
    assert stack.kubectl("get", "secret", "keys", "--output", "jsonpath={.data.password}") == encoded
    said += stack.must("refresh", "--yes", "--skip-preview", "--diff") + stack.must("preview", "--diff")
    assert stack.password not in stack.state() + said
    assert encoded not in stack.state() + said


def test_drift_is_found_by_refresh_and_repaired_by_up(stack: Stack) -> None:
    stack.up()
    stack.kubectl("patch", "configmap", "settings", "--patch", '{"data": {"size": "drifted"}}')
    stack.must("refresh", "--yes", "--skip-preview")
    assert stack.run("preview", "--expect-no-changes").returncode != 0
    stack.up(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "1"
    stack.must("preview", "--expect-no-changes")


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


def test_an_object_deleted_by_hand_is_made_again_after_a_refresh(stack: Stack) -> None:
    stack.up()
    stack.kubectl("delete", "configmap", "settings")
    stack.must("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "1"


def test_a_name_that_was_made_up_is_kept_and_so_is_the_object(stack: Stack) -> None:
    stack.up()
    before = stack.outputs()
    stack.must("config", "set", "size", "2")
    stack.up()
    assert stack.outputs() == before
    assert stack.kubectl("get", "configmap", "settings", "--output", "jsonpath={.data.size}") == "2"


def test_an_object_of_somebody_else_is_left_alone(stack: Stack) -> None:
    stack.kubectl("create", "namespace", stack.namespace)
    failed = stack.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "exists" in failed.stdout + failed.stderr
    stack.kubectl("get", "namespace", stack.namespace)


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


def test_destroy_leaves_nothing(stack: Stack) -> None:
    stack.up()
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.namespace not in stack.kubectl("get", "namespaces", "--output", "name")
