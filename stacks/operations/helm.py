"""What Helm says of a release, and the two ways out of a half-done one: back to the last good revision, or away with what never was good.

Asks the `helm` on PATH with this shell's KUBECONFIG, as an operator would. Helm never repairs a pending release by itself: it cannot know
whether another helm is still at work on it.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from stacks.problems import UnansweredError, failure

PENDING = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
GOOD = frozenset({"deployed", "superseded"})
_TIMEOUT_S = 1800
_NOT_THERE = "release: not found"


@dataclass(frozen=True)
class Revision:
    """One revision of a release."""

    number: int
    status: str
    updated: datetime
    description: str

    @property
    def age_s(self) -> float:
        """Seconds since Helm wrote it last."""
        return (datetime.now(UTC) - self.updated).total_seconds()


def history(name: str, namespace: str) -> list[Revision]:
    """Revisions, the newest last; none for a release that is not there. Raises UnansweredError."""
    ended = _helm("history", name, "--namespace", namespace, "--output", "json", check=False)
    if _NOT_THERE in ended.stderr:
        return []
    if ended.returncode != 0:
        raise failure("helm_unread", UnansweredError, name=name, namespace=namespace, words=ended.stderr.strip())
    return [
        Revision(each["revision"], each["status"], datetime.fromisoformat(each["updated"]), each.get("description", ""))
        for each in json.loads(ended.stdout)
    ]


def good_revision(name: str, namespace: str) -> int:
    """Newest revision that is good, 0 for none. Raises UnansweredError."""
    return max((revision.number for revision in history(name, namespace) if revision.status in GOOD), default=0)


def installed(name: str, namespace: str) -> tuple[str, str]:
    """Image of Milvus and version of the chart, of the newest revision. Raises UnansweredError."""
    answers = (_helm("get", what, name, "--namespace", namespace, "--output", "json").stdout for what in ("values", "metadata"))
    values, about = map(json.loads, answers)
    return ":".join(values["image"]["all"][part] for part in ("repository", "tag")), about["version"]


def manifest(name: str, namespace: str) -> list[dict[str, Any]]:
    """Objects of the newest revision, as Helm made them. Raises UnansweredError."""
    return [document for document in yaml.safe_load_all(_helm("get", "manifest", name, "--namespace", namespace).stdout) if document]


def roll_back(name: str, namespace: str, revision: int) -> None:
    """Bring a good revision back, and wait until its pods are ready. Raises UnansweredError."""
    _helm("rollback", name, str(revision), "--namespace", namespace, "--wait", "--timeout", f"{_TIMEOUT_S}s")


def remove(name: str, namespace: str) -> None:
    """Remove a release; volumes that Helm was told to keep stay. Raises UnansweredError."""
    _helm("uninstall", name, "--namespace", namespace, "--wait", "--timeout", f"{_TIMEOUT_S}s")


def _helm(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    if shutil.which("helm") is None:
        raise failure("helm_missing", UnansweredError)
    ended = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if check and ended.returncode != 0:
        raise UnansweredError(f"`{' '.join(ended.args)}` did not succeed: {ended.stderr.strip()}", code="helm.failed")
    return ended
