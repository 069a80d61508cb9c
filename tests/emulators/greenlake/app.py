"""The HTTP side: token, tasks, and every operation between its checks.

An operation's request is checked for its token, its system and its body, and its answer against the published structure: one that
does not fit is a defect of this emulator and answered so.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.greenlake.answers import ApiError, answer, failure
from tests.emulators.greenlake.backend import Backend
from tests.emulators.greenlake.contract import Contract
from tests.emulators.greenlake.operations import Answer, Operation, Operations
from tests.emulators.greenlake.tasks import PREFIX as TASKS
from tests.emulators.greenlake.tasks import Tasks
from tests.emulators.greenlake.tokens import Tokens

BASE = "/object-storage/v1alpha1/devtype7-storage-systems/{systemId}"
ABOUT = {"emulator": True, "of": "HPE GreenLake Object Storage v1alpha1, structure 1.1.0", "by": "lab of milvus-x10000"}
_ACCEPTED = 202
_UNAUTHORIZED = ApiError(401, "ERR_UNAUTHORIZED", "Jwt is missing or expired")


class Emulator:
    """One storage system."""

    def __init__(self, backend: Backend, tokens: Tokens, system_id: str, tasks: Tasks) -> None:
        self.tokens, self.system_id = tokens, system_id
        self.contract, self.tasks = Contract(), tasks
        self.operations = Operations(backend, tasks)

    def application(self) -> Starlette:
        """Return the routes."""
        table = self.operations.table()
        routes = [
            Route(BASE + path, self._between_checks(method, BASE + path, run), methods=[method]) for (method, path), run in table.items()
        ]
        own = [
            Route("/", self.about),
            Route("/as/token.oauth2", self.token, methods=["POST"]),
            Route(f"{TASKS}/{{taskId}}", self.task),
        ]
        return Starlette(routes=[*own, *routes])

    async def about(self, _: Request) -> Response:
        """Say what this is."""
        return answer(200, ABOUT)

    async def token(self, request: Request) -> Response:
        """Give out a token for client credentials."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "client_credentials":
            return answer(400, {"error": "unsupported_grant_type"})
        given = self.tokens.give(form)
        if given is None:
            return answer(401, {"error": "invalid_client", "error_description": "Invalid client or client credentials"})
        return answer(200, {"access_token": given, "token_type": "Bearer", "expires_in": int(self.tokens.lifetime_s)})

    async def task(self, request: Request) -> Response:
        """One task."""
        if not self._known(request):
            return failure(_UNAUTHORIZED)
        found = self.tasks.get(request.path_params["taskId"])
        return answer(200, found) if found else failure(ApiError(404, "ERR_RESOURCE_NOT_FOUND", "no such task"))

    def _known(self, request: Request) -> bool:
        return self.tokens.accepts(request.headers.get("authorization", ""))

    def _between_checks(self, method: str, template: str, run: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = _json(await request.body())
                self._check(method, template, request, body)
                status, found = await run_in_threadpool(run, request, body or {})
            except ApiError as error:
                status, found = error.status, error.body()
            return self._answered(method, template, (status, found))

        return handle

    def _check(self, method: str, template: str, request: Request, body: object) -> None:
        if not self._known(request):
            raise _UNAUTHORIZED
        if request.path_params["systemId"] != self.system_id:
            raise ApiError(404, "ERR_RESOURCE_NOT_FOUND", f"no storage system {request.path_params['systemId']}")
        problem = self.contract.request_problem(method, template, body)
        if problem:
            raise ApiError(400, "ERR_BAD_REQUEST", problem)

    def _answered(self, method: str, template: str, given: Answer) -> Response:
        status, body = given
        problem = self.contract.answer_problem(method, template, status, body)
        if problem:
            return failure(ApiError(500, "EMULATOR_DEFECT", f"{method} {template} answered {status}: {problem}"))
        response = answer(status, body)
        if status == _ACCEPTED:
            response.headers["Location"] = body["taskUri"]
        return response


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise ApiError(400, "ERR_BAD_REQUEST", f"body: {error}") from None
