"""Misbehaviour on request: each fault is asked for by POST /emulator/faults, and happens to the next matching requests.

{"kind": "status", "status": 503, "retry_after": 1, "method": "POST", "path": "/users", "times": 2}
{"kind": "lost", ...}       the request is done, its answer never arrives
{"kind": "slow", "seconds": 5, ...}     the task of the request takes so long
{"kind": "fail", "message": "...", ...}     the task of the request fails
{"kind": "expire"}      every token that was given out is worth nothing from now on
{"kind": "page", "size": 2}     no list has more items a page, from now on
"""

import threading
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["status", "lost", "slow", "fail", "expire", "page"]


@dataclass
class Fault:
    """One kind of misbehaviour, and how often it is still to come."""

    kind: Kind
    method: str = ""
    """HTTP method; "" for any."""
    path: str = ""
    """What the path ends with, or contains; "" for any."""
    times: int = 1
    status: int = 503
    retry_after: str = ""
    seconds: float = 0
    message: str = "told to fail"
    size: int = 0

    @classmethod
    def of(cls, asked: dict[str, Any]) -> "Fault":
        """From JSON; ValueError for a kind that is none."""
        if asked.get("kind") not in get_args(Kind):
            raise ValueError(f"kind {asked.get('kind')!r} is none of {', '.join(get_args(Kind))}")
        return cls(**asked)

    def fits(self, method: str, path: str) -> bool:
        """Whether it is meant for this request."""
        return self.method in {"", method} and self.path in path


class Faults:
    """Those that are still to come, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let it happen to the next requests that fit."""
        with self._lock:
            self._waiting.append(fault)

    def take(self, kind: Kind, method: str, path: str) -> Fault | None:
        """Return the fault of this kind that this request meets, once."""
        with self._lock:
            found = next((one for one in self._waiting if one.kind == kind and one.fits(method, path)), None)
            if found is not None:
                found.times -= 1
                self._waiting = [one for one in self._waiting if one.times > 0]
            return found

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._waiting.clear()
