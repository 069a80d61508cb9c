"""One run of the preflight: makes a Job from the PodTemplate that the stack declares, and waits for the verdict of its own container.

Not Pulumi's Job, since that waits until the whole pod has ended: a container that a service mesh, or any other webhook, injects and that
never ends would turn every verdict into a deadline. Whatever is injected is removed with the Job once the verdict is there.

A verdict is final; a store that does not answer is asked twice more, since the network of a new pod may be a moment late. Red raises, so
nothing that depends on it is made, and the next `pulumi up` asks again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.config.config_exception import ConfigException
from pulumi import dynamic
from tenacity import wait_fixed
from urllib3.exceptions import HTTPError

from components import kube_api
from components.dynamic_provider import DynamicResource, Provider, inputs_of
from components.waiting import until

CONTAINER = "preflight"
_TRIES = 3
_LIMIT_S = 600
_EVERY = wait_fixed(1)
_GONE_S = 60
_TIMEOUT_S = (10, 30)
_VERDICTS = {1, 2, 3}
"""Exit codes of the suite that another try does not change: red, wrong usage, proves nothing. 4 is: does not answer."""
_HOPELESS = {"ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
"""Reasons of a container that waits for what nobody but the operator can bring."""
_LAST_LINES = 20


class PreflightError(Exception):
    """The store did not pass, or could not be looked at; the message is for the operator."""


class PreflightRunProvider(Provider):
    """Inputs: `namespace`, `template` (name of the PodTemplate), `job` (name of the Job, which changes with whatever is asked)."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Ask the store."""
        inputs = inputs_of(props)
        with _explained(inputs), kube_api.core() as core:
            run(core, inputs["namespace"], inputs["template"], inputs["job"])
        return dynamic.CreateResult(inputs["job"], inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Ask again, since something else is asked; the Job of before goes."""
        inputs = inputs_of(_news)
        self.create(inputs)
        self.delete(_id, _olds)
        return dynamic.UpdateResult(inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the Job, if it is still there."""
        with _explained(_props), kube_api.core() as core:
            _remove(client.BatchV1Api(core.api_client), _props["namespace"], _props["job"])


class PreflightRun(DynamicResource, module="preflight", name="Run"):
    """One run."""


def run(core: "client.CoreV1Api", namespace: str, template: str, job: str) -> None:
    """Return once the store has passed; PreflightError otherwise."""
    batch = client.BatchV1Api(core.api_client)
    pod = _plain(core, core.read_namespaced_pod_template(template, namespace, _request_timeout=_TIMEOUT_S))["template"]
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": _LIMIT_S, "template": pod}
    body: Any = {"metadata": {"name": job, "labels": pod["metadata"]["labels"]}, "spec": spec}
    for _ in range(_TRIES):
        _remove(batch, namespace, job)
        made = _plain(core, batch.create_namespaced_job(namespace, body, _request_timeout=_TIMEOUT_S))
        code, ended = _verdict(core, made["metadata"])
        if code in {0, *_VERDICTS}:
            break
    if code:
        raise PreflightError(_red(core, namespace, ended["metadata"]["name"], code))
    if any("running" in each["state"] for each in ended["status"]["containerStatuses"]):
        batch.delete_namespaced_job(job, namespace, propagation_policy="Background", _request_timeout=_TIMEOUT_S)


def _plain(core: "client.CoreV1Api", answer: object) -> Any:  # noqa: ANN401  plain data of any shape
    return core.api_client.sanitize_for_serialization(answer)


def _verdict(core: "client.CoreV1Api", job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Exit code of the preflight's own container, and its pod: by the Job's uid, since a pod of an older Job of that name may linger."""
    namespace, selector = job["namespace"], f"batch.kubernetes.io/controller-uid={job['uid']}"
    waits_for = f"no pod was made: kubectl -n {namespace} describe job {job['name']}"

    def look() -> tuple[int, dict[str, Any]] | None:
        nonlocal waits_for
        pods = core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=_TIMEOUT_S)
        for pod in _plain(core, pods)["items"]:
            statuses = pod["status"].get("containerStatuses", [])
            state: dict[str, Any] = next((each.get("state", {}) for each in statuses if each["name"] == CONTAINER), {})
            if "terminated" in state:
                return int(state["terminated"]["exitCode"]), pod
            waits_for = _waits_for(pod, state.get("waiting", {}))
        return None

    try:
        return until(look, timeout_s=_LIMIT_S, wait=_EVERY)
    except TimeoutError:
        raise PreflightError(f"no verdict within {_LIMIT_S} s: {waits_for}") from None


def _waits_for(pod: dict[str, Any], waiting: dict[str, str]) -> str:
    """What its pod waits for; PreflightError where waiting is in vain."""
    name, status = pod["metadata"]["name"], pod["status"]
    if status.get("phase") == "Failed":
        raise PreflightError(f"its pod {name} failed: {status.get('reason', '')} {status.get('message', '')}")
    if waiting.get("reason") in _HOPELESS:
        raise PreflightError(f"its pod {name} cannot start: {waiting['reason']}: {waiting.get('message', '')}")
    unplaced = [each["message"] for each in status.get("conditions", []) if each["type"] == "PodScheduled" and each["status"] == "False"]
    return f"its pod {name} has no node: {unplaced[0]}" if unplaced else f"its pod {name} is {status.get('phase')}"


def _red(core: "client.CoreV1Api", namespace: str, pod: str, code: int) -> str:
    words = ""
    with suppress(ApiException):
        words = core.read_namespaced_pod_log(pod, namespace, container=CONTAINER, tail_lines=_LAST_LINES, _request_timeout=_TIMEOUT_S)
    return f"exit code {code}; its last words:\n{words}"


def _remove(batch: "client.BatchV1Api", namespace: str, job: str) -> None:
    """Remove a Job and its pods, and wait until it is gone."""

    def delete() -> bool | None:
        try:
            batch.delete_namespaced_job(job, namespace, propagation_policy="Foreground", _request_timeout=_TIMEOUT_S)
        except ApiException as error:
            if error.status == kube_api.NOT_FOUND:
                return True
            raise
        return None

    try:
        until(delete, timeout_s=_GONE_S, wait=_EVERY)
    except TimeoutError:
        text = f"the Job of before does not go away within {_GONE_S} s: kubectl -n {namespace} delete job {job}"
        raise PreflightError(text) from None


@contextmanager
def _explained(inputs: dict[str, Any]) -> Iterator[None]:
    """Say in every message which Job it is about, and what to type."""
    namespace, job = inputs["namespace"], inputs["job"]
    cure = f"Cure: mend that, then `pulumi up` again; all it said: kubectl -n {namespace} logs job/{job} -c {CONTAINER}"
    try:
        yield
    except PreflightError as error:
        raise PreflightError(f"the preflight {job} did not pass: {error}\n{cure}") from None
    except ApiException as error:
        raise PreflightError(f"the preflight {job}: the Kubernetes API answers {error.status} ({error.reason}): {error.body}") from None
    except (ConfigException, HTTPError, OSError) as error:
        raise PreflightError(f"the preflight {job}: {error}. Cure: does `kubectl get namespaces` work in this shell?") from None
