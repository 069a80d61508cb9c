"""Answers in the API's form: errors with their four properties, and one that never arrives."""

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from lab.greenlake.faults import Fault

HEADERS = {"Server": "greenlake-emulator", "X-Emulator": "the lab of milvus-x10000; no HPE GreenLake"}
_CODES = {403: "ERR_FORBIDDEN", 429: "ERR_TOO_MANY_REQUESTS", 500: "ERR_INTERNAL", 503: "DOWNSTREAM_SERVICE_ERROR"}


class ApiError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def body(self) -> dict[str, Any]:
        """As the API answers it."""
        return {"httpStatusCode": self.status, "message": str(self), "errorCode": self.code, "debugId": uuid.uuid4().hex}


class Lost(Response):
    """An answer of which nobody hears: the connection ends in its middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise a body and send none."""
        _ = scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


def answer(status: int, body: object) -> JSONResponse:
    """JSON, which says aloud where it comes from."""
    return JSONResponse(body, status, headers=HEADERS)


def failure(error: ApiError) -> JSONResponse:
    """An error."""
    return answer(error.status, error.body())


def refusal(fault: Fault) -> JSONResponse:
    """An error that was asked for."""
    told = failure(ApiError(fault.status, _CODES.get(fault.status, "ERR_TOLD"), "told to refuse"))
    if fault.retry_after:
        told.headers["Retry-After"] = fault.retry_after
    return told
