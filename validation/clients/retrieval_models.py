"""The two models of retrieval: embedding (texts in, unit vectors out) and reranker (a question and texts in, their order out).

Each refuses an answer that is not what was declared: another model, count or dimension, a number that is none, an order of other texts.
"""

import hashlib
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from validation.clients import http
from validation.clients.http import Access
from validation.clients.passages import Chunk
from validation.clients.target import EmbeddingRequest as Request
from validation.clients.vectors import Matrix, unit
from validation.judge.errors import InvalidRunError, UnreachableError

_BATCH = 32
"""What text-embeddings-inference takes by default, and few enough that a model on CPU answers in time while others wait before it."""
_TIMEOUT_S = 60.0
FOLDER_VARIABLE = "GATE_VECTORS"
_LEAST_COSINE = 0.9995
"""Of the same text by the same model: the last bits of half precision differ between machines, 4 bits instead of 32 make it 0.99."""
_WHAT, _RERANKER = "the embedding service", "the reranker"
_PLAIN = Request()
_patiently = Retrying(
    retry=retry_if_exception_type((UnreachableError, http.BusyError)),
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.2),
    reraise=True,
)


class EmbeddingService(http.ModelClient):
    """A client of one OpenAI-compatible embedding endpoint, which asks for queries and for passages as the model wants it; close() it."""

    def __init__(
        self, url: str, model: str, dimension: int, access: Access | None = None, *, query: Request = _PLAIN, passage: Request = _PLAIN
    ) -> None:
        super().__init__(url, model, _TIMEOUT_S, access)
        self._dimension, self._query, self._passage = dimension, query, passage

    def check(self) -> list[str]:
        """Refuse a service that is not there, serves another model or another dimension; return what a reader of the run should know."""
        listed = http.check_model(self._client, _WHAT, self._model)
        for request in (self._passage, self._query):
            self._embed(["dimension"], request)
        if listed is not None:
            return []
        with http.asking(_WHAT, self._client):  # text-embeddings-inference: what it does with a text that is too long
            response = self._client.get(self._client.base_url.join("../info"))
        try:
            info = response.json() if response.is_success else {}
        except ValueError:
            return []
        if not isinstance(info, dict) or info.get("auto_truncate") is not True:
            return []
        limit = info.get("max_input_length", "its model reads")
        return [f"{_WHAT} cuts every text after {limit} tokens, in silence; options.auto-truncate: false makes it refuse such a text"]

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Return one row for each query, in order, of length 1."""
        return self._in_batches(texts, self._query, lambda _: None)

    def embed_passages(self, chunks: Sequence[Chunk], progress: Callable[[int], None] = lambda _: None) -> Matrix:
        """Return one row for each chunk, in order; TooLongError names the chunk that the model cannot read."""
        try:
            return self._in_batches([chunk.passage for chunk in chunks], self._passage, progress)
        except http.TooLongError as error:
            for chunk in sorted(chunks, key=lambda each: -len(each.passage)):  # the first that is refused when it is sent alone
                try:
                    self._embed([chunk.passage], self._passage)
                except http.TooLongError as alone:
                    place = f"document {chunk.source}, chunk {chunk.position + 1}, {len(chunk.passage)} characters"
                    cut = "text-embeddings-inference cuts such texts with options.auto-truncate: true"
                    raise http.TooLongError(f"{place}: {alone}; {cut}") from None
            raise error from None

    def time_one(self, text: str) -> tuple[Matrix, float]:
        """Embed a single query and return its vector and the seconds it took."""
        begin = time.perf_counter()
        return self._embed([text], self._query)[0], time.perf_counter() - begin

    def _in_batches(self, texts: Sequence[str], request: Request, progress: Callable[[int], None]) -> Matrix:
        """Embed many texts, a few batches at once; a batch that does not get through is tried three times."""
        if not texts:
            return np.empty((0, self._dimension), dtype=np.float32)
        if len(texts) <= _BATCH:
            matrix = _patiently(self._embed, texts, request)
            progress(len(texts))
            return matrix
        batches, matrices = [texts[first : first + _BATCH] for first in range(0, len(texts), _BATCH)], list[Matrix]()
        with ThreadPoolExecutor(4) as pool:
            for number, matrix in enumerate(pool.map(lambda batch: _patiently(self._embed, batch, request), batches), 1):
                matrices.append(matrix)
                progress(min(number * _BATCH, len(texts)))
        return np.concatenate(matrices)

    def _embed(self, texts: Sequence[str], request: Request) -> Matrix:
        body = {**request.options, "model": self._model, "input": [request.prefix + text for text in texts]}
        answer = http.call(self._client, _WHAT, "POST", "embeddings", body)
        if answer.get("model") != self._model:
            raise InvalidRunError.of("embedding.other_model", what=_WHAT, given=answer.get("model"), model=self._model)
        try:
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            matrix = np.array([entry["embedding"] for entry in entries], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRunError(f"{_WHAT} answered without usable vectors ({type(error).__name__}: {error})") from None
        if matrix.shape != (len(texts), self._dimension):
            raise InvalidRunError.of("embedding.shape", what=_WHAT, shape=matrix.shape, number=len(texts), dimension=self._dimension)
        if not np.isfinite(matrix).all() or not np.linalg.norm(matrix, axis=1).all():
            raise InvalidRunError(f"{_WHAT} answered a vector that is zero, NaN or infinite: it has no direction to compare")
        return unit(matrix)


class KeptVectors:
    """Vectors of passages that one model embedded before, by the sha256 of the text, in a folder; with no folder nothing is kept.

    Only where the variable GATE_VECTORS names one, as the lab does: embedding its corpus takes two cores half a minute. In every run a
    few of the kept ones are embedded anew; where one differs, another model is served under the same name, and all are. The report
    says how many were kept. A file that is damaged is as none: it holds nothing that cannot be made again.
    """

    def __init__(self, folder: str, model: str) -> None:
        name = hashlib.sha256(model.encode()).hexdigest()[:16]
        self._path = Path(folder) / f"{name}.npz" if folder else None
        self._rows, self.embedded = dict[str, Matrix](), 0  # how many texts the service was sent
        with suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            if self._path is not None:
                with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    self._rows = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def embed(self, chunks: Sequence[Chunk], embed: Callable[[Sequence[Chunk]], Matrix]) -> Matrix:
        """Return one row for each chunk, in order; `embed` is asked for those that are not kept, and for a few that are."""
        keys = [hashlib.sha256(chunk.passage.encode()).hexdigest() for chunk in chunks]
        known = [number for number, key in enumerate(keys) if key in self._rows]
        again = known[:: max(len(known) // 8, 1)]
        asked = sorted({*range(len(keys))} - {*known} | {*again})
        self.embedded += len(asked)
        made = dict(zip(asked, embed([chunks[number] for number in asked]), strict=True))
        if any(float(made[number] @ self._rows[keys[number]]) < _LEAST_COSINE for number in again):
            self._rows = {}
            return self.embed(chunks, embed)
        self._rows |= {keys[number]: vector for number, vector in made.items()}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            np.savez(self._path, keys=np.array(list(self._rows)), vectors=np.stack(list(self._rows.values())))
        return np.stack([self._rows[key] for key in keys])


class Reranker(http.ModelClient):
    """A client of one `/rerank` endpoint, as text-embeddings-inference has it; close() it."""

    def __init__(self, url: str, model: str, access: Access | None = None) -> None:
        super().__init__(url, model, _TIMEOUT_S, access)

    def check(self) -> None:
        """Refuse a service that is not there, lists another model, or cannot tell a right text from a wrong one."""
        http.check_model(self._client, _RERANKER, self._model)
        order, _ = self.rank("How fast may a forklift go?", ["The canteen opens at noon.", "A forklift may go 8 km/h."])
        if order[0] != 1:
            raise InvalidRunError(f"{_RERANKER} ranks a text about lunch above the answer to a question about forklifts; serve a reranker")

    def rank(self, question: str, texts: Sequence[str]) -> tuple[list[int], float]:
        """Return the positions of `texts`, the best first, and the seconds that it took."""
        begin = time.perf_counter()
        answer = http.call(self._client, _RERANKER, "POST", "rerank", {"query": question, "texts": list(texts)}, kind=object)
        seconds = time.perf_counter() - begin
        try:
            order = [int(entry["index"]) for entry in sorted(answer, key=lambda entry: -float(entry["score"]))]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRunError(f"{_RERANKER} answered without a usable order ({type(error).__name__}: {error})") from None
        if sorted(order) != list(range(len(texts))):
            raise InvalidRunError(f"{_RERANKER} answered the positions {order[:10]}, which are no order of {len(texts)} texts")
        return order, seconds
