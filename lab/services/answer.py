"""Answers a question with sentences of the sources it comes with: the reader without its wire.

Owns the scoring and the refusal. It can only quote: it neither counts, compares nor translates. A sentence scores by the
character n-grams that it shares with the question, and by those that its headings, its source and its neighbours share;
one that holds the kind of value asked for gains. All sentences of an answer come from one document, since two variants of a
document, quoted side by side, contradict each other. The weights were found by experiment, see README.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .asked import holds_asked_value
from .overlap import Overlap
from .prompt import Source
from .quotes import Quote, quotes_of

Scores = npt.NDArray[np.float64]

_MOST_SENTENCES = 3
_HEADINGS, _SOURCE, _BEFORE, _AFTER, _VALUE = 0.5, 0.1, 0.3, 0.1, 0.3
_LEAST_MATCH_WITH_VALUE, _LEAST_MATCH = 0.18, 0.26
"""Below these, without the bonus for a value, the sources are about something else: found with questions they cannot answer."""

_GERMAN = re.compile(r"\b(?:wie|was|wer|wann|welche[rsmn]?|wo|der|die|das|ist|und|für|ein|eine|muss|darf|kann)\b", re.IGNORECASE)
_KANA, _HAN = re.compile(r"[\u3041-\u30ff]"), re.compile(r"[\u4e00-\u9fff]")
_REFUSALS = (
    (_KANA, "出典にはこの質問の答えがありません。"),
    (_HAN, "来源没有回答这个问题。"),
    (_GERMAN, "Die Quellen beantworten diese Frage nicht."),
)
_REFUSAL = "The sources do not answer this question."


@dataclass(frozen=True, kw_only=True)
class Match:
    """A quote and how well it fits."""

    quote: Quote
    score: float
    match: float
    """The score without the bonus for a value of the kind asked for."""


def answer(question: str, sources: Sequence[Source]) -> str:
    """Return up to three sentences, each with the number of its source like `[1]`, or a sentence that refuses."""
    matches = ranked(question, sources)
    if not matches or not _is_convincing(matches[0]):
        return next((refusal for language, refusal in _REFUSALS if language.search(question)), _REFUSAL)
    best: dict[str, Quote] = {}
    for match in matches:
        if match.quote.title == matches[0].quote.title and len(best) < _MOST_SENTENCES:
            best.setdefault(match.quote.text, match.quote)
    return "\n".join(f"{quote.text} [{quote.source}]" for quote in best.values())


def _is_convincing(best: Match) -> bool:
    return best.match >= (_LEAST_MATCH_WITH_VALUE if best.score > best.match else _LEAST_MATCH)


def ranked(question: str, sources: Sequence[Source]) -> list[Match]:
    """Return all quotes of the sources, the best match first."""
    quotes = [quote for source in sources for quote in quotes_of(source)]
    if not quotes or not question.strip():
        return []
    matches = _matches(question, quotes, sources)
    values = [_VALUE if holds_asked_value(question, quote.text) else 0.0 for quote in quotes]
    scores = matches + np.array(values)
    order = np.argsort(-scores, kind="stable")
    return [Match(quote=quotes[at], score=float(scores[at]), match=float(matches[at])) for at in order]


def _matches(question: str, quotes: Sequence[Quote], sources: Sequence[Source]) -> Scores:
    overlap = Overlap(question, [quote.text for quote in quotes])
    own = np.array(overlap.scores([quote.text for quote in quotes]))
    above = {quote.source: f"{quote.title}\n{quote.headings}" for quote in quotes}
    whole = [f"{source.title}\n{source.text}" for source in sources]
    headings = overlap.scores([above.get(source.number, "") for source in sources])
    lent = {
        source.number: _HEADINGS * heading + _SOURCE * text
        for source, heading, text in zip(sources, headings, overlap.scores(whole), strict=True)
    }
    numbers = [quote.source for quote in quotes]
    total: Scores = own + _neighbours(own, numbers) + np.array([lent[number] for number in numbers])
    return total


def _neighbours(own: Scores, source_numbers: Sequence[int]) -> Scores:
    """Return what the sentences before and after lend, within one source: "It is valid for five years" needs them."""
    lent = np.zeros_like(own)
    same = np.diff(source_numbers) == 0
    lent[1:] += np.where(same, _BEFORE * own[:-1], 0.0)
    lent[:-1] += np.where(same, _AFTER * own[1:], 0.0)
    return lent
