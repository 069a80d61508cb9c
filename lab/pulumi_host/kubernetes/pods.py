"""Why pods do not run, in one line each: pure functions over plain pods and events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .wire import Object

MAX_LINE_CHARACTERS = 400
QUIET_REASONS = ("ContainerCreating", "PodInitializing")
"""A container waits like this on its way up: nothing to report."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one pod, and the container whose last words would help (empty: none)."""

    pod: str
    text: str
    container: str = ""

    def __str__(self) -> str:
        return f"pod {self.pod}: {self.text}"


def troubles(pods: Iterable[Object]) -> list[Trouble]:
    """What is wrong with those pods that are neither ready nor on their way out."""
    return [found for pod in pods if not _finished(pod) and (found := _trouble(pod)) is not None]


def warnings(events: Iterable[Object]) -> list[str]:
    """Texts of Warning events, the latest last, each once."""
    loud = sorted((one for one in events if one.get("type") == "Warning"), key=_when)
    return list(dict.fromkeys(_line(f"{one.get('reason', '')}: {one.get('message', '')}") for one in loud))


def selector_of(live: Object) -> str | None:
    """Label selector for a workload's pods, as `kubectl -l` takes it; None where the object has no pods."""
    selector = live.get("spec", {}).get("selector")
    if live.get("kind") not in ("Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet") or not isinstance(selector, dict):
        return None
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *(_expression(one) for one in selector.get("matchExpressions") or [])])


def _expression(one: Object) -> str:
    key, operator, values = one["key"], one["operator"], ",".join(one.get("values") or [])
    known = {"Exists": str(key), "DoesNotExist": f"!{key}", "In": f"{key} in ({values})"}
    return known.get(operator, f"{key} notin ({values})")


def _finished(pod: Object) -> bool:
    status = pod.get("status", {})
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or [])
    return bool(ready or status.get("phase") == "Succeeded" or pod["metadata"].get("deletionTimestamp"))


def _trouble(pod: Object) -> Trouble | None:
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        text = _container_text(container)
        if text:
            return Trouble(name, _line(f"container {container['name']} {text}"), _container_to_read(container))
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Trouble(name, _line(f"cannot be scheduled: {condition.get('message', condition.get('reason', ''))}"))
    if status.get("phase") == "Failed":
        return Trouble(name, _line(f"failed: {status.get('reason', '')} {status.get('message', '')}"))
    return _unready(name, status)


def _unready(name: str, status: Object) -> Trouble | None:
    containers: Sequence[Object] = status.get("containerStatuses") or []
    running = [one["name"] for one in containers if "running" in one.get("state", {}) and not one.get("ready")]
    return Trouble(name, f"container {running[0]} runs but its readiness probe does not succeed", running[0]) if running else None


def _container_text(container: Object) -> str:
    state = container.get("state", {})
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting and waiting.get("reason") not in (*QUIET_REASONS, None):
        return f"waits: {waiting['reason']}: {waiting.get('message', '')}{_last_end(container)}"
    if ended and ended.get("exitCode") != 0:
        return f"ended with code {ended.get('exitCode')} ({ended.get('reason', '')})"
    return ""


def _last_end(container: Object) -> str:
    last = (container.get("lastState") or {}).get("terminated")
    return f"; it last ended with code {last.get('exitCode')} ({last.get('reason', '')})" if last else ""


def _container_to_read(container: Object) -> str:
    state = container.get("state", {})
    has_run = container.get("restartCount", 0) > 0 or "terminated" in state or "terminated" in (container.get("lastState") or {})
    return str(container["name"]) if has_run else ""


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def _line(text: str) -> str:
    """One line of bounded length."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_LINE_CHARACTERS else flat[: MAX_LINE_CHARACTERS - 1] + "…"
