"""What stands before every request: the key and the database that it opens, the bounds, and the numbers for Prometheus.

A key is a file `DATABASE/api_key` below one folder, as Secrets are mounted; it is read anew every few seconds, so that a rotation needs no
restart. A request whose client has left is cancelled, wherever it is: neither a search nor an answer goes on for nobody.
"""

import hmac
import json
import threading
import time
from collections import Counter
from pathlib import Path

import anyio
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from validation.ask.answering import RefusedError
from validation.judge.errors import UsageError

MOST_BODY_BYTES = 256 * 1024
_READ_AGAIN_S = 5.0
_HEADERS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("headers.yaml").read_text(encoding="utf-8"))


def failure(status: int, code: str, reason: str, wait_s: int = 0) -> Response:
    """Return an error in the form of the OpenAI API."""
    body = {"error": {"message": reason, "type": "invalid_request_error" if status < 500 else "server_error", "code": code}}  # noqa: PLR2004
    return JSONResponse(body, status, headers={"Retry-After": str(wait_s)} if wait_s else None)


class Keys:
    """Which key opens which database."""

    def __init__(self, folder: Path | None, own: dict[str, str]) -> None:
        """`own` are keys that no file holds, by database; UsageError where there is no key at all."""
        self._folder, self._own, self._read_s, self._keys = folder, own, 0.0, dict[str, str]()
        if not self.databases():
            where = f"no file DATABASE/api_key below {folder}" if folder is not None else "neither --keys DIR nor ASK_API_KEY"
            raise UsageError(f"{where}, so everybody could ask everything: the service does not start without a key")

    def databases(self) -> set[str]:
        """Return what can be opened now."""
        if time.monotonic() - self._read_s > _READ_AGAIN_S or not self._read_s:
            files = self._folder.glob("*/api_key") if self._folder is not None else ()
            self._keys, self._read_s = {path.parent.name: path.read_text().strip() for path in files} | self._own, time.monotonic()
        return {database for database, key in self._keys.items() if key}

    def database(self, request: Request) -> str:
        """Return the database that the request's key opens; RefusedError for none."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        opened = [name for name in self.databases() if hmac.compare_digest(self._keys[name].encode(), given.strip().encode())]
        if scheme.lower() != "bearer" or not opened:
            raise RefusedError(401, "ask.key", "no key, or one that opens nothing; send Authorization: Bearer KEY")
        return opened[0]


class Rate:
    """A bucket of requests for each database, which fills again at a constant rate."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst, self._lock, self._left = per_second, burst, threading.Lock(), dict[str, tuple[float, float]]()

    def take(self, name: str) -> None:
        """Take one; RefusedError where none is left."""
        with self._lock:
            now = time.monotonic()
            left, then = self._left.get(name, (float(self._burst), now))
            left = min(self._burst, left + (now - then) * self._per_second)
            self._left[name] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            reason = f"more than {self._burst} requests at once, then {self._per_second:g} a second; wait and ask again"
            raise RefusedError(429, "ask.rate", reason, wait_s=max(1, round((1 - left) / self._per_second)))


class Metrics:
    """Counters in Prometheus's text form."""

    def __init__(self) -> None:
        self._counts, self._lock, self.in_flight = Counter[str](), threading.Lock(), 0

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to one counter."""
        named = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        with self._lock:
            self._counts[f"ask_{name}{{{named}}}"] += amount  # type: ignore[assignment]  # seconds are no whole numbers

    def text(self) -> str:
        """Return all of them."""
        with self._lock:
            lines = [f"{name} {value:g}" for name, value in sorted(self._counts.items())]
        types = [f"# TYPE ask_{name} counter" for name in ("requests_total", "stage_seconds_total", "abandoned_total")]
        own = ["# TYPE ask_in_flight gauge", f"ask_in_flight {self.in_flight}", "# TYPE process_cpu_seconds_total counter"]
        return "\n".join([*types, *own, f"process_cpu_seconds_total {time.process_time():.4f}", *lines, ""])


class Front:
    """ASGI middleware: reads a bounded body, counts, bounds what is under way, and cancels the work of a client that has left."""

    def __init__(self, app: ASGIApp, metrics: Metrics, at_once: int) -> None:
        self._app, self._metrics, self._at_once = app, metrics, at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in _HEADERS.items())]
                endpoint = scope.get("endpoint")  # of what never changes, the answer itself
                name = scope["path"] if isinstance(endpoint, Response) else getattr(endpoint, "__name__", "none")
                self._metrics.add("requests_total", endpoint=name, status=str(message["status"]))
            await send(message)

        self._metrics.in_flight += 1
        try:
            await self._serve(scope, receive, counted, body)
        finally:
            self._metrics.in_flight -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        if len(body) > MOST_BODY_BYTES:
            await failure(413, "ask.too_long", f"more than {MOST_BODY_BYTES:,} bytes; ask a shorter question")(scope, receive, send)
            return
        if self._metrics.in_flight > self._at_once and scope["path"].startswith("/v1/"):
            await failure(503, "ask.busy", f"{self._at_once} questions are under way; ask again", wait_s=1)(scope, receive, send)
            return
        await self._watched(scope, receive, send, body)

    async def _watched(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        """Serve until the answer is there or the client has left."""
        finished = list[bool]()
        left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        async with anyio.create_task_group() as group:

            async def again() -> Message:
                if not left:
                    await anyio.sleep_forever()
                return left.pop()

            async def until_the_end(message: Message) -> None:
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    finished.append(True)  # uvicorn says "disconnect" after the last piece too
                await send(message)

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                if not finished:
                    self._metrics.add("abandoned_total")
                    group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._app(scope, again, until_the_end)
            group.cancel_scope.cancel()


async def _body(receive: Receive) -> bytes | None:
    """Read the body, or a little more than is allowed of it; None where the client left before its end."""
    body = b""
    while len(body) <= MOST_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body
