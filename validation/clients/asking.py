"""The service that answers questions with their sources, as the gate asks it: through its API, with the key of the stack's own database."""

import json
import time
from http.client import OK, HTTPConnection, HTTPException
from typing import Any

from validation.clients import http
from validation.clients.llm import END, Answer, Arrived, payloads
from validation.judge.errors import InvalidRunError

_WHAT = "the service of questions"


class AskService(http.ModelClient):
    """A client of one; close() it."""

    def __init__(self, url: str, timeout_s: float, access: http.Access) -> None:
        super().__init__(url, "", timeout_s, access)
        base, key = self._client.base_url, access.read_key() if access.read_key is not None else ""
        self._light = HTTPConnection(base.host, base.port, timeout=timeout_s) if base.scheme == "http" else None
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def check(self) -> None:
        """Refuse a service that is not there, or that the key does not open."""
        http.call(self._client, _WHAT, "GET", "models")

    def search(self, question: str, collection: str, limit: int) -> tuple[float, float]:
        """Return the seconds of one search, and those of them that the parts took; httpx would take about as long as the service does."""
        asked = {"query": question, "collection": collection, "limit": limit}
        begin = time.perf_counter()
        answer = self._search_lightly(asked) or http.call(self._client, _WHAT, "POST", "search", asked)
        return time.perf_counter() - begin, sum(answer["stages_ms"].values()) / 1e3

    def _search_lightly(self, asked: dict[str, object]) -> dict[str, Any] | None:
        """Return None over TLS, and where it does not succeed: the other client says why."""
        if self._light is None:
            return None
        try:
            self._light.request("POST", f"{self._client.base_url.path}search", json.dumps(asked), self._headers)
            response = self._light.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            self._light.close()
            return None
        answer: dict[str, Any] | None = json.loads(body) if response.status == OK else None
        return answer

    def close(self) -> None:
        """Close the connections."""
        super().close()
        if self._light is not None:
            self._light.close()

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
