"""Answers in the API's form: errors have four properties."""

import uuid
from typing import Any

from starlette.responses import JSONResponse

HEADERS = {"Server": "greenlake-emulator", "X-Emulator": "the lab of milvus-x10000; no HPE GreenLake"}


class ApiError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def body(self) -> dict[str, Any]:
        """As the API answers it."""
        return {"httpStatusCode": self.status, "message": str(self), "errorCode": self.code, "debugId": uuid.uuid4().hex}


def answer(status: int, body: object) -> JSONResponse:
    """JSON, which says aloud where it comes from."""
    return JSONResponse(body, status, headers=HEADERS)


def failure(error: ApiError) -> JSONResponse:
    """An error."""
    return answer(error.status, error.body())
