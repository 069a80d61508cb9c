"""What a killed Pulumi leaves in a file backend. Files are read directly: `./rag status` asks before there is a Pulumi."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.processes import started_at


@dataclass(frozen=True)
class Checkpoint:
    """The state of one stack in the backend under `home`."""

    home: Path
    project: str
    stack: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.home / "backend" / ".pulumi" / "stacks" / self.project / f"{self.stack}.json"

    def is_there(self) -> bool:
        """Return whether the backend has this stack."""
        return self.path.exists()

    def _latest(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads(self.path.read_text())["checkpoint"].get("latest") or {} if self.is_there() else {}
        return latest

    def _resources(self) -> list[dict[str, Any]]:
        return self._latest().get("resources") or []

    def is_empty(self) -> bool:
        """Return whether nothing has been made yet."""
        return not self._resources()

    def outputs(self) -> dict[str, Any]:
        """Return what the stack exports, as of the last `pulumi up`."""
        return next((resource.get("outputs") or {} for resource in self._resources() if resource["type"] == "pulumi:pulumi:Stack"), {})

    def has_string_data(self) -> bool:
        """Return whether a Secret is kept as `stringData`, which Pulumi's own kubernetes plugin keeps as `data`."""
        return any("stringData" in (resource.get("inputs") or {}) for resource in self._resources())

    def has_pending(self) -> bool:
        """Return whether a Pulumi was killed while it made something."""
        return bool(self._latest().get("pending_operations"))

    def drop_torn(self) -> None:
        """Remove the empty file of attributes that a Pulumi leaves which was killed while it wrote: none could read the state again."""
        attributes = self.path.with_name(f"{self.path.name}.attrs")
        if attributes.exists() and not attributes.stat().st_size:
            print(f"  note   a killed pulumi left {attributes} empty: removed; the state itself is whole", flush=True)
            attributes.unlink()

    def locks(self) -> Iterator[tuple[Path, int]]:
        """Yield each lock on the stack, with the process that wrote it."""
        for lock in (self.home / "backend" / ".pulumi" / "locks").rglob(f"{self.stack}/*.json"):
            yield lock, json.loads(lock.read_text())["pid"]

    def trouble(self) -> str:
        """Return what a killed Pulumi left, "" for nothing."""
        if any(not holds(pid, lock) for lock, pid in self.locks()):
            return "a killed Pulumi left its lock on the stack"
        if self.has_pending() and not any(self.locks()):
            return "a Pulumi was killed while it made something"
        return ""


def holds(pid: int, lock: Path) -> bool:
    """Return whether that process wrote the lock: a pulumi that started later, after a restart of the machine perhaps, did not."""
    try:
        is_pulumi = Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
        return is_pulumi and started_at(pid) <= lock.stat().st_mtime + 1
    except (FileNotFoundError, ProcessLookupError):
        return False
