"""The reranker: a question and texts in, the order of the texts out, refused when it is no order of exactly these texts."""

import time
from collections.abc import Sequence

import httpx

from validation.clients import http
from validation.judge.errors import InvalidRunError

_TIMEOUT_S = 60.0
_WHAT = "the reranker"


class Reranker:
    """A client of one `/rerank` endpoint, as text-embeddings-inference has it; close() it."""

    def __init__(self, url: str, model: str, access: http.Access | None = None) -> None:
        self._client: httpx.Client = http.open_client(url, _TIMEOUT_S, access)
        self._model = model

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Refuse a service that is not there, lists another model, or cannot tell a right text from a wrong one."""
        http.check_model(self._client, _WHAT, self._model)
        order, _ = self.rank("How fast may a forklift go?", ["The canteen opens at noon.", "A forklift may go 8 km/h."])
        if order[0] != 1:
            raise InvalidRunError(f"{_WHAT} ranks a text about lunch above the answer to a question about forklifts; serve a reranker")

    def rank(self, question: str, texts: Sequence[str]) -> tuple[list[int], float]:
        """Return the positions of `texts`, the best first, and the seconds that it took."""
        begin = time.perf_counter()
        answer = http.send(self._client, _WHAT, "POST", "rerank", {"query": question, "texts": list(texts)})
        seconds = time.perf_counter() - begin
        try:
            order = [int(entry["index"]) for entry in sorted(answer, key=lambda entry: -float(entry["score"]))]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRunError(f"{_WHAT} answered without a usable order ({type(error).__name__}: {error})") from None
        if sorted(order) != list(range(len(texts))):
            raise InvalidRunError(f"{_WHAT} answered the positions {order[:10]}, which are no order of {len(texts)} texts")
        return order, seconds
