"""Making a thing once, whatever happens to the answers; and waiting for the task that does it."""

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from components.greenlake.errors import Refused, TaskFailed, Unanswered
from components.greenlake.session import Session
from components.s3.errors import StoreError

T = TypeVar("T")
_LOOKS = 6
_FIRST_WAIT_S = 0.25
_TASK_TIMEOUT_S = 600.0
_DEFAULT_INTERVAL_S = 2.0
_SHORTEST_INTERVAL_S = 0.1
_TELL_S = 30.0
_GOING_ON = frozenset({"INITIALIZED", "RUNNING", "PAUSED"})
_PLACES = ("/data-services/v1beta1/async-operations/{id}", "/api/v1/tasks/{id}")
"""Where a task is found by its id: the current API, and the older one."""


def once(look: Callable[[], T | None], make: Callable[[], T], what: str) -> T:
    """Give what is there, else make it; after an answer that was lost, look again before making it again."""
    doubt = ""
    for attempt in range(_LOOKS):
        found = look()
        if found is not None:
            return found
        try:
            return make()
        except Unanswered as error:
            doubt = str(error)
        except Refused:
            if not doubt:  # else the call before, whose answer was lost, may still be at work
                raise
        time.sleep(_FIRST_WAIT_S * 2**attempt)
    raise StoreError(f"cannot {what}: {doubt} ({_LOOKS} times). Cure: run `pulumi up` again later; it goes on where this one ended.")


def done(session: Session, submitted: dict[str, Any], what: str) -> None:
    """Wait for a task; TaskFailed with what it says, StoreError for one that takes too long."""
    task_id = str(submitted["taskUri"]).rstrip("/").rpartition("/")[2]
    began = told = time.monotonic()
    while True:
        task = _task(session, task_id, what)
        state = task.get("state", "UNSPECIFIED")
        if state == "SUCCEEDED":
            return
        if state not in _GOING_ON:
            raise TaskFailed(f"cannot {what}: the task {task_id} ended as {state}: {_reason(task)}. Cure: see it in HPE GreenLake, Tasks.")
        if time.monotonic() - began > _TASK_TIMEOUT_S:
            raise StoreError(
                f"cannot {what}: the task {task_id} is still {state} at {task.get('progressPercent')} % after {_TASK_TIMEOUT_S:.0f} s. "
                f"Cure: see it in HPE GreenLake, Tasks; when it is done, `pulumi up` goes on from there."
            )
        told = _tell(told, f"{what}: task {task_id} is {state} at {task.get('progressPercent')} %")
        time.sleep(max(_SHORTEST_INTERVAL_S, float(task.get("suggestedPollingIntervalSeconds", _DEFAULT_INTERVAL_S))))


def _task(session: Session, task_id: str, what: str) -> dict[str, Any]:
    for place in _PLACES:
        found = session.look(place.format(id=task_id))
        if found is not None:
            return found
    raise StoreError(f"cannot {what}: the API knows nothing of its own task {task_id}. Cure: look in HPE GreenLake, Tasks.")


def _reason(task: dict[str, Any]) -> str:
    error = task.get("error")
    if isinstance(error, dict):
        return ": ".join(str(error[name]) for name in ("errorCode", "error", "message") if error.get(name)) or "no reason given"
    return str(error) if error else "no reason given"


def _tell(told: float, text: str) -> float:
    """Say so now and then on standard error, which Pulumi shows."""
    if time.monotonic() - told < _TELL_S:
        return told
    print(text, file=sys.stderr, flush=True)
    return time.monotonic()
