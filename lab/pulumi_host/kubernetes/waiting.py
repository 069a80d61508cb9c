"""Waits until objects work, or are gone: shows why they do not yet, and gives up in time with reasons that can be acted on.

Owns the polling, the time limit and asking around (pods, events, logs). Judging is `readiness`, wording is `pods`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .cluster import Cluster, Reference
from .errors import InvalidInputError, NotReadyError, RefusedError, UnreachableError
from .handler import Progress
from .pods import selector_of, troubles, warnings
from .readiness import READY, Related, Verdict, judge
from .wire import Object

DEFAULT_TIMEOUT_S = 600
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
MAX_PODS_NAMED = 3
MAX_EVENTS_NAMED = 3
LOG_LINES = 10

SKIP_ANNOTATION = "pulumi.com/skipAwait"
TIMEOUT_ANNOTATION = "pulumi.com/timeoutSeconds"


class CancelledError(Exception):
    """The user pressed Ctrl-C."""


def time_limit_s(live: Object, custom_s: float) -> float:
    """Seconds to wait: `customTimeouts`, else the object's annotation, else ten minutes."""
    annotation = (live["metadata"].get("annotations") or {}).get(TIMEOUT_ANNOTATION) or DEFAULT_TIMEOUT_S
    try:
        return custom_s or float(annotation)
    except ValueError as error:
        path = f'metadata.annotations["{TIMEOUT_ANNOTATION}"]'
        raise InvalidInputError(path, f"{annotation!r} is not a number of seconds, so nobody knows how long to wait") from error


def is_skipped(live: Object) -> bool:
    """Whether the object asks not to be waited for."""
    return str((live["metadata"].get("annotations") or {}).get(SKIP_ANNOTATION, "")).lower() == "true"


class Waiter:
    """Waits for objects of one cluster. `cancelled` ends every wait at once."""

    def __init__(self, cluster: Cluster, progress: Progress, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._progress = progress
        self._cancelled = cancelled

    def until_ready(self, urn: str, live: Object, timeout_s: float) -> Object:
        """The live object once it works; NotReadyError with the reasons, and the object as its state, if it does not."""
        latest = live

        def look() -> Verdict:
            nonlocal latest
            latest = self._cluster.get(Reference.of(live)) or live
            return judge(latest, self._related(latest))

        verdict = judge(live, self._related(live))
        try:
            if not verdict.ready:
                verdict = self._poll(urn, look, lambda: self.troubles(latest), timeout_s)
        except CancelledError:
            raise NotReadyError(["waiting was cancelled; the object was made, the next pulumi up waits for it again"], latest) from None
        if verdict.ready:
            return latest
        limit = "" if verdict.final else f" after {timeout_s:g} s"
        raise NotReadyError([f"not ready{limit}: {verdict.why}", *self.troubles(latest, with_logs=True)], latest)

    def reasons(self, live: Object, *, with_logs: bool = False) -> list[str]:
        """Why an object does not work right now; empty if it does, or if nobody is to wait for it."""
        verdict = READY if is_skipped(live) else judge(live, self._related(live))
        return [] if verdict.ready else [f"not ready: {verdict.why}", *self.troubles(live, with_logs=with_logs)]

    def until_gone(self, urn: str, at: Reference, uid: str, timeout_s: float) -> None:
        """Return once the object with this uid does not exist any more."""

        def look() -> Verdict:
            live = self._cluster.get(at)
            return (
                READY if live is None or live["metadata"].get("uid") != uid else Verdict(ready=False, why=f"waits to go: {_holding(live)}")
            )

        try:
            verdict = self._poll(urn, look, list, timeout_s)
        except CancelledError:
            raise RefusedError(f"waiting for the deletion of {at} was cancelled; it goes on without us") from None
        if not verdict.ready:
            raise RefusedError(f"{at} still exists after {timeout_s:g} s: {verdict.why}. See: kubectl describe {at.kind.lower()} {at.name}")

    def troubles(self, live: Object, *, with_logs: bool = False) -> list[str]:
        """What is wrong with the pods of a workload, or, where it has none, what the events say of it."""
        namespace = live["metadata"].get("namespace")
        with suppress(RefusedError, UnreachableError):  # a reason that cannot be had must not hide the failure itself
            found = troubles(self._pods(live, namespace))[:MAX_PODS_NAMED]
            lines = [f"{one}{self._log(namespace, one.pod, one.container) if with_logs and one.container else ''}" for one in found]
            return lines or [f"event: {text}" for text in self._events(live, namespace)]
        return []

    def _pods(self, live: Object, namespace: str | None) -> Sequence[Object]:
        if live["kind"] == "Pod":
            return [live]
        selector = selector_of(live)
        return [] if selector is None else self._cluster.list("v1", "Pod", namespace, label_selector=selector)

    def _events(self, live: Object, namespace: str | None) -> list[str]:
        selector = f"involvedObject.uid={live['metadata'].get('uid', '')}"
        return warnings(self._cluster.list("v1", "Event", namespace, field_selector=selector))[-MAX_EVENTS_NAMED:]

    def _log(self, namespace: str | None, pod: str, container: str) -> str:
        text = self._cluster.last_log_lines(namespace or "default", pod, container, LOG_LINES).strip()
        return "; its last words:\n" + "\n".join(f"    {line}" for line in text.splitlines()) if text else ""

    def _related(self, live: Object) -> Related:
        namespace = live["metadata"].get("namespace")
        if live["kind"] == "PersistentVolumeClaim":
            return Related(binding_mode=self._binding_mode(live["spec"].get("storageClassName")))
        if live["kind"] == "Service" and live.get("spec", {}).get("selector"):
            label = f"kubernetes.io/service-name={live['metadata']['name']}"
            slices = self._cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace, label_selector=label)
            ends = [end for one in slices for end in one.get("endpoints") or []]
            return Related(ready_endpoints=sum(end.get("conditions", {}).get("ready") is not False for end in ends))
        return Related()

    def _binding_mode(self, class_name: str | None) -> str | None:
        if not class_name:
            return None
        found = self._cluster.get(Reference("storage.k8s.io/v1", "StorageClass", class_name))
        return found.get("volumeBindingMode") if found else None

    def _poll(self, urn: str, look: Callable[[], Verdict], why: Callable[[], list[str]], timeout_s: float) -> Verdict:
        """Look until ready, hopeless or out of time; the last verdict. CancelledError when the user wants to stop."""
        deadline, pause_s = time.monotonic() + timeout_s, FIRST_PAUSE_S
        while True:
            try:
                verdict = look()
            except UnreachableError as error:  # it may come back: keep looking until time is out
                verdict = Verdict(ready=False, why=str(error))
            left_s = deadline - time.monotonic()
            if verdict.ready or verdict.final or left_s <= 0:
                return verdict
            self._progress.status(urn, "; ".join([verdict.why, *why()]))
            if self._cancelled.wait(min(pause_s, left_s)):
                raise CancelledError
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


def _holding(live: Object) -> str:
    """What keeps a deleted object: a namespace says it in its conditions, everything else by its finalizers."""
    conditions = (live.get("status") or {}).get("conditions") or []
    if live["kind"] == "Namespace":
        said = [one.get("message", "") for one in conditions if one.get("status") == "True"]
        return "; ".join(said) or "its content is being deleted"
    finalizers = live["metadata"].get("finalizers") or []
    held = [one for one in finalizers if one != "foregroundDeletion"]
    return f"finalizers {', '.join(held)}" if held else "what it owns goes first"
