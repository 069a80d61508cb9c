"""The service that answers questions with their sources, as the gate asks it: through its API, with the key of the stack's own database."""

import json
import socket
import time
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError, HttpResponseParser

from validation.clients import http
from validation.clients.llm import END, Answer, Arrived, payloads
from validation.judge.errors import InvalidRunError

_WHAT = "the service of questions"


class _Whole:
    """What a parser has read of one answer."""

    def __init__(self) -> None:
        self.body, self.is_whole = b"", False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_whole = True


class AskService(http.ModelClient):
    """A client of one; close() it."""

    def __init__(self, url: str, timeout_s: float, access: http.Access) -> None:
        super().__init__(url, "", timeout_s, access)
        key = access.read_key() if access.read_key is not None else ""
        self._head = f"POST {self._client.base_url.path}search HTTP/1.1\r\nHost: {self._client.base_url.netloc.decode()}\r\n"
        self._head += f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: "
        self._socket: socket.socket | None = None
        self._timeout_s, self._is_light = timeout_s, self._client.base_url.scheme == "http"

    def check(self) -> None:
        """Refuse a service that is not there, or that the key does not open."""
        http.call(self._client, _WHAT, "GET", "models")

    def search(self, question: str, collection: str, limit: int) -> tuple[float, float]:
        """Return the seconds of one search, and those of them that the parts took.

        By a socket where the service has no TLS: httpx takes about as long for a request as the service does. What does not succeed so is
        asked again by httpx, which says why, and timed anew.
        """
        asked = {"query": question, "collection": collection, "limit": limit}
        begin = time.perf_counter()
        answer = self._search_lightly(json.dumps(asked).encode())
        if answer is None:
            begin = time.perf_counter()
            answer = http.call(self._client, _WHAT, "POST", "search", asked)
        return time.perf_counter() - begin, sum(answer["stages_ms"].values()) / 1e3

    def _search_lightly(self, body: bytes) -> dict[str, Any] | None:
        """Return None where it does not succeed; after a refusal, such as of a key that was renewed, httpx asks alone."""
        if not self._is_light:
            return None
        whole, end_s, base = _Whole(), time.monotonic() + self._timeout_s, self._client.base_url
        parser = HttpResponseParser(whole)
        try:
            if self._socket is None:
                self._socket = socket.create_connection((base.host, base.port or 80), min(self._timeout_s, http.CONNECT_TIMEOUT_S))
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
            while not whole.is_whole:
                if not (piece := self._socket.recv(65_536)) or end_s < time.monotonic():
                    raise TimeoutError("its whole answer was not there in time")
                parser.feed_data(piece)
                self._socket.settimeout(max(end_s - time.monotonic(), 1e-3))
            answer = json.loads(whole.body)
        except (OSError, ValueError, HttpParserError):
            self._disconnect()
            return None
        self._is_light = parser.get_status_code() == HTTPStatus.OK
        return answer if self._is_light and isinstance(answer, dict) else None

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._disconnect()

    def cpu_s(self) -> float | None:
        """Return the seconds of CPU that its process has taken, None where it does not say."""
        with http.failures_named(_WHAT, self._client.base_url):
            lines = self._client.get(self._client.base_url.join("../metrics")).text.splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total ")), None)

    def ask(self, question: str, collection: str, limit: int) -> tuple[list[int], Answer]:
        """Ask once, streaming; return the ids of the passages that the model had, best first, and the answer, timed from the question."""
        message = {"role": "user", "content": question}
        body = {"model": collection, "messages": [message], "limit": limit, "stream": True, "sources_in_text": False}
        begin, ids, arrived = time.perf_counter(), list[int](), Arrived()
        with http.asking(_WHAT, self._client), self._client.stream("POST", "chat/completions", json=body) as response:
            http.refuse_failure(_WHAT, response)
            for event in (json.loads(payload) for payload in payloads(response) if payload != END):
                if "error" in event:
                    raise InvalidRunError(f"{_WHAT} broke off its answer: {event['error']['message']}")
                ids += [int(passage["id"]) for passage in event.get("passages", ())]
                arrived.finish_reason = event["choices"][0]["finish_reason"] or arrived.finish_reason
                if piece := event["choices"][0]["delta"].get("content"):
                    arrived.content.append((time.perf_counter() - begin, piece))
        return ids, arrived.answer(time.perf_counter() - begin, max_tokens=0)
