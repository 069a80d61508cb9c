"""Mutations as tasks: submitted, running, done or failed; the work itself happens in a thread of its own."""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)
PREFIX = "/data-services/v1beta1/async-operations"


class Tasks:
    """All tasks of this process by their id."""

    def __init__(self, polling_s: int) -> None:
        self._polling_s = polling_s
        self._known: dict[str, dict[str, Any]] = {}

    def submit(self, work: Callable[[], None]) -> dict[str, Any]:
        """Begin; return the answer to the request that asked for it."""
        task_id = str(uuid.uuid4())
        task = {
            "id": task_id,
            "state": "INITIALIZED",
            "progressPercent": 0,
            "error": None,
            "suggestedPollingIntervalSeconds": self._polling_s,
        }
        self._known[task_id] = task
        threading.Thread(target=self._run, args=(task, work), daemon=True).start()
        return {"taskUri": f"{PREFIX}/{task_id}", "message": "Successfully submitted", "status": "SUBMITTED"}

    def get(self, task_id: str) -> dict[str, Any] | None:
        """One task as it is now."""
        found = self._known.get(task_id)
        return dict(found) if found is not None else None

    @staticmethod
    def _run(task: dict[str, Any], work: Callable[[], None]) -> None:
        task.update(state="RUNNING", progressPercent=50)
        try:
            work()
        except Exception as error:  # noqa: BLE001  whatever it is, the task has failed with it
            _log.warning("task %s failed: %s", task["id"], error)
            task.update(state="FAILED", error={"errorCode": "ERR_TASK_FAILED", "message": str(error)})
        else:
            task.update(state="SUCCEEDED", progressPercent=100)
