"""Look at an environment's pods while `pulumi up` waits for them, and say within seconds which of them cannot start, and why.

A cause is told when it is there at two looks in a row, so that what mends itself stays unsaid; and again every five minutes while it lasts.
It never ends the `up`: what is cured meanwhile comes up by itself, and Pulumi that is ended in the middle leaves a release half-done.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from components import kube_api
from stacks.operations import cluster
from stacks.operations.pods import Snapshot, Trouble, find_troubles
from stacks.problems import UnansweredError

EVERY_S = 5.0
_AGAIN_AFTER_S = 300
_LOG_LINES = 5
_NO_LOG = "unable to retrieve container logs"  # what the kubelet answers in place of a log that it has removed


def look(environment: str, namespace: str) -> list[Trouble]:
    """Return what keeps pods from starting at this moment; UnansweredError where the cluster does not answer."""
    with cluster.api(f"the pods of {namespace!r} cannot be looked at", f"kubectl -n {namespace} get pods") as api:
        apps, batch, core = client.AppsV1Api(api), client.BatchV1Api(api), client.CoreV1Api(api)
        kinds = {"ReplicaSet": apps.list_namespaced_replica_set, "StatefulSet": apps.list_namespaced_stateful_set}
        kinds["Job"] = batch.list_namespaced_job
        seen = Snapshot(
            environment=environment,
            namespace=namespace,
            now=datetime.now(UTC),
            pods=kube_api.items(core.list_namespaced_pod, namespace),
            events=kube_api.items(core.list_namespaced_event, namespace),
            controllers=[{"kind": kind, **item} for kind, listed in kinds.items() for item in kube_api.items(listed, namespace)],
        )
        return [_with_log(api, trouble, namespace) for trouble in find_troubles(seen)]


def pods(namespace: str, **chosen: str) -> list[dict[str, Any]]:
    """Return the pods of a namespace, those that `label_selector` chooses; UnansweredError where the cluster does not answer."""
    with cluster.api("the pods cannot be listed", f"kubectl -n {namespace} get pods") as api:
        return kube_api.items(client.CoreV1Api(api).list_namespaced_pod, namespace, **chosen)


def _with_log(api: client.ApiClient, trouble: Trouble, namespace: str) -> Trouble:
    if trouble.log is None:
        return trouble
    pod, container = trouble.log
    core = client.CoreV1Api(api)
    for previous in (True, False):
        try:
            options = {"container": container, "previous": previous, "tail_lines": _LOG_LINES}
            words = kube_api.answer(core.read_namespaced_pod_log, pod, namespace, **options).decode(errors="replace").strip()
        except ApiException:
            continue
        if words and not words.startswith(_NO_LOG):
            return replace(trouble, problem=f"{trouble.problem}; its last lines:\n      " + words.replace("\n", "\n      "))
    return trouble


@dataclass
class Watch:
    """What was seen of one environment so far, and what of it was told."""

    environment: str
    namespace: str
    tell: Callable[[str], None]
    troubles: list[Trouble] = field(default_factory=list)  # of the last look
    _told: dict[tuple[str, ...], float] = field(default_factory=dict)
    _before: set[tuple[str, ...]] = field(default_factory=set)

    def step(self) -> None:
        """Look once, and tell what is there for the second time in a row; an API that does not answer is told once, and asked again."""
        try:
            self.troubles = look(self.environment, self.namespace)
        except UnansweredError as error:
            if self._is_news((error.code,)):
                self.tell(str(error))
            return
        for trouble in self.troubles:
            if trouble.identity in self._before and self._is_news(trouble.identity):
                self.tell(str(trouble))
        self._before = {trouble.identity for trouble in self.troubles}

    def _is_news(self, identity: tuple[str, ...]) -> bool:
        if news := time.monotonic() - self._told.get(identity, -math.inf) > _AGAIN_AFTER_S:
            self._told[identity] = time.monotonic()
        return news

    def run(self, end: Event, every_s: float = EVERY_S) -> None:
        """Look until `end` is set."""
        while not end.wait(every_s):
            self.step()


@contextmanager
def watching(environment: str, namespace: str, tell: Callable[[str], None]) -> Iterator[Watch]:
    """Watch while the block runs."""
    watch, end = Watch(environment, namespace, tell), Event()
    thread = Thread(target=watch.run, args=(end,), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        end.set()
        thread.join(timeout=EVERY_S)
