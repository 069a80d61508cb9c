"""The OpenAI wire that the services share: reading a JSON body within limits, errors in OpenAI's form, models, health.

Refuses a body as soon as it is longer than allowed, announced or not, so that no request can fill the pod's memory. One
log line per request on stdout: method, path, status, milliseconds. Never what was asked or answered, and no line for a
probe that found the service healthy. Where it has an API key, everything but `/health` wants it, as the real engines do.
"""

import hmac
import json
import logging
import os
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_TEXTS = 256
MOST_CHARACTERS = 8192
MOST_BODY_BYTES = 16 * 1024 * 1024
_log = logging.getLogger(__name__)
Fields = dict[str, Any]


class ApiError(HTTPException):
    """A request that is refused; becomes `{"error": {...}}` with its status."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(status, message)
        self.param, self.code = param, code


def application(
    model: str,
    path: str,
    answer: Callable[[Fields], object],
    *,
    owner: str = "lab stand-in",
    api_key: str = "",
    context_tokens: int | None = None,
    most_body_bytes: int = MOST_BODY_BYTES,
    names_model: bool = True,
) -> Starlette:
    """Return an application with `/health`, `/v1/models` and `path`, which `answer` serves: JSON to JSON, or to a response.

    An empty `api_key` asks for none. `answer` holds the CPU, so it runs in threads, as many as there are cores: `/health` answers.
    """
    threads = anyio.CapacityLimiter(os.cpu_count() or 1)
    length = {} if context_tokens is None else {"max_model_len": context_tokens}  # as vLLM calls it

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": owner, **length}]})

    async def answered(request: Request) -> Response:
        fields = await _read_json(request, most_body_bytes)
        named = fields.get("model")
        if names_model and not isinstance(named, str):
            raise ApiError("'model' must be a string.", param="model", code="missing_model")
        if names_model and named != model:
            text = f"The model {str(named)[:100]!r} does not exist; this service serves '{model}'."
            raise ApiError(text, status=404, param="model", code="model_not_found")
        content = await anyio.to_thread.run_sync(answer, fields, limiter=threads)
        return content if isinstance(content, Response) else JSONResponse(content)

    routes = [Route("/health", health), Route("/v1/models", models), Route(path, answered, methods=["POST"])]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refusal, ClientDisconnect: _gone, Exception: _refusal})
    app.add_middleware(_Door, api_key=api_key)
    return app


async def _read_json(request: Request, most_bytes: int) -> Fields:
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


async def _refusal(request: Request, error: Exception) -> Response:
    """Return an error in OpenAI's form."""
    status, message, param, code, headers = 500, f"The service failed: {type(error).__name__}.", None, None, None
    if isinstance(error, ApiError):
        status, message, param, code = error.status_code, error.detail, error.param, error.code
    elif isinstance(error, HTTPException):
        status, message, headers = error.status_code, f"{error.detail}: {request.method} {request.url.path}", error.headers
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)


class _Door:
    """Asks for the key, and writes one line a request."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app, self._key = app, f"Bearer {api_key}".encode() if api_key else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, begin, status = self._app, time.perf_counter(), 0
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        given = dict(scope["headers"]).get(b"authorization", b"")
        if self._key and scope["path"] != "/health" and not hmac.compare_digest(given, self._key):
            app = await _refusal(Request(scope), ApiError("The API key is missing or wrong.", status=401, code="invalid_api_key"))
        try:
            await app(scope, receive, watched)
        finally:
            if (scope["path"], status) != ("/health", 200):
                _log.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, (time.perf_counter() - begin) * 1000)
