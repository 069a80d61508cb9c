"""The proxy that drills put before the store: what it does to requests, and that it leaves the rest alone."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.validation.services import serving
from validation.clients.http import Access
from validation.experiments.store_proxy import CONTROL, SLOW_S, StoreProxy


@dataclass
class Seen:
    """A store that keeps what it was asked."""

    requests: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        sent = f"{request.scope['raw_path'].decode()}?{request.scope['query_string'].decode()}"
        self.requests.append((request.method, sent, request.headers["host"], await request.body()))
        return Response(b"kept", headers={"etag": "1"})


@dataclass(frozen=True)
class Proxied:
    store: Seen
    client: httpx.Client

    def fault(self, name: str) -> int:
        return int(self.client.put(CONTROL, params={"fault": name}).raise_for_status().text)


@pytest.fixture
def proxied() -> Iterator[Proxied]:
    store = Seen()
    app = Starlette(routes=[Route("/b/{path:path}", store.answer, methods=["GET", "PUT", "HEAD"])])
    with serving(app) as url, serving(StoreProxy(url, Access())) as proxy, httpx.Client(base_url=proxy, timeout=10) as client:
        yield Proxied(store, client)


def test_path_query_host_and_body_are_passed_on_as_they_are(proxied: Proxied) -> None:
    answer = proxied.client.put("/b/a%20b?uploads=&x=1", content=b"body", headers={"host": "named:9000"})
    assert (answer.content, answer.headers["etag"]) == (b"kept", "1")
    assert proxied.store.requests == [("PUT", "/b/a%20b?uploads=&x=1", "named:9000", b"body")]


def test_a_slow_store_takes_longer_and_is_whole(proxied: Proxied) -> None:
    proxied.fault("slow")
    begin_s = time.monotonic()
    assert proxied.client.get("/b/x").content == b"kept"
    assert time.monotonic() - begin_s >= SLOW_S
    assert proxied.fault("") == 1
    assert proxied.fault("") == 0


def test_every_tenth_request_is_refused_and_the_store_never_sees_it(proxied: Proxied) -> None:
    proxied.fault("errors")
    codes = [proxied.client.get("/b/x").status_code for _ in range(20)]
    assert [number for number, code in enumerate(codes, 1) if code == 503] == [10, 20]
    assert len(proxied.store.requests) == 18


def test_a_request_that_hung_is_refused_once_the_fault_is_over_and_is_never_passed_on(proxied: Proxied) -> None:
    proxied.fault("hang")
    codes: list[int] = []
    hung = threading.Thread(target=lambda: codes.append(proxied.client.get("/b/x").status_code))
    hung.start()
    hung.join(0.5)
    assert (hung.is_alive(), proxied.store.requests) == (True, [])
    assert proxied.fault("") == 1
    hung.join(5)
    assert (codes, proxied.store.requests) == ([503], [])
    assert proxied.client.get("/b/x").status_code == 200


def test_a_fault_that_there_is_not_is_refused(proxied: Proxied) -> None:
    assert proxied.client.put(CONTROL, params={"fault": "fire"}).status_code == 400
