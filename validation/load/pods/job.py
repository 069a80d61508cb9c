"""The Indexed Job: made from the pod template that the stack declares, with a Secret of its own for the orders, and removed at the end.

Image, account, security, resources and trust are the template's, so that the rules over the stack hold for these pods as well; the gate
adds how many there are, and which Secret they read. Should the gate be killed, the Job ends by its own deadline and takes the Secret along.
"""

import base64
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from validation.judge.errors import InvalidRunError, UnreachableError, UsageError

_TIMEOUT_S = (10, 30)
_GONE_PATIENCE_S = 30.0
_KEPT_S = 600
_LOG_LINES = 6
_INDEX = "batch.kubernetes.io/job-completion-index"
_ORDERS = "orders"
CONTAINER = "generator"
"""The container of the template that is the generator; others may be beside it."""
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod, as far as its end may be the end of the run."""

    name: str
    index: int
    node: str
    failure: str
    """Why it will bring no result; "" as long as it may."""
    waits_for: str
    """Why it does not run yet; "" when it does."""


class Job:
    """One Indexed Job and its Secret."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._core, self._batch = client.CoreV1Api(api), client.BatchV1Api(api)
        self._api, self._namespace, self._name = api, namespace, name
        self._seen: dict[int, Pod] = {}
        self._made = False

    def make(self, template: str, orders: Mapping[int, str], deadline_s: float) -> None:
        """Make both; every pod is for one of `orders`."""
        self._made = True
        secret: Any = {
            "metadata": {"name": self._name},
            "type": "Opaque",
            "data": {f"{index}.json": _base64(text) for index, text in orders.items()},
        }
        self._ask("create Secrets", lambda: self._core.create_namespaced_secret(self._namespace, secret, _request_timeout=_TIMEOUT_S))
        body: Any = self._body(template, len(orders), deadline_s)
        made = self._ask("create Jobs", lambda: self._batch.create_namespaced_job(self._namespace, body, _request_timeout=_TIMEOUT_S))
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": self._name, "uid": made.metadata.uid if made.metadata else ""}
        owned = {"metadata": {"ownerReferences": [owner]}}
        self._ask(
            "patch Secrets", lambda: self._core.patch_namespaced_secret(self._name, self._namespace, owned, _request_timeout=_TIMEOUT_S)
        )

    def _body(self, template: str, pods: int, deadline_s: float) -> dict[str, Any]:
        found = self._ask(
            f"read the PodTemplate {template}",
            lambda: self._core.read_namespaced_pod_template(template, self._namespace, _request_timeout=_TIMEOUT_S),
        )
        pod: dict[str, Any] = self._api.sanitize_for_serialization(found.template)  # type: ignore[no-untyped-call]
        for volume in pod["spec"].get("volumes", []):
            if volume["name"] == _ORDERS:
                volume["secret"]["secretName"] = self._name
        spec = {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimitPerIndex": 0,  # a generator that failed cannot join a run that began; the others end by themselves
            "activeDeadlineSeconds": int(deadline_s),
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": pod,
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self._name, "labels": pod["metadata"]["labels"]},
            "spec": spec,
        }

    def pods(self) -> dict[int, Pod]:
        """Return the pods by index; one that was seen and is not there any more stays, as a failure."""
        selector = f"job-name={self._name}"
        found = self._ask(
            "list pods", lambda: self._core.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=_TIMEOUT_S)
        )
        now = {pod.name: pod for pod in map(_pod, found.items)}
        for index, before in self._seen.items():
            if before.name not in now and not before.failure:
                self._seen[index] = Pod(**vars(before) | {"failure": "it is gone; somebody, or its node, removed it"})
        self._seen |= {pod.index: pod for pod in now.values() if pod.index not in self._seen or self._seen[pod.index].name == pod.name}
        return self._seen

    def last_words(self, pod: str) -> str:
        """Return the last lines of a pod's log, on one line; "" where there is none any more."""
        with suppress(ApiException, HTTPError):
            said = self._core.read_namespaced_pod_log(
                pod, self._namespace, container=CONTAINER, tail_lines=_LOG_LINES, _request_timeout=_TIMEOUT_S
            )
            return " | ".join(line.strip() for line in said.splitlines() if line.strip())
        return ""

    def remove(self) -> str:
        """Remove Job, pods and Secret, and wait until the pods are gone; return what to type where that failed, else ""."""
        if not self._made:
            return ""
        try:
            self._gone(
                lambda: self._batch.delete_namespaced_job(
                    self._name, self._namespace, propagation_policy="Background", _request_timeout=_TIMEOUT_S
                )
            )
            self._gone(lambda: self._core.delete_namespaced_secret(self._name, self._namespace, _request_timeout=_TIMEOUT_S))
            self._wait_for_no_pods()
        except (ApiException, HTTPError) as error:
            reason = error.reason if isinstance(error, ApiException) else type(error).__name__
            return (
                f"Job and Secret {self._name} could not be removed ({reason}): kubectl -n {self._namespace} delete job,secret {self._name}"
            )
        return ""

    def _gone(self, delete: Callable[[], object]) -> None:
        try:
            delete()
        except ApiException as error:
            if error.status != 404:  # noqa: PLR2004 - HTTP's number for: there is none
                raise

    def _wait_for_no_pods(self) -> None:
        deadline_s = time.monotonic() + _GONE_PATIENCE_S
        while time.monotonic() < deadline_s:
            if not self._core.list_namespaced_pod(
                self._namespace, label_selector=f"job-name={self._name}", _request_timeout=_TIMEOUT_S
            ).items:
                return
            time.sleep(0.5)

    def _ask(self, doing: str, question: Callable[[], _Found]) -> _Found:
        try:
            return question()
        except ApiException as error:
            raise UsageError(
                f"load generators need an account that may {doing} in {self._namespace}: the Kubernetes API answered {error.status} "
                f"{error.reason}; the rights are in docs/rbac.yaml, the template comes with: pulumi up"
            ) from None
        except HTTPError as error:
            raise UnreachableError(f"the Kubernetes API does not answer ({type(error).__name__}); type: kubectl cluster-info") from None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pod(found: client.V1Pod) -> Pod:
    metadata, status = found.metadata or client.V1ObjectMeta(), found.status
    labels = {**(metadata.annotations or {}), **(metadata.labels or {})}
    return Pod(
        name=metadata.name or "?",
        index=int(labels.get(_INDEX, -1)),
        node=(found.spec.node_name if found.spec else None) or "",
        failure=_failure(found),
        waits_for=_waits_for(status) if status else "",
    )


def _failure(pod: client.V1Pod) -> str:
    """By the end of the generator itself: a container that somebody injected may run for ever, and says nothing of the result."""
    ended = _ended(pod)
    if ended is not None:
        return f"it failed (exit code {ended.exit_code}, {ended.reason})" if ended.exit_code else ""
    if pod.status and pod.status.phase == "Failed":
        return f"it failed ({pod.status.reason or 'no reason given'})"
    if pod.metadata and pod.metadata.deletion_timestamp and not (pod.status and pod.status.phase == "Succeeded"):
        return "it is being removed by somebody"
    return ""


def _ended(pod: client.V1Pod) -> client.V1ContainerStateTerminated | None:
    statuses = (pod.status.container_statuses if pod.status else None) or []
    return next((each.state.terminated for each in statuses if each.name == CONTAINER and each.state), None)


def _waits_for(status: client.V1PodStatus) -> str:
    if status.phase != "Pending":
        return ""
    waiting = [one.state.waiting for one in status.container_statuses or [] if one.state and one.state.waiting]
    reasons = [f"{one.reason}: {one.message or ''}".strip(": ") for one in waiting]
    reasons += [one.message or "" for one in status.conditions or [] if one.type == "PodScheduled" and one.status == "False"]
    return "; ".join(reason for reason in reasons if reason) or "Pending"


def require(pods: Mapping[int, Pod], job: Job) -> None:
    """InvalidRunError with the name, the reason and the last words of the first pod that will bring no result."""
    for index, pod in sorted(pods.items()):
        if pod.failure:
            said = job.last_words(pod.name)
            raise InvalidRunError(f"load generator {index}, pod {pod.name}: {pod.failure}" + (f"; it said last: {said}" if said else ""))
