"""A store between the preflight and a real one, that misbehaves in one way: what the real server cannot be told to do.

It answers over plain HTTP on the loopback, and hands everything on as it came: path, headers and body, so that signatures hold.
"""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.s3_server import Server


@dataclass
class Said:
    """An answer of the proxy's own."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: str | None = ""
    """Content-Length; "" for the right one, None for none."""
    cut: bool = False
    """End the connection in the middle of the body."""
    chunked: bool = False


def error(status: int, code: str, message: str = "made up by a test", more: str = "") -> Said:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Said(status, body.encode(), {"Content-Type": "application/xml"})


class Fault:
    """Hands on; a subclass answers itself by returning something from `instead`, or changes what came by `after`."""

    idle_s: float | None = None
    """After so long without a request a connection is ended."""

    def early(self, method: str, path: str, size: int) -> Said | None:  # noqa: ARG002
        """Answer before the body is read, and end the connection."""
        return None

    def instead(self, request: "Request") -> Said | None:  # noqa: ARG002  for those who look at it
        return None

    def after(self, request: "Request", answer: Said) -> Said:  # noqa: ARG002
        return answer


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


Change = Callable[["Request", Said], Said | None]
"""Changes an answer, or makes another one; None leaves it."""


class Changed(Fault):
    """One kind of answer is another one: what fits is changed by a function."""

    def __init__(self, method: str, where: str, change: Change, *, idle_s: float | None = None) -> None:
        self._method, self._where, self._change, self.idle_s = method, where, change, idle_s

    def after(self, request: "Request", answer: Said) -> Said:
        fits = request.method in self._method.split("|") and self._where in f"{request.path}?{request.query}"
        return (self._change(request, answer) or answer) if fits else answer


class Made(Changed):
    """What fits never reaches the store; the function answers."""

    def instead(self, request: "Request") -> Said | None:
        fits = request.method in self._method.split("|") and self._where in f"{request.path}?{request.query}"
        return self._change(request, Said(200)) if fits else None

    def after(self, request: "Request", answer: Said) -> Said:  # noqa: ARG002
        return answer


class Hasty(Fault):
    """Refuses large bodies before it reads them, and ends the connection."""

    def early(self, method: str, path: str, size: int) -> Said | None:  # noqa: ARG002
        return error(413, "EntityTooLarge") if method == "PUT" and size > 2**19 else None


class Conditions(Fault):
    """Refuses a header that it does not know."""

    def instead(self, request: Request) -> Said | None:
        if "if-none-match" in request.headers:
            return error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
        return None


class Busy(Fault):
    """Says SlowDown for some seconds from the first request for a bucket on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def instead(self, request: Request) -> Said | None:
        if request.path == "/":
            return None
        is_first, self._until = self._until is None, self._until or time.monotonic() + self._seconds
        return error(503, "SlowDown", "Please reduce your request rate.") if is_first or time.monotonic() < self._until else None


class Dies(Fault):
    """Ends every connection without an answer from the n-th PUT on."""

    def __init__(self, after_puts: int) -> None:
        self._left = after_puts

    def instead(self, request: Request) -> Said | None:
        self._left -= request.method == "PUT"
        if self._left < 0:
            raise ConnectionAbortedError
        return None


class Expires(Fault):
    """Has a lifecycle rule; the real server knows none."""

    def __init__(self, rule: str) -> None:
        self._rule = rule

    def instead(self, request: Request) -> Said | None:
        if request.query == "lifecycle":
            return Said(200, f"<LifecycleConfiguration><Rule><ID>tidy</ID>{self._rule}</Rule></LifecycleConfiguration>".encode())
        return None


class VirtualOnly(Fault):
    """Takes a bucket in the host name only, as `bucket.localhost`; the real server behind it gets a path."""

    def instead(self, request: Request) -> Said | None:
        if request.path == "/":
            return None
        host = request.headers["host"].partition(":")[0]
        return None if host.count(".") == 1 else error(400, "InvalidRequest", "this store wants the bucket in the host name")


class WrongRegion(Fault):
    """Wants another region."""

    def instead(self, request: Request) -> Said | None:
        if "/us-east-1/" in request.headers.get("authorization", ""):
            return error(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-1'", "<Region>eu-1</Region>")
        return None


class KeepsFraming(Fault):
    """Does not know chunked bodies: it would keep the framing, and gives it back."""

    def after(self, request: Request, answer: Said) -> Said:
        if request.method == "GET" and "/checksum/" in request.path:
            return Said(answer.status, b"12c00\r\n" + answer.body, answer.headers)
        return answer


class Stale(Fault):
    """Answers a read of something that was overwritten from its memory."""

    def __init__(self) -> None:
        self._first: dict[str, Said] = {}

    def after(self, request: Request, answer: Said) -> Said:
        if request.method == "GET" and "/consistency/" in request.path and not request.query:
            return self._first.setdefault(request.path, answer)
        return answer


class Switch(Fault):
    """Misbehaves as the fault that is `on` does, and hands on while none is."""

    def __init__(self) -> None:
        self.on = Fault()

    def instead(self, request: Request) -> Said | None:
        return self.on.instead(request)

    def after(self, request: Request, answer: Said) -> Said:
        return self.on.after(request, answer)


class Console(Fault):
    """Is a web page, not an S3 API."""

    def instead(self, request: Request) -> Said | None:  # noqa: ARG002
        return Said(200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"})


class Forbids(Fault):
    """Denies one kind of request."""

    def __init__(self, method: str, query: str) -> None:
        self._method, self._query = method, query

    def instead(self, request: Request) -> Said | None:
        if request.method == self._method and self._query in request.query.split("&"):
            return error(403, "AccessDenied")
        return None


@contextmanager
def between(server: Server, fault: Fault, address: str = "127.0.0.1") -> Iterator[str]:
    """Yield the address of a proxy in front of `server`; it listens on `address` of this machine."""
    proxy = ThreadingHTTPServer((address, 0), _handler(server, fault))
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{address}:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def _handler(server: Server, fault: Fault) -> type[BaseHTTPRequestHandler]:
    behind = urlsplit(server.endpoint)
    own = {"host": behind.hostname, "port": behind.port, "trust": ssl.create_default_context(cadata=server.ca_pem), "fault": fault}
    return type("Handler", (_Handler,), {**own, "timeout": fault.idle_s})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: str
    port: int
    trust: ssl.SSLContext
    fault: Fault

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if hasty := self.fault.early(self.command, path, int(headers.get("content-length", 0))):
            self._say(hasty)
            self.close_connection = True
            return
        request = Request(self.command, path, query, headers, self.rfile.read(int(headers.get("content-length", 0))))
        try:
            answer = self.fault.instead(request) or self.fault.after(request, self._forward(request))
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self._say(answer)

    def _forward(self, request: Request) -> Said:
        with closing(http.client.HTTPSConnection(self.host, self.port, context=self.trust, timeout=10)) as connection:
            path = request.path + (f"?{request.query}" if request.query else "")
            connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name != "expect":
                    connection.putheader(name, value)
            try:
                connection.endheaders(request.body or None)
                answer = connection.getresponse()
            except OSError as error:  # the server refused the body before it had read it
                raise ConnectionAbortedError from error
            return Said(answer.status, answer.read(), dict(answer.getheaders()))

    def _say(self, answer: Said) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in {"connection", "transfer-encoding", "content-length", "keep-alive"}:
                self.send_header(name, value)
        self._send_length(answer)
        self.end_headers()
        if self.command != "HEAD":
            body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) if answer.chunked and body else body)
            self.wfile.write(b"0\r\n\r\n" if answer.chunked and not answer.cut else b"")
        self.close_connection = self.close_connection or answer.cut

    def _send_length(self, answer: Said) -> None:
        if answer.chunked and self.command != "HEAD":
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.length is not None:
            told = answer.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", answer.length or told or str(len(answer.body)))

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815  the names that http.server looks for

    def log_message(self, *_: Any) -> None:
        pass
