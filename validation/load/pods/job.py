"""The Indexed Job: made from the pod template that the stack declares, with a Secret of its own for the orders, and removed at the end.

Image, account, security, resources and trust are the template's, so that the rules over the stack hold for these pods as well; the gate
adds how many there are, and which Secret they read. Should the gate be killed, the Job ends by its own deadline and takes the Secret along.
"""

import base64
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from validation.judge.errors import InvalidRunError, UnreachableError, UsageError

_TIMEOUT_S = (10, 30)
_GONE_PATIENCE_S = 30.0
CONTAINER = "generator"  # the container of the template that is the generator; others may be beside it
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod, as far as its end may be the end of the run."""

    name: str
    index: int
    node: str
    failure: str  # why it will bring no result; "" as long as it may
    waits_for: str  # why it does not run yet; "" when it does


class Job:
    """One Indexed Job and its Secret."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._core, self._batch = client.CoreV1Api(api), client.BatchV1Api(api)
        self._api, self._namespace, self._name, self._made = api, namespace, name, False
        self._seen: dict[int, Pod] = {}

    def make(self, template: str, orders: Mapping[int, str], deadline_s: float) -> None:
        """Make both; every pod is for one of `orders`."""
        self._made, name, namespace = True, self._name, self._namespace
        data = {f"{index}.json": base64.b64encode(text.encode()).decode() for index, text in orders.items()}
        secret: Any = {"metadata": {"name": name}, "type": "Opaque", "data": data}
        self._ask("create Secrets", self._core.create_namespaced_secret, namespace, secret)
        made = self._ask("create Jobs", self._batch.create_namespaced_job, namespace, self._body(template, len(orders), deadline_s))
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": made.metadata.uid if made.metadata else ""}
        self._ask("patch Secrets", self._core.patch_namespaced_secret, name, namespace, {"metadata": {"ownerReferences": [owner]}})

    def _body(self, template: str, pods: int, deadline_s: float) -> Any:  # noqa: ANN401 - as the client takes it
        declared = self._ask(f"read the PodTemplate {template}", self._core.read_namespaced_pod_template, template, self._namespace)
        pod: dict[str, Any] = self._api.sanitize_for_serialization(declared.template)  # type: ignore[no-untyped-call]
        for volume in pod["spec"].get("volumes", []):
            if volume["name"] == "orders":
                volume["secret"]["secretName"] = self._name
        spec = {"completionMode": "Indexed", "completions": pods, "parallelism": pods, "template": pod}
        spec["backoffLimitPerIndex"] = 0  # a generator that failed cannot join a run that began; the others end by themselves
        spec |= {"activeDeadlineSeconds": int(deadline_s), "ttlSecondsAfterFinished": 600}
        metadata = {"name": self._name, "labels": pod["metadata"]["labels"]}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    def pods(self) -> dict[int, Pod]:
        """Return the pods by index; one that was seen and is not there any more stays, as a failure."""
        now = {pod.name: pod for pod in map(_pod, self._ask("list pods", self._list).items)}
        for index, before in self._seen.items():
            if before.name not in now and not before.failure:
                self._seen[index] = replace(before, failure="it is gone; somebody, or its node, removed it")
        self._seen |= {pod.index: pod for pod in now.values() if pod.index not in self._seen or self._seen[pod.index].name == pod.name}
        return self._seen

    def last_words(self, pod: str) -> str:
        """Return the last lines of a pod's log, on one line; "" where there is none any more."""
        with suppress(ApiException, HTTPError):
            options: Any = {"container": CONTAINER, "tail_lines": 6, "_request_timeout": _TIMEOUT_S}
            log = self._core.read_namespaced_pod_log(pod, self._namespace, **options)
            return " | ".join(line.strip() for line in log.splitlines() if line.strip())
        return ""

    def remove(self) -> str:
        """Remove Job, pods and Secret, and wait until the pods are gone; return what to type where that failed, else ""."""
        if not self._made:
            return ""
        name, namespace = self._name, self._namespace
        try:
            gone(self._batch.delete_namespaced_job, name, namespace, propagation_policy="Background")
            gone(self._core.delete_namespaced_secret, name, namespace)
            deadline_s = time.monotonic() + _GONE_PATIENCE_S
            while self._list(_request_timeout=_TIMEOUT_S).items and time.monotonic() < deadline_s:
                time.sleep(0.5)
        except (ApiException, HTTPError) as error:
            reason = error.reason if isinstance(error, ApiException) else type(error).__name__
            return f"Job and Secret {name} could not be removed ({reason}): kubectl -n {namespace} delete job,secret {name}"
        return ""

    def _list(self, **options: Any) -> client.V1PodList:  # noqa: ANN401 - of the client's call
        return self._core.list_namespaced_pod(self._namespace, label_selector=f"job-name={self._name}", **options)

    def _ask(self, doing: str, request: Callable[..., _Answer], *arguments: Any) -> _Answer:  # noqa: ANN401 - of the client's call
        try:
            return request(*arguments, _request_timeout=_TIMEOUT_S)
        except ApiException as error:
            raise UsageError.of("pods.rights", doing=doing, namespace=self._namespace, status=error.status, reason=error.reason) from None
        except HTTPError as error:
            raise UnreachableError(f"the Kubernetes API does not answer ({type(error).__name__}); type: kubectl cluster-info") from None


def gone(delete: Callable[..., object], *arguments: str, **options: str) -> None:
    """Delete it, if it is there."""
    try:
        delete(*arguments, **options, _request_timeout=_TIMEOUT_S)
    except ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def _pod(pod: client.V1Pod) -> Pod:
    metadata = pod.metadata or client.V1ObjectMeta()
    labels, node = {**(metadata.annotations or {}), **(metadata.labels or {})}, (pod.spec.node_name if pod.spec else None) or ""
    index, waits_for = int(labels.get("batch.kubernetes.io/job-completion-index", -1)), _waits_for(pod.status) if pod.status else ""
    return Pod(name=metadata.name or "?", index=index, node=node, failure=_failure(pod), waits_for=waits_for)


def _failure(pod: client.V1Pod) -> str:
    """By the end of the generator itself: a container that somebody injected may run for ever, and says nothing of the result."""
    status, metadata = pod.status or client.V1PodStatus(), pod.metadata or client.V1ObjectMeta()
    states = [each.state for each in status.container_statuses or [] if each.name == CONTAINER]
    ended = next((state.terminated for state in states if state), None)
    if ended is not None:
        return f"it failed (exit code {ended.exit_code}, {ended.reason})" if ended.exit_code else ""
    if status.phase == "Failed":
        return f"it failed ({status.reason or 'no reason given'})"
    return "it is being removed by somebody" if metadata.deletion_timestamp and status.phase != "Succeeded" else ""


def _waits_for(status: client.V1PodStatus) -> str:
    if status.phase != "Pending":
        return ""
    waiting = [each.state.waiting for each in status.container_statuses or [] if each.state and each.state.waiting]
    reasons = [f"{state.reason}: {state.message or ''}".strip(": ") for state in waiting]
    reasons += [each.message or "" for each in status.conditions or [] if each.type == "PodScheduled" and each.status == "False"]
    return "; ".join(reason for reason in reasons if reason) or "Pending"


def require(pods: Mapping[int, Pod], job: Job) -> None:
    """InvalidRunError with the name, the reason and the last words of the first pod that will bring no result."""
    for index, pod in sorted(pods.items()):
        if pod.failure:
            log = job.last_words(pod.name)
            raise InvalidRunError(f"load generator {index}, pod {pod.name}: {pod.failure}" + (f"; it said last: {log}" if log else ""))
