"""Whether an answer holds the expected fact and cites honestly; plain text rules, so that two runs always agree."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

_NOT_WORD = re.compile(r"[^\w%€$+-]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.,\s](?=\d{3}(?!\d))")
_NO_SPACES = re.compile(
    r"[\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)  # kana and Han: each letter counts as a word
_CITATION = re.compile(r"\[(\d{1,3})\]")


def normalise(text: str) -> str:
    """Fold case, width and typographic variants, join `1,300` and `1.300` to `1300`, and reduce all else to single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate({0x2011: "-", 0x2013: "-", 0x2212: "-"})
    apart = _NO_SPACES.sub(r" \g<0> ", _BETWEEN_DIGITS.sub("", folded))
    return _NOT_WORD.sub(" ", apart).strip()


def has_fact(answer: str, fact: str | None) -> bool:
    """Whether the answer contains the fact as whole words; `1,5` and `15` stay different. No answer contains None."""
    return fact is not None and f" {normalise(fact)} " in f" {normalise(_CITATION.sub(' ', answer))} "


def cited_numbers(answer: str) -> list[int]:
    """Return the numbers in square brackets, in order, each once."""
    return list(dict.fromkeys(int(number) for number in _CITATION.findall(answer)))


def citation_is_right(answer: str, source_documents: Sequence[str], relevance: Mapping[str, int]) -> bool:
    """Whether the answer cites a source of a relevant document, and no source that it was not given."""
    numbers = cited_numbers(answer)
    if any(not 1 <= number <= len(source_documents) for number in numbers):
        return False
    return any(relevance.get(source_documents[number - 1], 0) > 0 for number in numbers)
