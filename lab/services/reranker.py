"""`POST /v1/rerank`, as text-embeddings-inference answers it: texts in the order in which they fit the query.

A text scores by the character n-grams that it shares with the query, weighted by how rare they are among the texts. Refuses an empty
query, more than 256 texts, and one of more than 8192 characters.
"""

import os
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .overlap import Overlap
from .wire import ApiError, Fields, application, read_json

MODEL = "lab-overlap"
MOST_TEXTS = 256
MOST_CHARACTERS = 8192
MOST_BODY_BYTES = 16 * 1024 * 1024


def reranker(api_key: str = "") -> Starlette:
    """Return the application; "" asks for no key."""
    threads = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def rerank(request: Request) -> JSONResponse:
        query, texts = _checked(await read_json(request, MOST_BODY_BYTES))
        return JSONResponse(await anyio.to_thread.run_sync(ranked, query, texts, limiter=threads))

    return application(MODEL, [Route("/v1/rerank", rerank, methods=["POST"])], api_key=api_key)


def _checked(fields: Fields) -> tuple[str, list[str]]:
    query, texts = fields.get("query"), fields.get("texts")
    if not isinstance(query, str) or not query.strip():
        raise ApiError("'query' must be a string that is not empty.", param="query", code="empty_input")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or not 1 <= len(texts) <= MOST_TEXTS:
        raise ApiError(f"'texts' must be a list of 1 to {MOST_TEXTS} strings.", param="texts")
    if max(map(len, [query, *texts])) > MOST_CHARACTERS:
        raise ApiError(f"A text has more than {MOST_CHARACTERS} characters.", param="texts", code="input_too_long")
    return query, texts


def ranked(query: str, texts: list[str]) -> list[dict[str, Any]]:
    """Return `{"index", "score"}` of each text, the best first; equal scores keep their order."""
    scores = Overlap(query, texts).scores(texts)
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    return [{"index": index, "score": scores[index]} for index in order]
