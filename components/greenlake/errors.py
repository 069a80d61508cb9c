"""What the GreenLake API answered, in words that help: the value seen, what it breaks, what cures it.

StoreError
Refused       the API will not do it; the message is for the operator
TaskFailed      it began, and failed
Unanswered      nobody knows whether it was done: look, then go on
Again           nothing was done; the same call may work in a moment
"""

import json
from typing import Any

import httpx

from components.s3.errors import StoreError


class Refused(StoreError):  # noqa: N818  reads as what happened
    """The API will not do it."""


class TaskFailed(Refused):
    """It began, and failed."""


class Unanswered(Exception):  # noqa: N818  it is no error yet
    """A call that makes something was sent, and nobody knows whether it was done."""


class Again(Exception):  # noqa: N818  as above
    """Nothing was done; `after_s` seconds later the same call may work, None where the API does not say."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


_CURES = {
    400: "this version of the API expects something else; please report it with the debugId",
    401: "the API does not accept a token that it has just given out: check that milvus-x10000:object_store.token_url and .api_endpoint "
    "belong to the same HPE GreenLake workspace",
    403: "the API client may not do that: give it a role that may change object storage on this system (HPE GreenLake, Manage Workspace, "
    "Identity & Access)",
    404: "set milvus-x10000:object_store.system_id to the serial number of the system, and .api_endpoint to the region that manages it; "
    "what was deleted outside Pulumi is found out by `pulumi refresh`",
}
_NOT_TRUSTED = (
    "its certificate cannot be trusted, so no key is sent to it ({detail}). Cure: set milvus-x10000:object_store.api_ca_file to the PEM "
    "file of the CA that signed it."
)
_NOT_REACHED = "it cannot be reached ({detail}). Cure: check address, firewall and proxy (HTTPS_PROXY), for example with `curl -v {url}`."


def refused(what: str, answer: httpx.Response) -> Refused:
    """A clear no."""
    cure = _CURES.get(answer.status_code, "see the message of the API")
    return Refused(f"cannot {what}: {answer.request.url.host} answers {answer.status_code}: {said(answer)}. Cure: {cure}.")


def said(answer: httpx.Response) -> str:
    """What an error's body says, in its newer or its older form; never a body that is none of these, which may hold anything."""
    try:
        body: Any = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return "no JSON"
    if not isinstance(body, dict):
        return "no error of this API"
    parts = [str(body[name]) for name in ("errorCode", "message", "error", "error_description") if isinstance(body.get(name), str)]
    return ": ".join(parts) + (f" (debugId {body['debugId']})" if body.get("debugId") else "") if parts else "no error of this API"


def unreachable(url: str, error: httpx.TransportError) -> StoreError:
    """No way to the API."""
    text = _NOT_TRUSTED if "CERTIFICATE" in str(error).upper() else _NOT_REACHED
    return StoreError(f"{url}: {text.format(detail=str(error) or type(error).__name__, url=url)}")
