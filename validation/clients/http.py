"""JSON over HTTP with errors that an operator can act on; shared by the embedding and the language-model client."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from validation.errors import InvalidRunError, UnreachableError

CONNECT_TIMEOUT_S = 10.0
_SHOWN = 200


def open_client(base_url: str, timeout_s: float) -> httpx.Client:
    """Return a client for the service below `base_url`; the caller closes it."""
    return httpx.Client(base_url=base_url.rstrip("/") + "/", timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S))


@contextmanager
def failures_named(what: str, base_url: str | httpx.URL) -> Iterator[None]:
    """Turn whatever httpx raises inside into UnreachableError, naming the service and its address."""
    try:
        yield
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(
            f"{what} at {base_url} does not answer ({reason}); look at its pods: kubectl get pods --all-namespaces"
        ) from error


def call(client: httpx.Client, what: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Send one request and return the JSON object that comes back; any other answer is InvalidRunError."""
    with failures_named(what, client.base_url):
        response = client.request(method, path, json=body)
    refuse_failure(what, response)
    try:
        answer = response.json()
    except ValueError:
        raise InvalidRunError(f"{what} answered {response.url} with something that is not JSON: {_start(response)}") from None
    if not isinstance(answer, dict):
        raise InvalidRunError(f"{what} answered {response.url} with JSON that is no object: {_start(response)}")
    return answer


def refuse_failure(what: str, response: httpx.Response) -> None:
    """Raise InvalidRunError for any status but success; the body of a streamed response is read first."""
    if not response.is_success:
        response.read()
        raise InvalidRunError(f"{what} answered {response.url} with status {response.status_code}: {_start(response)}")


def check_model(client: httpx.Client, what: str, model: str) -> None:
    """Refuse a service that does not serve the declared model: its numbers would be filed under the wrong name."""
    listed = call(client, what, "GET", "models").get("data")
    served = [entry.get("id") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if model not in served:
        raise InvalidRunError(
            f"{what} at {client.base_url} serves {served}, declared is {model!r}; make the stack's setting and the service agree"
        )


def _start(response: httpx.Response) -> str:
    text = " ".join(response.text.split())
    return text[:_SHOWN] + ("..." if len(text) > _SHOWN else "")
