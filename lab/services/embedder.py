"""`POST /v1/embeddings` over a fitted model.

Refuses an empty text, more than 256 texts, or one of more than 8192 characters, and `dimensions` other than its own. Encoding
holds the CPU, so it runs in threads, no more than there are cores: `/health` answers while a large batch is being embedded.
"""

import base64
import os
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .model import EmbeddingModel, Matrix
from .wire import ApiError, Fields, application, read_fields, token_estimate

MOST_TEXTS = 256
MOST_CHARACTERS = 8192
MOST_BODY_BYTES = 16 * 1024 * 1024


def embedder(model: EmbeddingModel, api_key: str = "") -> Starlette:
    """Return the application that serves `model`; "" asks for no key."""
    threads = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def embeddings(request: Request) -> JSONResponse:
        fields = await read_fields(request, MOST_BODY_BYTES, model.card.name)
        texts = _texts(fields)
        encoding = _encoding(fields, model.card.dimension)
        return JSONResponse(await anyio.to_thread.run_sync(_embedded, model, texts, encoding, limiter=threads))

    return application(model.card.name, [Route("/v1/embeddings", embeddings, methods=["POST"])], api_key=api_key)


def _texts(fields: Fields) -> list[str]:
    given = fields.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ApiError("'input' must be a string or a list of strings; lists of tokens are not supported.", param="input")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise ApiError(f"'input' must hold 1 to {MOST_TEXTS} texts, not {len(texts)}.", param="input", code="batch_size")
    for number, text in enumerate(texts):
        if not text.strip():
            raise ApiError(f"'input' number {number} is empty.", param="input", code="empty_input")
        if len(text) > MOST_CHARACTERS:
            raise ApiError(
                f"'input' number {number} has {len(text)} characters, more than {MOST_CHARACTERS}.", param="input", code="input_too_long"
            )
    return texts


def _encoding(fields: Fields, dimension: int) -> str:
    if fields.get("dimensions") not in (None, dimension):
        raise ApiError(f"'dimensions' must be {dimension}: this model cannot shorten its vectors.", param="dimensions")
    encoding = fields.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise ApiError("'encoding_format' must be 'float' or 'base64'.", param="encoding_format")
    return str(encoding)


def _embedded(model: EmbeddingModel, texts: list[str], encoding: str) -> dict[str, Any]:
    vectors = model.encode(texts)
    tokens = sum(token_estimate(text) for text in texts)
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(_encoded(vectors, encoding))]
    return {"object": "list", "data": data, "model": model.card.name, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _encoded(vectors: Matrix, encoding: str) -> list[Any]:
    """Vectors as lists of numbers, or as base64 of little-endian float32, as OpenAI does."""
    if encoding == "float":
        return list(vectors.tolist())
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
