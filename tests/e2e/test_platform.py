"""The platform's API server takes every object of the most and the most difficult environment, and a verdict is there beside a sidecar."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiException, BatchV1Api

from components import kube_api
from components.preflight import PreflightError, run
from stacks import environments, rendering
from stacks.environments import Environment
from stacks.images import chart
from tests.e2e.lab import Lab
from tests.stacks import difficult
from tests.stacks.models import test_rules
from tests.stacks.models.engines import CASES

pytestmark = pytest.mark.e2e

NAMESPACE = "platform-e2e"
WITHOUT_DEFINITION = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject"}
"""Kinds of operators that the lab has not, so they are left out here; tests/stacks/test_difficult.py reads the monitors."""
ENVIRONMENTS: Mapping[str, Callable[[], Environment]] = {
    "prod": lambda: environments.load("prod", own_files_only=True),
    "difficult": difficult.environment,
}
CHART = "MILVUS_CHART"
"""Environment variable with the directory of an official chart, its dependencies included."""


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace of these tests, which nothing in it outlives."""
    assert lab.run("kubectl", "create", "namespace", NAMESPACE).code == 0
    try:
        yield NAMESPACE
    finally:
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def taken(lab: Lab, manifests: Sequence[Mapping[str, Any]], folder: Path) -> tuple[int, int, str]:
    """Exit code, number of objects taken and output of a strict dry run on the server, in the namespace of these tests."""
    items = [
        {**item, "metadata": {**item["metadata"], **({"namespace": NAMESPACE} if item["kind"] != "Namespace" else {})}}
        for item in manifests
        if "apiVersion" in item and item["kind"] not in WITHOUT_DEFINITION
    ]
    path = folder / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    ended = lab.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    return ended.code, len(items) - ended.output.count("(server dry run)"), ended.output


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_api_server_takes_every_object_of_the_stack(lab: Lab, namespace: str, name: str, tmp_path: Path) -> None:
    assert namespace
    manifests = [known(item.manifest) for item in rendering.render(ENVIRONMENTS[name]()).objects if item.origin == "stack"]
    code, left, output = taken(lab, manifests, tmp_path)
    assert (code, left) == (0, 0), output


def test_the_api_server_takes_the_objects_of_every_engine(lab: Lab, namespace: str, tmp_path: Path) -> None:
    assert namespace
    manifests = [item.inputs for name in CASES for item in test_rules.declared(name)]
    code, left, output = taken(lab, manifests, tmp_path)
    assert (code, left) == (0, 0), output
    assert len(manifests) > 50


@pytest.mark.skipif(CHART not in os.environ, reason=f"{CHART} names no directory with an official chart of Milvus")
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_api_server_takes_every_object_that_the_official_chart_makes_of_the_values(
    lab: Lab, namespace: str, name: str, tmp_path: Path
) -> None:
    assert namespace
    asked = rendering.release(ENVIRONMENTS[name]())
    manifests = chart.template(asked, Path(os.environ[CHART]))
    code, left, output = taken(lab, manifests, tmp_path)
    assert (code, left) == (0, 0), output
    assert len(manifests) > 10


def known(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """With a name for what only the cluster would say, and something for what is secret."""
    text = json.dumps(manifest).replace('"stringData": "<secret>"', '"stringData": {"key": "hidden"}')
    return dict(json.loads(text.replace("<known after pulumi up>", "known-later")))


@pytest.fixture
def preflight(lab: Lab, namespace: str) -> Iterator[Any]:
    """Make a template whose pod has an injected container that never ends, run it, and return how many Jobs are left."""
    image = lab.outputs()["images"]["suite"]

    def ask(script: str, image: str = image) -> int:
        own = {"name": "preflight", "image": image, "command": ["sh", "-c", script]}
        endless = {"name": "mesh", "image": lab.outputs()["images"]["suite"], "command": ["sleep", "100000"]}
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [own, endless]}
        template = {"metadata": {"labels": {"app": "preflight"}}, "spec": spec}
        body: Any = {"metadata": {"name": "preflight"}, "template": template}
        with kube_api.core() as core:
            with suppress(ApiException):
                core.delete_namespaced_pod_template("preflight", namespace)
            core.create_namespaced_pod_template(namespace, body)
            run(core, namespace, "preflight", "preflight-e2e")
            return len(BatchV1Api(core.api_client).list_namespaced_job(namespace).items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", lab.environment()["KUBECONFIG"])
        yield ask
    lab.run("kubectl", "-n", namespace, "delete", "job", "preflight-e2e", "--ignore-not-found")


def test_a_store_that_passes_is_a_pass_beside_a_container_that_never_ends_and_nothing_runs_on(preflight: Any) -> None:
    assert preflight("echo RESULT: PASS") == 0


def test_a_red_verdict_beside_it_is_told_with_its_last_words(preflight: Any) -> None:
    with pytest.raises(PreflightError, match=r"(?s)exit code 1; its last words:.*RESULT: FAIL"):
        preflight("echo RESULT: FAIL; exit 1")


def test_an_image_that_cannot_be_pulled_is_told_and_not_waited_for(preflight: Any) -> None:
    with pytest.raises(PreflightError, match=r"cannot start: (ImagePullBackOff|ErrImageNeverPull)"):
        preflight("true", image="registry.invalid/nothing:1")


@pytest.mark.proof
def test_a_store_that_does_not_answer_is_asked_three_times(lab: Lab, namespace: str, preflight: Any) -> None:
    def pods_made() -> int:
        return len(lab.kubectl("-n", namespace, "get", "events", "--field-selector", "reason=SuccessfulCreate")["items"])

    before = pods_made()
    with pytest.raises(PreflightError, match="exit code 4"):
        preflight("exit 4")
    assert pods_made() - before == 3
