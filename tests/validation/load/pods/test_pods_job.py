"""The Indexed Job: what is asked of the Kubernetes API, what is read from pods, and that nothing is left."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.validation.services import Switch, kubeconfig
from validation.clients import kube
from validation.judge.errors import InvalidRunError, UsageError
from validation.load.pods.job import Job, require

TEMPLATE = {
    "metadata": {"name": "load-generator"},
    "template": {
        "metadata": {"labels": {"app.kubernetes.io/name": "suite"}},
        "spec": {
            "containers": [{"name": "generator", "image": "suite@sha256:1", "args": ["pod", "/run/orders"]}],
            "volumes": [{"name": "orders", "secret": {"secretName": "later"}}, {"name": "tmp", "emptyDir": {}}],
        },
    },
}


class Api:
    """As much of the Kubernetes API as a Job needs; remembers what it was asked to make and to remove."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.pods: list[dict[str, Any]] = []
        self.refused: dict[tuple[str, str], int] = {}

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PATCH", "DELETE"])])

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.partition("/namespaces/rag/")[2]
        body = await request.body()
        self.asked.append((request.method, path, json.loads(body) if body else {}))
        status = self.refused.get((request.method, path.partition("/")[0]), 200)
        if status != 200:
            return JSONResponse({"kind": "Status", "code": status, "reason": "Forbidden"}, status)
        if path.endswith("/log"):
            return PlainTextResponse("loading\nMemoryError\n")
        if request.method == "GET":
            return JSONResponse(TEMPLATE if path.startswith("podtemplates") else {"items": self.pods})
        return JSONResponse({"metadata": {"name": "made", "uid": "u1"}})

    def bodies(self, method: str, kind: str) -> list[Any]:
        return [body for asked, path, body in self.asked if asked == method and path.partition("/")[0] == kind]


@pytest.fixture
def api(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, switches: dict[str, tuple[Switch, str]]) -> Api:
    switch, address = switches["kubernetes"]
    found = Api()
    switch.app = found.app()
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(address))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return found


@pytest.fixture
def job(api: Api) -> Iterator[Job]:
    assert api
    kubernetes = kube.connect()
    yield Job(kubernetes.api_client, "rag", "gate-load-1")
    kubernetes.close()


def pod(index: int, name: str = "", phase: str = "Running", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name or f"p{index}", "labels": {"batch.kubernetes.io/job-completion-index": str(index)}}
    deleted = fields.pop("deleted", None)
    return {
        "metadata": metadata | ({"deletionTimestamp": deleted} if deleted else {}),
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"phase": phase, **fields},
    }


def ended(code: int, reason: str) -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason}
    one = {"name": "generator", "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": {"terminated": terminated}}
    return {"containerStatuses": [one]}


def test_the_job_is_the_template_of_the_stack_with_a_secret_of_this_run(api: Api, job: Job) -> None:
    job.make("load-generator", {0: "first", 1: "second"}, 321.5)
    (made,), (secret,), (owned,) = api.bodies("POST", "jobs"), api.bodies("POST", "secrets"), api.bodies("PATCH", "secrets")
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == ("Indexed", 2, 2, 0)
    assert spec["activeDeadlineSeconds"] == 321, "bounded, should the gate be killed"
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["template"]["spec"]["containers"] == TEMPLATE["template"]["spec"]["containers"]  # type: ignore[index]  # plain data
    assert spec["template"]["spec"]["volumes"][0]["secret"]["secretName"] == "gate-load-1"
    assert secret["data"] == {"0.json": "Zmlyc3Q=", "1.json": "c2Vjb25k"}
    assert owned["metadata"]["ownerReferences"] == [{"apiVersion": "batch/v1", "kind": "Job", "name": "gate-load-1", "uid": "u1"}]


def test_everything_is_removed_and_what_cannot_be_is_told_with_the_command(api: Api, job: Job) -> None:
    assert job.remove() == "", "nothing was made"
    assert api.asked == []
    job.make("load-generator", {0: "x"}, 60)
    assert job.remove() == ""
    assert [(method, path) for method, path, _ in api.asked if method == "DELETE"] == [
        ("DELETE", "jobs/gate-load-1"),
        ("DELETE", "secrets/gate-load-1"),
    ]
    api.refused["DELETE", "jobs"] = 404
    assert job.remove() == "", "gone already"
    api.refused["DELETE", "jobs"] = 403
    assert "kubectl -n rag delete job,secret gate-load-1" in job.remove()


@pytest.mark.parametrize(
    ("method", "kind", "what"),
    [
        ("POST", "secrets", "create Secrets"),
        ("GET", "podtemplates", "read the PodTemplate load-generator"),
        ("POST", "jobs", "create Jobs"),
    ],
)
def test_a_right_that_is_missing_is_named(api: Api, job: Job, method: str, kind: str, what: str) -> None:
    api.refused[method, kind] = 403
    with pytest.raises(UsageError, match=rf"may {what} in rag: .*403 .*docs/rbac\.yaml"):
        job.make("load-generator", {0: "x"}, 60)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (pod(1, phase="Failed", **ended(137, "OOMKilled")), r"it failed \(exit code 137, OOMKilled\)"),
        (pod(1, phase="Failed", reason="Evicted"), r"it failed \(Evicted\)"),
        (pod(1, deleted="2026-01-01T00:00:00Z"), "it is being removed by somebody"),
        (pod(1, name="other"), "it is gone; somebody, or its node, removed it"),
        (None, "it is gone"),
    ],
)
def test_a_pod_that_will_bring_nothing_is_named_with_its_last_words(api: Api, job: Job, second: dict[str, Any] | None, reason: str) -> None:
    api.pods = [pod(0), pod(1)]
    require(job.pods(), job)
    api.pods = [pod(0), *([second] if second else [])]
    with pytest.raises(InvalidRunError, match=rf"load generator 1, pod p1: {reason}.*it said last: loading \| MemoryError"):
        require(job.pods(), job)


def beside_endless(code: int | None) -> dict[str, Any]:
    """A generator that ended, or runs, beside a container that somebody injected and that never ends."""
    endless = {"name": "proxy", "image": "i", "imageID": "i", "ready": True, "restartCount": 0, "state": {"running": {}}}
    own = ended(code, "Error") if code is not None else ended(0, "")
    (generator,) = own["containerStatuses"]
    return {"containerStatuses": [endless, generator if code is not None else {**generator, "state": {"running": {}}}]}


def test_beside_an_endless_container_a_generator_is_judged_by_its_own_end(api: Api, job: Job) -> None:
    api.pods = [pod(0, **beside_endless(0)), pod(1, **beside_endless(None)), pod(2, **beside_endless(1))]
    assert [each.failure for each in job.pods().values()] == ["", "", "it failed (exit code 1, Error)"]


def test_the_end_of_another_container_is_not_that_of_the_generator(api: Api, job: Job) -> None:
    failed = ended(0, "Completed")
    failed["containerStatuses"].append({**failed["containerStatuses"][0], "name": "proxy", "state": {"terminated": {"exitCode": 143}}})
    api.pods = [pod(0, phase="Failed", **failed)]
    require(job.pods(), job)


def test_a_pod_that_ended_well_is_no_failure_also_while_it_is_removed(api: Api, job: Job) -> None:
    api.pods = [pod(0, phase="Succeeded", deleted="2026-01-01T00:00:00Z", **ended(0, "Completed"))]
    require(job.pods(), job)


def test_what_a_pod_waits_for_is_what_the_scheduler_or_the_kubelet_says(api: Api, job: Job) -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    pulling = {"name": "generator", "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": waiting}
    unplaced = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    api.pods = [pod(0, phase="Pending", containerStatuses=[pulling]), pod(1, phase="Pending", conditions=[unplaced]), pod(2)]
    assert [one.waits_for for one in job.pods().values()] == ["ErrImagePull: not found", "0/1 nodes are available", ""]
