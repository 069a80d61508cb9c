"""A strict cluster, for real: a registry with a password, a tainted node, user ids from a range, and a sidecar in every pod.

One stack of its own meets all of them at once; the images come from the registry alone, the webhook is asked for every pod.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab import project
from lab.daemons import PAUSE_IMAGE
from lab.places import network
from lab.process_tree import wait_for
from stacks.operations import pod_watch
from tests.e2e.lab import Ended, Lab
from tests.e2e.platform import admission, node_registry

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

STACK, NAMESPACE = "strict", "rag-strict"
TAINT = {"key": "dedicated", "value": "rag", "effect": "NoSchedule"}
COST_CENTRE = {"example.test/cost-centre": "4711"}


@dataclass(frozen=True)
class Strict:
    """The stack of these tests."""

    lab: Lab
    up: Ended

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lab.kubectl("-n", NAMESPACE, "get", "pods")["items"]
        return found


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the lab's cluster strict, and undo it."""
    folder = tmp_path_factory.mktemp("strict")
    taint = f"{TAINT['key']}={TAINT['value']}:{TAINT['effect']}"
    _run(lab, "kubectl", "create", "namespace", NAMESPACE)
    pull = folder / "config.json"
    pull.write_text(node_registry.docker_config())
    _run(lab, "kubectl", "-n", NAMESPACE, "create", "secret", "docker-registry", "mirror", f"--from-file=.dockerconfigjson={pull}")
    _run(lab, "kubectl", "create", "priorityclass", "rag-strict", "--value=1000")
    _run(lab, "kubectl", "taint", "nodes", "--all", "--overwrite", taint)
    try:
        with node_registry.registry(folder), admission.webhook(lab, str(network().host), NAMESPACE, PAUSE_IMAGE, folder):
            yield
    finally:
        lab.run("kubectl", "taint", "nodes", "--all", f"{taint}-")
        lab.run("kubectl", "delete", "priorityclass", "rag-strict", "--ignore-not-found")
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def strict(lab: Lab, cluster: None) -> Iterator[Strict]:  # noqa: ARG001  the cluster is strict while the stack is there
    """Bring up the stack `strict`; destroy it afterwards."""
    _configure({})
    up = lab.pulumi(STACK, "up", "--yes", "--skip-preview", "--non-interactive")
    try:
        yield Strict(lab, up)
    finally:
        destroyed = lab.pulumi(STACK, "destroy", "--yes", "--skip-preview", "--non-interactive")
        assert destroyed.code == 0, destroyed.output
        lab.pulumi(STACK, "stack", "rm", "--yes")


def _configure(over: dict[str, Any]) -> None:
    facts = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]
    images = facts[f"{project.PROJECT}:images"]
    pushed = {reference: node_registry.push(reference, f"lab/{name}") for name, reference in images.items()}
    own = {
        "namespace": NAMESPACE,
        "images": {name: pushed[reference] for name, reference in images.items()},
        "registry": {"pull_secrets": ["mirror"]},
        "pods": {"tolerations": [TAINT], "labels": COST_CENTRE, "annotations": COST_CENTRE, "priority_class": "rag-strict"},
        "pod_security": {"assign_ids": False},
    }
    settings = {f"{project.PROJECT}:{key}": value for key, value in {**own, **over}.items()}
    project.configure(STACK, {**facts, **settings, "kubernetes:upsertExistingObjects": "true"})
    project.select(STACK)


def _run(lab: Lab, *command: str) -> None:
    ended = lab.run(*command)
    assert ended.code == 0, ended.output


def test_the_stack_comes_up_on_it_its_preflight_included(strict: Strict) -> None:
    assert strict.up.code == 0, strict.up.output
    assert re.search(r"preflight:Run \S+ created", strict.up.output), strict.up.output


def test_every_pod_has_an_id_of_the_range_the_sidecar_and_what_the_settings_say(strict: Strict) -> None:
    pods = strict.pods()
    assert {"milvus", "embedding", "llm"} <= {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods}
    for pod in pods:
        name, spec = pod["metadata"]["name"], pod["spec"]
        assert spec["securityContext"]["runAsUser"] == admission.FIRST_ID, name
        assert admission.SIDECAR in {container["name"] for container in spec["containers"]}, name
        assert {"name": "mirror"} in spec["imagePullSecrets"], name
        assert TAINT.items() <= next(each for each in spec["tolerations"] if each["key"] == TAINT["key"]).items() | {("operator", "Equal")}
        assert pod["metadata"]["labels"].items() >= COST_CENTRE.items(), name
        assert pod["metadata"]["annotations"].items() >= COST_CENTRE.items(), name


def test_every_image_was_pulled_from_the_registry_with_the_password(strict: Strict) -> None:
    ours = [each["image"] for pod in strict.pods() for each in pod["spec"]["containers"] if each["name"] != admission.SIDECAR]
    assert ours
    assert all(image.startswith(node_registry.HOST) for image in ours), ours


def test_a_job_that_a_careless_injector_holds_open_is_named_in_words(strict: Strict, tmp_path: Path) -> None:
    image = strict.lab.outputs()["images"]["suite"]
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    main = {
        "name": "main",
        "image": image,
        "command": ["/usr/bin/python3.11", "-c", ""],
        "securityContext": {**restricted, "runAsNonRoot": True},
    }
    pod = {"restartPolicy": "Never", "containers": [main], "tolerations": [{**TAINT, "operator": "Equal"}]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "held-open"}, "spec": {"template": {"spec": pod}}}
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps(job))
    _run(strict.lab, "kubectl", "-n", NAMESPACE, "apply", "-f", str(manifest))
    try:
        found = wait_for(lambda: pod_watch.look(STACK, NAMESPACE) or None, 120, "the Job is not named", "")
    finally:
        strict.lab.run("kubectl", "-n", NAMESPACE, "delete", "job", "held-open")
    assert [(trouble.code, admission.SIDECAR in trouble.problem) for trouble in found] == [("pod.held_open", True)]


def test_milvus_answers(strict: Strict) -> None:
    address = strict.lab.kubectl("-n", NAMESPACE, "get", "service", "milvus")["spec"]["clusterIP"]
    with closing(MilvusClient(uri=f"http://{address}:19530", timeout=30)) as milvus:
        milvus.create_collection("strict", dimension=4, timeout=60)
        milvus.insert("strict", [{"id": 1, "vector": [0.1, 0.2, 0.3, 0.4]}], timeout=60)
        milvus.drop_collection("strict", timeout=60)


def test_a_second_up_changes_nothing(strict: Strict) -> None:
    again = strict.lab.pulumi(STACK, "up", "--yes", "--skip-preview", "--non-interactive", "--expect-no-changes")
    assert again.code == 0, again.output


def test_the_password_is_in_no_object_but_the_secret(strict: Strict) -> None:
    listed = strict.lab.run("kubectl", "-n", NAMESPACE, "get", "pods,configmaps,deployments,jobs,serviceaccounts", "-o", "json").output
    assert node_registry.PASSWORD not in listed
    assert json.loads(listed)["items"]
