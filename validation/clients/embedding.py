"""The embedding service: texts in, unit-length vectors out, refused when model, count, dimension or a number is not what was declared."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from validation.clients import http
from validation.clients.vectors import Matrix, unit
from validation.judge.errors import InvalidRunError, UnreachableError

_BATCH = 64
_WORKERS = 4
_TIMEOUT_S = 60.0
_WHAT = "the embedding service"


class EmbeddingService:
    """A client of one OpenAI-compatible embedding endpoint; close() it."""

    def __init__(self, url: str, model: str, dimension: int, access: http.Access | None = None) -> None:
        self._client: httpx.Client = http.open_client(url, _TIMEOUT_S, access)
        self._model = model
        self._dimension = dimension

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Refuse a service that is not there, serves another model or another dimension."""
        http.check_model(self._client, _WHAT, self._model)
        self.embed(["dimension"])

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return one row for each text, in order, of length 1."""
        answer = http.call(self._client, _WHAT, "POST", "embeddings", {"model": self._model, "input": list(texts)})
        if answer.get("model") != self._model:
            raise InvalidRunError(
                f"{_WHAT} answered with model {answer.get('model')!r}, declared is {self._model!r}: an index of one model says nothing to "
                "the vectors of another; set embedding.model to what is served, and build the index anew if it was made with another"
            )
        return self._matrix(answer, len(texts))

    def embed_all(self, texts: Sequence[str], progress: Callable[[int], None]) -> Matrix:
        """Embed many texts in batches, a few at once; a batch that does not get through is tried three times."""
        if not texts:
            return np.empty((0, self._dimension), dtype=np.float32)
        batches = [texts[first : first + _BATCH] for first in range(0, len(texts), _BATCH)]
        matrices = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for number, matrix in enumerate(pool.map(self._patiently, batches), 1):
                matrices.append(matrix)
                progress(min(number * _BATCH, len(texts)))
        return np.concatenate(matrices)

    def time_one(self, text: str) -> tuple[Matrix, float]:
        """Embed a single query and return its vector and the seconds it took."""
        begin = time.perf_counter()
        vector = self.embed([text])[0]
        return vector, time.perf_counter() - begin

    @retry(
        retry=retry_if_exception_type((UnreachableError, http.BusyError)),
        stop=stop_after_attempt(3),
        wait=wait_exponential(multiplier=0.2),
        reraise=True,
    )
    def _patiently(self, texts: Sequence[str]) -> Matrix:
        return self.embed(texts)

    def _matrix(self, answer: dict[str, Any], count: int) -> Matrix:
        try:
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            matrix = np.array([entry["embedding"] for entry in entries], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRunError(f"{_WHAT} answered without usable vectors ({type(error).__name__}: {error})") from None
        if matrix.shape != (count, self._dimension):
            raise InvalidRunError(
                f"{_WHAT} answered vectors of shape {matrix.shape}, declared are {count} of dimension {self._dimension}: a collection of "
                "one dimension cannot be searched with another; set embedding.dimension, or serve the model that was declared"
            )
        if not np.isfinite(matrix).all() or not np.linalg.norm(matrix, axis=1).all():
            raise InvalidRunError(f"{_WHAT} answered a vector that is zero, NaN or infinite: it has no direction to compare")
        return unit(matrix)
