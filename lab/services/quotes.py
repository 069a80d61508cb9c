"""What of a source can be quoted: its sentences, and its table rows under their header; headings only lend their words.

A row is a line with ` | ` between its cells. A table's first row counts as its header when it holds no figure but years.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .prompt import Source

_CELL_BORDER = " | "
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_CITATION = re.compile(r"\[(\d+)\]")
_LEADING_HEADINGS = 2
_LONGEST_HEADING_CHARACTERS = 100
# A sentence ends at . ! or ? before a capital, a digit or an opening quote, but not after a number ("14. März") or one letter ("z. B.");
# in Chinese and Japanese at a full stop of theirs, whatever follows.
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\d\.)(?<![\s(][^\W\d_]\.)\s+(?=[A-ZÄÖÜ\d\"„“§])|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A piece of a source that can stand in an answer."""

    source: int
    """Number of the source."""
    title: str
    """Title of the source."""
    headings: str
    """Other headings that open its text, one per line."""
    text: str
    """A sentence, or a table row below its header."""


def quotes_of(source: Source) -> list[Quote]:
    """Return the quotes of one source in reading order."""
    lines = [line.strip("# ") for line in source.text.splitlines() if line.strip("# ")]
    headings = _leading_headings(lines)
    above = "\n".join(line for line in lines[:headings] if line != source.title)
    texts = (_CITATION.sub(r"(\1)", text) for text in _texts(lines[headings:]))
    return [Quote(source=source.number, title=source.title, headings=above, text=text) for text in texts]


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
