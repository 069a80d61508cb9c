"""The OpenAI wire that the services share: reading a JSON body within limits, errors in OpenAI's form, models, health.

Refuses a body as soon as it is longer than allowed, announced or not, so that no request can fill the pod's memory. One
log line per request on stdout: method, path, status, milliseconds. Never what was asked or answered, and no line for a
probe that found the service healthy. Where it has an API key, everything but `/health` wants it, as the real engines do.
"""

import hmac
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STAND_IN = "lab stand-in"
_log = logging.getLogger(__name__)
Fields = dict[str, Any]


class ApiError(Exception):
    """A request that is refused; becomes `{"error": {...}}` with its status."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def response(self) -> JSONResponse:
        """Return the answer in OpenAI's form."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"  # noqa: PLR2004  the first server error of HTTP
        return JSONResponse({"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}, self.status)


def application(
    model: str, routes: Sequence[BaseRoute], *, owner: str = STAND_IN, api_key: str = "", context_tokens: int | None = None
) -> Starlette:
    """Return an application with `/health`, `/v1/models` and the given routes; "" asks for no key."""
    length = {} if context_tokens is None else {"max_model_len": context_tokens}  # as vLLM calls it

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": owner, **length}]})

    own = [Route("/health", health, methods=["GET"]), Route("/v1/models", models, methods=["GET"])]
    app = Starlette(
        routes=[*own, *routes],
        exception_handlers={ApiError: _refused, HTTPException: _http_error, ClientDisconnect: _gone, Exception: _failed},
    )
    if api_key:
        app.add_middleware(_KeyCheck, api_key=api_key)
    app.add_middleware(_RequestLog)
    return app


async def read_json(request: Request, most_bytes: int) -> Fields:
    """Return the JSON object of the body after checking its size; raise `ApiError`."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise ApiError(f"The body is longer than {most_bytes} bytes.", status=413, code="request_too_large")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("The body is not valid JSON.", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ApiError("The body must be a JSON object.", code="invalid_json")
    return fields


async def read_fields(request: Request, most_bytes: int, model: str) -> Fields:
    """Return the JSON object of the body after checking its size and that it names this model; raise `ApiError`."""
    fields = await read_json(request, most_bytes)
    named = fields.get("model")
    if not isinstance(named, str):
        raise ApiError("'model' must be a string.", param="model", code="missing_model")
    if named != model:
        raise ApiError(
            f"The model {named[:100]!r} does not exist; this service serves '{model}'.", status=404, param="model", code="model_not_found"
        )
    return fields


def token_estimate(text: str) -> int:
    """Return tokens as this stand-in counts them: one per four started bytes of UTF-8, about right for European text."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  registered for this class alone
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone
    response = ApiError(f"{error.detail}: {request.method} {request.url.path}", status=error.status_code).response()
    response.headers.update(error.headers or {})
    return response


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)


async def _failed(_: Request, error: Exception) -> Response:
    return ApiError(f"The service failed: {type(error).__name__}.", status=500).response()


class _KeyCheck:
    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app, self._wanted = app, f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", [])).get(b"authorization", b"")
        if scope["type"] == "http" and scope["path"] != "/health" and not hmac.compare_digest(given, self._wanted):
            refusal = ApiError("The API key is missing or wrong.", status=401, code="invalid_api_key").response()
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _RequestLog:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if (scope["path"], status) != ("/health", 200):
                _log.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, (time.perf_counter() - begin) * 1000)
