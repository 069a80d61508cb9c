"""A GreenLake API that misbehaves: the lab's emulator, and before it what a network, a busy service and a slow system do.

Each fault is asked for with `misbehave`, and happens to the next requests that fit:

    status  the request is refused with this status      lost    it is done, and its answer never arrives
    slow    its task takes so many seconds               fail    its task fails with this message
    expire  every token is worth nothing from now on     page    no list has more items a page, from now on
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import uvicorn
from starlette.responses import JSONResponse

from tests.emulators.greenlake.answers import ApiError, failure
from tests.emulators.greenlake.app import Emulator
from tests.emulators.greenlake.backend import Backend, Servers
from tests.emulators.greenlake.operations import PAGE
from tests.emulators.greenlake.tasks import Tasks
from tests.emulators.greenlake.tokens import Tokens

_CODES = {403: "ERR_FORBIDDEN", 429: "ERR_TOO_MANY_REQUESTS", 500: "ERR_INTERNAL", 503: "DOWNSTREAM_SERVICE_ERROR"}
_REQUEST: ContextVar[tuple[str, str]] = ContextVar("request", default=("", ""))


@dataclass(kw_only=True)
class Fault:
    """One kind of misbehaviour, and how often it is still to come."""

    kind: Literal["status", "lost", "slow", "fail"]
    method: str = ""
    """HTTP method; "" for any."""
    path: str = ""
    """What the path contains; "" for any."""
    times: int = 1
    status: int = 503
    retry_after: str = ""
    seconds: float = 0
    message: str = "told to fail"


class Misbehaving:
    """The emulator and its faults; `asked` is what it was asked, as `METHOD /path`."""

    def __init__(self, servers: Servers, home: Path, client: tuple[str, str], system_id: str) -> None:
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.backend = Backend(servers, home)
        self.emulator = Emulator(self.backend, Tokens(*client), system_id, _Tasks(self))
        self._inner = self.emulator.application()

    def misbehave(self, kind: str, *, size: int = PAGE, **fault: Any) -> None:
        if kind == "expire":
            self.emulator.tokens.expire()
        elif kind == "page":
            self.emulator.operations.page = size
        else:
            with self._lock:
                self._faults.append(Fault(kind=kind, **fault))  # type: ignore[arg-type]  # a test that errs fails

    def behave(self) -> None:
        self._faults.clear()
        self.emulator.operations.page = PAGE

    def take(self, kind: str, method: str, path: str) -> Fault | None:
        """Return the fault of this kind that this request meets, once."""
        with self._lock:
            fits = [each for each in self._faults if each.kind == kind and each.method in {"", method} and each.path in path]
            if not fits:
                return None
            fits[0].times -= 1
            self._faults = [each for each in self._faults if each.times > 0]
            return fits[0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, as an ASGI application."""
        method, path = scope["method"], scope["path"]
        self.asked.append(f"{method} {path.partition(self.emulator.system_id)[2] or path}")
        refused = self.take("status", method, path)
        if refused is not None:
            await _refusal(refused)(scope, receive, send)
            return
        _REQUEST.set((method, path))
        lost = self.take("lost", method, path)
        await self._inner(scope, receive, send if lost is None else _nobody)
        if lost is not None:  # a body is announced, and the connection ends
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


class _Tasks(Tasks):
    """Tasks that are slow or fail where a fault says so."""

    def __init__(self, of: Misbehaving) -> None:
        super().__init__(polling_s=0)
        self._of = of

    def submit(self, work: Callable[[], None]) -> dict[str, Any]:
        slow, failing = (self._of.take(kind, *_REQUEST.get()) for kind in ("slow", "fail"))

        def run() -> None:
            time.sleep(slow.seconds if slow is not None else 0)
            if failing is not None:
                raise RuntimeError(failing.message)
            work()

        return super().submit(run)


@contextmanager
def served(application: Misbehaving, crt_file: Path, key_file: Path) -> Iterator[str]:
    """Serve it over TLS on the loopback; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, ssl_certfile=str(crt_file), ssl_keyfile=str(key_file), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended before it began: see its exception above"
            time.sleep(0.02)
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


async def _nobody(_: Any) -> None:
    """Take an answer of which nobody hears."""


def _refusal(fault: Fault) -> JSONResponse:
    answer = failure(ApiError(fault.status, _CODES.get(fault.status, "ERR_TOLD"), "told to refuse"))
    if fault.retry_after:
        answer.headers["Retry-After"] = fault.retry_after
    return answer
