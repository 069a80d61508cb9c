"""Answers a question with sentences of the sources it comes with: the reader without its wire.

The prompt is as the gate writes it: numbered sources, each `[1] <title> (<document id>)` over its text, then `Question: <question>`. Quoted
are sentences, and table rows (cells parted by ` | `) under their header, a first row without figures but years. A sentence scores by the
character n-grams that it shares with the question, and by those that its headings, its source and its neighbours share; one that holds the
kind of value asked for gains. All sentences of an answer come from one document, since two variants of one contradict each other.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .reranker import Overlap

_QUESTION = re.compile(r"(?:^|\n)Question:")
_FIRST_LINE = re.compile(r"(?:^|\n\n)\[(?P<number>\d+)\] (?P<title>.*?)(?: \((?P<document>[^()\n]*)\))?(?=\n|$)")
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
_CELL_BORDER = " | "
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_CITATION = re.compile(r"\[(\d+)\]")
_LEADING_HEADINGS = 2
_LONGEST_HEADING_CHARACTERS = 100
# A sentence ends at . ! or ? before a capital, a digit or an opening quote, but not after a number ("14. März") or one letter ("z. B.");
# in Chinese and Japanese at a full stop of theirs, whatever follows.
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\d\.)(?<![\s(][^\W\d_]\.)\s+(?=[A-ZÄÖÜ\d\"„“§])|(?<=[。！？])")
_KINDS = json.loads(Path(__file__).with_name("kinds.json").read_text(encoding="utf-8"))
_ASKED = [(re.compile(question, re.IGNORECASE), re.compile(value, re.IGNORECASE)) for question, value in _KINDS.items()]
"""What kind of value a question asks for, and what a sentence that holds one looks like, in the languages of the corpus."""


class Source(NamedTuple):
    """One numbered source."""

    number: int
    title: str
    text: str


class Quote(NamedTuple):
    """A piece of a source that can stand in an answer."""

    source: int  # its number
    title: str
    headings: str  # other headings that open the text of the source, one per line
    text: str  # a sentence, or a table row below its header


def parse(message: str) -> tuple[list[Source], str]:
    """Return sources and question; a message in another form is a question without sources.

    Split at `[1]`, `[2]`, ... in this order, so that a `[7]` inside a text does not open a source.
    """
    questions = list(_QUESTION.finditer(message))
    if not questions:
        return [], message.strip()
    head = message[: questions[-1].start()]
    begins: list[re.Match[str]] = []
    for match in _FIRST_LINE.finditer(head):
        if int(match["number"]) == len(begins) + 1:
            begins.append(match)
    ends = [match.start() for match in begins[1:]] + [len(head)]
    sources = [
        Source(int(match["number"]), match["title"], head[match.end() : end].strip()) for match, end in zip(begins, ends, strict=False)
    ]
    return sources, message[questions[-1].end() :].strip()


def answer(question: str, sources: Sequence[Source]) -> str:
    """Return up to three sentences, each with the number of its source like `[1]`, or a sentence that refuses."""
    quotes = [quote for source in sources for quote in quotes_of(source)]
    if quotes and question.strip():
        matches = _matches(question, quotes, sources)
        values = np.array([_VALUE if holds_asked_value(question, quote.text) else 0.0 for quote in quotes])
        order = np.argsort(-(matches + values), kind="stable")
        if matches[order[0]] >= (_LEAST_MATCH_WITH_VALUE if values[order[0]] else _LEAST_MATCH):
            best: dict[str, int] = {}
            for quote in (quotes[at] for at in order):
                if quote.title == quotes[order[0]].title:
                    best.setdefault(quote.text, quote.source)
            return "\n".join(f"{text} [{source}]" for text, source in list(best.items())[:_MOST_SENTENCES])
    return next((refusal for language, refusal in _REFUSALS if language.search(question)), _REFUSAL)


def _matches(question: str, quotes: Sequence[Quote], sources: Sequence[Source]) -> npt.NDArray[np.float64]:
    """Return how well each quote fits, without the bonus for a value of the kind asked for."""
    overlap = Overlap(question, [quote.text for quote in quotes])
    own = np.array(overlap.scores([quote.text for quote in quotes]))
    above = {quote.source: f"{quote.title}\n{quote.headings}" for quote in quotes}
    headings = overlap.scores([above.get(source.number, "") for source in sources])
    whole = overlap.scores([f"{source.title}\n{source.text}" for source in sources])
    lent = {source.number: _HEADINGS * heading + _SOURCE * text for source, heading, text in zip(sources, headings, whole, strict=True)}
    total: npt.NDArray[np.float64] = own + np.array([lent[quote.source] for quote in quotes])
    # sentences lend to their neighbours within one source: "It is valid for five years" needs the one before
    same = np.diff([quote.source for quote in quotes]) == 0
    total[1:] += np.where(same, _BEFORE * own[:-1], 0.0)
    total[:-1] += np.where(same, _AFTER * own[1:], 0.0)
    return total


def quotes_of(source: Source) -> list[Quote]:
    """Return the quotes of one source in reading order."""
    lines = [line.strip("# ") for line in source.text.splitlines() if line.strip("# ")]
    headings = _leading_headings(lines)
    above = "\n".join(line for line in lines[:headings] if line != source.title)
    texts = (_CITATION.sub(r"(\1)", text) for text in _texts(lines[headings:]))
    return [Quote(source.number, source.title, above, text) for text in texts]


def _leading_headings(lines: list[str]) -> int:
    for number, line in enumerate(lines[:_LEADING_HEADINGS]):
        is_heading = line[-1] not in ".!?:;," and _CELL_BORDER not in line and len(line) <= _LONGEST_HEADING_CHARACTERS
        if not is_heading or number == len(lines) - 1:
            return number
    return min(_LEADING_HEADINGS, len(lines))


def _texts(lines: list[str]) -> Iterator[str]:
    header: str | None = None
    for line in lines:
        if _CELL_BORDER not in line:
            header = None
            yield from sentences(line)
        elif header is None and not re.search(r"\d", _YEAR.sub("", line)):
            header = line
        else:
            header = header or ""
            yield f"{header}\n{line}".strip()


def sentences(text: str) -> list[str]:
    """Sentences and table rows of a text: a line never joins the next."""
    parts = (part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line))
    return [part for part in parts if part]


def holds_asked_value(question: str, sentence: str) -> bool:
    """Whether the sentence holds a value of a kind that the question asks for; False when it asks for none known."""
    return any(asked.search(question) and value.search(sentence) for asked, value in _ASKED)
