"""Turns Markdown and HTML into a title and sections, and sections into chunks of whole paragraphs.

Structure decides where a chunk ends, not a character count: a heading always starts a new one, a paragraph is only split when it alone
is too long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

CHUNK_CHARACTERS = 1_000
_LEAVE_OUT = ["script", "style", "nav", "template", "noscript"]
_BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "pre", "dt", "dd", "blockquote", "figcaption"]


@dataclass(frozen=True)
class Section:
    """A heading and the paragraphs below it; the heading is empty above the first one."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Parsed:
    """A document's title (first heading, or <title>) and its sections in order."""

    title: str
    sections: list[Section]


def parse_markdown(text: str) -> Parsed:
    """Read Markdown: headings, paragraphs, list items, table rows and code blocks."""
    return parse_html(MarkdownIt("commonmark").enable("table").render(text))


def parse_html(text: str) -> Parsed:
    """Read HTML; whatever is not running text (script, style, navigation) is left out."""
    soup = BeautifulSoup(text, "html.parser")
    for unwanted in soup.find_all(_LEAVE_OUT):
        unwanted.decompose()
    sections = [Section("")]
    for block in soup.find_all(_BLOCKS):
        words = _words(block.get_text(" | " if block.name == "tr" else " ", strip=True))
        if block.name[0] == "h" and block.name[1:].isdigit():
            sections.append(Section(words))
        elif words and block.find_parent(_BLOCKS) is None:
            sections[-1].paragraphs.append(words)
    title = _words(soup.title.get_text()) if soup.title else next((s.heading for s in sections if s.heading), "")
    return Parsed(title=title, sections=[section for section in sections if section.paragraphs])


def chunks_of(section: Section) -> Iterator[str]:
    """Pack a section's paragraphs into chunks of at most CHUNK_CHARACTERS."""
    packed = ""
    for paragraph in section.paragraphs:
        for piece in _pieces(paragraph):
            if packed and len(packed) + len(piece) + 1 > CHUNK_CHARACTERS:
                yield packed
                packed = ""
            packed = f"{packed}\n{piece}" if packed else piece
    if packed:
        yield packed


def _pieces(paragraph: str) -> Iterator[str]:
    """Split a paragraph that is too long at the ends of sentences, and a sentence that is too long anywhere."""
    packed = ""
    for sentence in re.split(r"(?<=[.!?]) ", paragraph):
        if packed and len(packed) + len(sentence) + 1 > CHUNK_CHARACTERS:
            yield packed
            packed = ""
        packed = f"{packed} {sentence}" if packed else sentence
        while len(packed) > CHUNK_CHARACTERS:
            yield packed[:CHUNK_CHARACTERS]
            packed = packed[CHUNK_CHARACTERS:]
    if packed:
        yield packed


def _words(text: str) -> str:
    return " ".join(text.split())
