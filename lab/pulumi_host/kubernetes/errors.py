"""Everything that can go wrong, in words that say what was seen, what it breaks and what cures it.

StandInError
├── InvalidInputError   a property that can never work; reported before anything is changed
├── UnsupportedError    asked for what only the official plugin does
├── UnreachableError    no cluster behind the kubeconfig
├── RefusedError        the API server or helm said no
├── NotReadyError       an object was made, but does not work (yet)
└── HalfMadeError       the same of a resource: its state is kept, the next `pulumi up` goes on
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .wire import Object

FORCE_ANNOTATION = "pulumi.com/patchForce"
FORCE_VARIABLE = "PULUMI_K8S_ENABLE_PATCH_FORCE"


@dataclass(frozen=True)
class Snapshot:
    """What a resource is now."""

    id: str
    state: Object
    inputs: Object


class StandInError(Exception):
    """Base of all; its text is for the user."""


class InvalidInputError(StandInError):
    """A property has a value that cannot work."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class UnsupportedError(StandInError):
    """Only the official plugin can do this."""


class UnreachableError(StandInError):
    """No API server answers."""


class RefusedError(StandInError):
    """The server read the request and refused it. `status` is the HTTP code, 0 for helm."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotReadyError(StandInError):
    """The object exists but does not work yet. `live` is what it is now."""

    def __init__(self, reasons: Sequence[str], live: Object) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)
        self.live = live


class HalfMadeError(StandInError):
    """The resource exists and is kept in the state, but it does not work yet."""

    def __init__(self, reasons: Sequence[str], snapshot: Snapshot) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)
        self.snapshot = snapshot


def refused(status: int, body: str, what: str) -> RefusedError:
    """Error for an answer of the API server. `body` is a `Status` object as JSON, or text; `what` names the object."""
    answer = _parsed(body)
    causes: list[Object] = (answer.get("details") or {}).get("causes") or []
    conflicts = [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if conflicts:
        return RefusedError(_conflict(what, conflicts), status)
    message = answer.get("message") or body.strip() or f"HTTP status {status}"
    return RefusedError(f"the API server refused {what}: {message}{_cure(status, message)}", status)


def _parsed(body: str) -> Object:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _conflict(what: str, causes: Sequence[Object]) -> str:
    fields = "\n".join(f"  {cause.get('field', '?')}: {cause.get('message', 'owned by another field manager')}" for cause in causes)
    return (
        f"{what} was not applied, since others own fields that this program sets to another value:\n{fields}\n"
        f"To take them: {FORCE_VARIABLE}=true pulumi up (once), or the annotation {FORCE_ANNOTATION}: 'true' (for ever). "
        "To leave them: ignore_changes on these fields, or set the value that they have now."
    )


def _cure(status: int, message: str) -> str:
    if status == 401:  # noqa: PLR2004 - HTTP
        return ". The credential in the kubeconfig is not valid (any more): kubectl auth whoami"
    if status == 403 and "forbidden: User" in message:  # noqa: PLR2004 - HTTP
        return ". The user of the kubeconfig lacks this right: kubectl auth can-i --list"
    if status == 404 and "namespaces" in message:  # noqa: PLR2004 - HTTP
        return ". Declare the Namespace, and take the namespace's name from its output so that it is made first"
    return ""


def text_of(body: object) -> str:
    """Body of an HTTP answer as text."""
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def innermost_reason(error: Exception) -> str:
    """Why a connection failed: the client wraps that four times, and prints all headers of an HTTP error."""
    if hasattr(error, "body"):
        return str(refused(getattr(error, "status", 0) or 0, text_of(error.body), "the first request"))
    reason = getattr(error, "reason", None)
    text = str(reason) if isinstance(reason, Exception) else str(error)
    return text.rpartition(": ")[2] if "Connection refused" in text else text
