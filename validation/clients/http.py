"""JSON over HTTP with errors that an operator can act on; shared by the clients of the model services.

Every call has a total deadline: httpx's own time-outs begin anew with each byte, so that a service that trickles would never be left.
"""

import math
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpcore
import httpx
import yaml

from validation.judge.errors import InvalidRunError, UnreachableError, UsageError

CONNECT_TIMEOUT_S = 10.0
_SHOWN = 200
_CURES: dict[int, str] = yaml.safe_load(Path(__file__).with_name("cures.yaml").read_text(encoding="utf-8"))
_TOO_LONG = re.compile(r"must have less than \d+ (tokens|characters)|maximum context length|exceeds the available context size")
"""How text-embeddings-inference (413, from 1.9 on 422), vLLM (400) and llama.cpp (400) refuse one text."""


class BusyError(InvalidRunError):
    """The service refuses for load."""


class TooLongError(UsageError):
    """One text is longer than the model reads."""

    code = "models.text_too_long"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a service is reached besides its address."""

    read_key: Callable[[], str] | None = None  # returns the API key, anew each time it is called; None where the service wants none
    ca_pem: str = ""  # private authority that its certificate comes from; "" for the public ones
    server_name: str = ""  # name that its certificate holds for, where the address is another; "" where it is the same


class _RenewedKey(httpx.Auth):
    """Sends the key, and where that is refused reads it once more: it may have been rotated since."""

    def __init__(self, read_key: Callable[[], str]) -> None:
        self._read_key, self._key = read_key, read_key()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        sent = self._key
        request.headers["Authorization"] = f"Bearer {sent}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        self._key = self._read_key()
        if self._key != sent:
            request.headers["Authorization"] = f"Bearer {self._key}"
            yield request


def open_async_client(base_url: str, timeout_s: float, access: Access | None = None) -> httpx.AsyncClient:
    """Return a client for answers that are abandoned when nobody waits for them any more; the caller closes it."""
    name, options = _reached(base_url, timeout_s, access)

    async def name_server(request: httpx.Request) -> None:
        request.extensions.update(name)

    return httpx.AsyncClient(**options, event_hooks={"request": [name_server]})


def _reached(base_url: str, timeout_s: float, access: Access | None) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the name that the certificate is to hold for, as an extension of each request, and the options of a client."""
    access, timeout = access or Access(), httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
    auth = _RenewedKey(access.read_key) if access.read_key is not None else None
    name = {"sni_hostname": access.server_name} if access.server_name else {}
    return name, {"base_url": base_url.rstrip("/") + "/", "timeout": timeout, "auth": auth, "verify": _trusting(access.ca_pem)}


_DEADLINE_S: ContextVar[float] = ContextVar("deadline", default=math.inf)


_PLACE_OF_TIMEOUT = {"connect_tcp": 2, "start_tls": 2, "read": 1, "write": 1}
"""In httpcore's interface: behind a proxy it is given by its place, else by its name."""


class _Bounded:
    """A network of httpcore, or a stream of it, on which nothing is waited for beyond the deadline of the call."""

    def __init__(self, inner: httpcore.NetworkBackend | httpcore.NetworkStream) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as httpcore has it
        call, place = getattr(self._inner, name), _PLACE_OF_TIMEOUT.get(name)
        if place is None:
            return call

        def bounded(*given: Any, **options: Any) -> Any:  # noqa: ANN401 - nor here
            arguments = [*given]
            timeout = arguments.pop(place) if len(arguments) > place else options.pop("timeout", None)
            left_s = _DEADLINE_S.get() - time.monotonic()
            if left_s <= 0:
                raise httpcore.ReadTimeout("its whole answer was not there in time")
            bound_s = timeout if left_s == math.inf else min(left_s, math.inf if timeout is None else timeout)
            if len(arguments) >= place:
                arguments.insert(place, bound_s)
            else:
                options["timeout"] = bound_s
            result = call(*arguments, **options)
            return _Bounded(result) if isinstance(result, httpcore.NetworkStream) else result

        return bounded


@cache
def _trusting(ca_pem: str) -> ssl.SSLContext:
    """Reading the public authorities takes about 20 ms: once for all clients."""
    return ssl.create_default_context(cadata=ca_pem) if ca_pem else httpx.create_ssl_context()


class ModelClient:
    """A client of one model service; close() it."""

    def __init__(self, url: str, model: str, timeout_s: float, access: Access | None) -> None:
        name, options = _reached(url, timeout_s, access)
        self._client, self._model = httpx.Client(**options), model
        for transport in (self._client._transport, *self._client._mounts.values()):  # noqa: SLF001 - httpx has no option for it
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _Bounded(transport._pool._network_backend)  # type: ignore[assignment]  # noqa: SLF001 - nor here
        self._client.event_hooks = {"request": [lambda request: request.extensions.update(name)]}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextmanager
def failures_named(what: str, base_url: str | httpx.URL) -> Iterator[None]:
    """Turn whatever httpx raises inside into an error of the gate that names the service and its address."""
    try:
        yield
    except httpx.TransportError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            shown = f"{what} at {base_url} shows a certificate that is not trusted ({cause.verify_message})"
            raise UsageError.of("models.untrusted", shown=shown) from error
        raise UnreachableError.of("models.silent", what=what, url=base_url, why=str(error) or type(error).__name__) from error


@contextmanager
def asking(what: str, client: httpx.Client) -> Iterator[None]:
    """Name failures as `failures_named` does, and end whatever is asked inside when the client's time-out is over, all in all."""
    token = _DEADLINE_S.set(time.monotonic() + (client.timeout.read or math.inf))
    try:
        with failures_named(what, client.base_url):
            yield
    finally:
        _DEADLINE_S.reset(token)


def _content(what: str, response: httpx.Response) -> Any:  # noqa: ANN401  whatever JSON holds
    refuse_failure(what, response)
    try:
        return response.json()
    except ValueError:
        is_page = str(response.headers.get("content-type", "")).startswith("text/html")
        page = "a web page, so the address is that of a portal or a proxy" if is_page else "something"
        raise InvalidRunError.of("models.no_json", what=what, url=response.url, page=page, start=_start(response)) from None


def call(client: httpx.Client, what: str, method: str, path: str, body: object = None, *, kind: type = dict) -> Any:  # noqa: ANN401 - of the kind
    """Send one request and return the JSON that comes back, an object unless another kind is asked for; any other answer is an error."""
    with asking(what, client):
        response = client.request(method, path, json=body)
    answer = _content(what, response)
    if not isinstance(answer, kind):
        raise InvalidRunError(f"{what} answered {client.base_url}{path} with JSON that is no object: {str(answer)[:_SHOWN]}")
    return answer


def refuse_failure(what: str, response: httpx.Response) -> None:
    """Raise for any status but success, with what would cure it; the body of a streamed response is read first."""
    if response.is_success:
        return
    response.read()
    status = response.status_code
    answer = f"{what} answered {response.url} with status {status}: {_start(response)}"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        wait = f", and asks to wait {response.headers['retry-after']} s" if "retry-after" in response.headers else ""
        raise BusyError(f"{answer}; it refuses for load{wait}: raise its limit for this client, or run the gate when nobody else uses it")
    if _TOO_LONG.search(response.text):
        raise TooLongError(f"{answer}; one text is longer than the model reads: make chunks smaller, or serve a model that reads more")
    if re.search(r"batch size \d+ > maximum allowed batch size", response.text):
        raise UsageError.of("models.too_many_texts", code="models.too_many_texts", answer=answer)
    if status in _CURES:
        raise UsageError(f"{answer}; {_CURES[status]}")
    raise InvalidRunError(answer)


def check_model(client: httpx.Client, what: str, model: str) -> dict[str, Any] | None:
    """Return the entry of the declared model, None where none is listed; refuse other ones: numbers would be filed under a wrong name."""
    with asking(what, client):
        response = client.get("models")
    if response.status_code == httpx.codes.NOT_FOUND:  # text-embeddings-inference has no such list
        return None
    answer = _content(what, response)
    listed = answer.get("data") if isinstance(answer, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    declared = next((entry for entry in entries if entry.get("id") == model), None)
    if declared is None:
        served = f"{what} at {client.base_url} serves {[entry.get('id') for entry in entries]}, declared is {model!r}"
        raise InvalidRunError(f"{served}; make the stack's setting and the service agree")
    return declared


def _start(response: httpx.Response) -> str:
    text = " ".join(response.text.split())
    return text[:_SHOWN] + ("..." if len(text) > _SHOWN else "")
