"""The service of questions as the gate asks it: timed by a socket, and what goes wrong told as by every other client."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import certificates
from tests.validation.services import Models, serving
from validation.clients.asking import AskService
from validation.clients.http import Access
from validation.clients.retrieval_models import EmbeddingService
from validation.judge.errors import InvalidRunError, UnreachableError, UsageError

GOOD = (200, b'{"stages_ms": {"embed": 2.0, "search": 1.0}}')


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """Answer each search by its key; yield the address and the keys that came."""
    keys = list[str]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Authorization"].removeprefix("Bearer "))
            status, body = answer(keys[-1])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", keys
        finally:
            server.shutdown()
            thread.join()


def service(url: str, read_key: Callable[[], str] = lambda: "key") -> "closing[AskService]":
    return closing(AskService(url, 5, Access(read_key=read_key)))


def test_a_search_is_timed_with_what_its_parts_took() -> None:
    with answering(lambda _: GOOD) as (url, keys), service(url) as asked:
        total_s, parts_s = asked.search("q", "c", 3)
        asked.search("q", "c", 3)
    assert (parts_s, keys) == (0.003, ["key", "key"])
    assert total_s > 0


@pytest.mark.parametrize(
    ("status", "body", "error", "why"),
    [
        (200, b"<html>Portal</html>", InvalidRunError, "not JSON"),
        (200, b"[]", InvalidRunError, "no object"),
        (429, b"{}", InvalidRunError, "refuses for load"),
        (404, b"{}", UsageError, "is not there"),
        (500, b"{}", InvalidRunError, "status 500"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_what_came(status: int, body: bytes, error: type[Exception], why: str) -> None:
    with answering(lambda _: (status, body)) as (url, _), service(url) as asked, pytest.raises(error, match=why):
        asked.search("q", "c", 3)


def test_a_key_that_was_renewed_is_read_again_and_no_search_is_sent_twice_for_long() -> None:
    kept = ["old", "old", "new"]  # read for the socket, for httpx, and again after a 401
    with (
        answering(lambda key: GOOD if key == "new" else (401, b"{}")) as (url, keys),
        service(url, lambda: kept.pop(0) if len(kept) > 1 else kept[0]) as asked,
    ):
        for _ in range(3):
            asked.search("q", "c", 3)
    assert keys == ["old", "old", "new", "new", "new"]


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with answering(lambda _: GOOD) as (url, keys), service(url) as asked:
        asked.search("q", "c", 3)
        assert asked._socket is not None
        asked._socket.shutdown(socket.SHUT_RDWR)
        asked.search("q", "c", 3)
        asked.search("q", "c", 3)
        assert asked._socket is not None
    assert len(keys) == 3


@contextmanager
def tunnelling() -> Iterator[tuple[str, list[str]]]:
    """A proxy that knows CONNECT alone; yields its address and what it was asked."""
    asked = list[str]()

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(65_536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def serve(client: socket.socket) -> None:
        with client:
            asked.append(client.recv(65_536).decode().splitlines()[0])
            host, _, port = asked[-1].split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as target:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there = threading.Thread(target=pass_on, args=(client, target))
                there.start()
                pass_on(target, client)
                there.join()

    def accept(server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, args=(server,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_service_behind_a_proxy_of_the_house_is_reached_by_tls_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, models = certificates.make(tmp_path), Models()
    with tunnelling() as (proxy, asked), serving(models.app(), tmp_path) as url:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with closing(EmbeddingService(f"{url}/v1", models.model, models.dimension, Access(ca_pem=made.pem))) as embedding:
            assert len(embedding.time_one("x")[0]) == models.dimension
        with pytest.raises(UsageError, match="not trusted"), closing(EmbeddingService(url, "tiny", 4, Access())) as stranger:
            stranger.time_one("x")
    assert [line.split()[0] for line in asked] == ["CONNECT"] * len(asked) != []


def test_a_service_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with service(f"http://127.0.0.1:{port}/v1") as asked, pytest.raises(UnreachableError, match="does not answer"):
        asked.search("q", "c", 3)
