"""`POST /v1/rerank`, as text-embeddings-inference answers it: texts in the order in which they fit the query.

A text scores by the letters that it shares with the query, rare ones weighing more: what reranker and reader know of a text. Latin words
are compared by n-grams of three to five letters, so that German compounds share their parts; Chinese and Japanese, which put no spaces
between words, by overlapping pairs of letters. Weights are those of TF-IDF: 1 + ln of the count, times ln of the rarity, length 1.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from starlette.applications import Starlette

from .wire import MOST_CHARACTERS, MOST_TEXTS, ApiError, Fields, application

MODEL = "lab-overlap"
_SIZES = (3, 4, 5)
_WORD = re.compile(
    r"(?P<pairs>[\u3041-\u3096\u30a1-\u30fe\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+)|[^\s\u3041-\u30fe\u3400-\u9fff\uf900-\ufaff]+"
)


class Overlap:
    """Compares texts with one question; `texts`, and the question itself, tell which n-grams are rare."""

    def __init__(self, question: str, texts: Sequence[str]) -> None:
        seen = Counter(term for text in (*texts, question) for term in set(_terms(text)))
        count = len(texts) + 1
        self._rarity = {term: 1 + math.log((1 + count) / (1 + times)) for term, times in seen.items()}
        self._question = self._weigh(question)

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the cosine of its weights and the question's, 0 to 1."""
        return [sum(weight * self._question.get(term, 0.0) for term, weight in self._weigh(text).items()) for text in texts]

    def _weigh(self, text: str) -> dict[str, float]:
        counts = Counter(term for term in _terms(text) if term in self._rarity)
        weights = {term: (1 + math.log(times)) * self._rarity[term] for term, times in counts.items()}
        length = math.hypot(*weights.values()) or 1.0
        return {term: weight / length for term, weight in weights.items()}


def _terms(text: str) -> Iterator[str]:
    for word in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        letters = word[0] if word["pairs"] else f" {word[0]} "
        for size in (2,) if word["pairs"] else _SIZES:
            yield from (letters[at : at + size] for at in range(max(1, len(letters) - size + 1)))


def reranker(api_key: str = "") -> Starlette:
    """Return the application; "" asks for no key."""
    return application(MODEL, "/v1/rerank", _rerank, api_key=api_key, names_model=False)


def _rerank(fields: Fields) -> list[Fields]:
    query, texts = fields.get("query"), fields.get("texts")
    if not isinstance(query, str) or not query.strip():
        raise ApiError("'query' must be a string that is not empty.", param="query", code="empty_input")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or not 1 <= len(texts) <= MOST_TEXTS:
        raise ApiError(f"'texts' must be a list of 1 to {MOST_TEXTS} strings.", param="texts")
    if max(map(len, [query, *texts])) > MOST_CHARACTERS:
        raise ApiError(f"A text has more than {MOST_CHARACTERS} characters.", param="texts", code="input_too_long")
    return ranked(query, texts)


def ranked(query: str, texts: list[str]) -> list[Fields]:
    """Return `{"index", "score"}` of each text, the best first; equal scores keep their order."""
    scores = Overlap(query, texts).scores(texts)
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    return [{"index": index, "score": scores[index]} for index in order]
