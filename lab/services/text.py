"""Plain text of the corpus, for fitting and for reading: title, passages of one section each, sentences.

Owns the small amount of Markdown and HTML that the sample corpus uses, with the standard library alone, so that the
image stays small. Refuses to be a parser for anybody's documents: that is the ingest pipeline's work, with real libraries.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

_BLOCK_TAGS = frozenset({"p", "li", "tr", "h1", "h2", "h3", "h4", "div", "table", "ul", "ol", "title", "section", "blockquote", "pre"})
_SILENT_TAGS = frozenset({"script", "style", "title"})
_HEADING_TAGS = frozenset({"h1", "h2", "h3", "h4"})
# A sentence ends at . ! or ? before a capital, a digit or an opening quote, but not after a number ("14. März") or one letter ("z. B.").
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\d\.)(?<![\s(][^\W\d_]\.)\s+(?=[A-ZÄÖÜ\d\"„“§])")
_TABLE_RULE = re.compile(r"^\|?[\s:|-]+\|?$")
_MARKUP = re.compile(r"\*\*|`|^(?:[-*]|\d+\.)\s+")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One section of a document."""

    document_id: str
    """Stem of the file."""
    title: str
    """First heading of the document."""
    heading: str
    """Heading of the section; the title itself before the second heading."""
    lines: tuple[str, ...]
    """Paragraphs, list items and table rows (cells joined by `: `), without markup."""

    @property
    def text(self) -> str:
        """The section as one string, its heading first."""
        return "\n".join((self.heading, *self.lines))


class _HtmlLines(HTMLParser):
    """Collects `(is_heading, text)` of every block of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[tuple[bool, str]] = []
        self._text: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the base class names it
        if tag in _SILENT_TAGS:
            self._silent += 1
        if tag in _BLOCK_TAGS:
            self._flush(heading=False)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._text.append("|")
        if tag in _BLOCK_TAGS:
            self._flush(heading=tag in _HEADING_TAGS)
        if tag in _SILENT_TAGS:
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)

    def _flush(self, *, heading: bool) -> None:
        text = _cells("".join(self._text))
        self._text.clear()
        if text:
            self.blocks.append((heading, text))


def _cells(line: str) -> str:
    """`| a | b |` as `a: b`; other lines with their white space collapsed."""
    cells = [" ".join(cell.split()) for cell in line.split("|")]
    return ": ".join(cell for cell in cells if cell)


def _html_blocks(source: str) -> list[tuple[bool, str]]:
    parser = _HtmlLines()
    parser.feed(source)
    parser.close()
    return parser.blocks


def _markdown_blocks(source: str) -> list[tuple[bool, str]]:
    blocks = []
    for raw in source.splitlines():
        line = raw.strip()
        if not line or _TABLE_RULE.match(line):
            continue
        heading = line.startswith("#")
        blocks.append((heading, _cells(_MARKUP.sub("", line.lstrip("# ")))))
    return blocks


_READERS = {".md": _markdown_blocks, ".html": _html_blocks}


def read_passages(path: Path) -> Iterator[Passage]:
    """Yield the sections of one document; raise `ValueError` for one without a heading."""
    blocks = _READERS[path.suffix](path.read_text(encoding="utf-8"))
    title = next((text for heading, text in blocks if heading), "")
    if not title:
        raise ValueError(f"{path}: no heading, so the document has no title; give it one")
    section, lines = title, []
    for heading, text in [*blocks, (True, "")]:
        if not heading:
            lines.append(text)
            continue
        if lines:
            yield Passage(document_id=path.stem, title=title, heading=section, lines=tuple(lines))
        section, lines = text, []


def document_paths(corpus: Path) -> list[Path]:
    """Return `documents/<language>/*.md|.html`, sorted; raise `ValueError` when there are none."""
    paths = sorted(path for path in (corpus / "documents").glob("*/*") if path.suffix in _READERS)
    if not paths:
        raise ValueError(
            f"{corpus}: no documents/<language>/*.md or *.html below it, so nothing can be fitted; name the directory of the corpus"
        )
    return paths


def corpus_sha256(corpus: Path) -> str:
    """Return the digest over paths and contents of the documents, and the questions, by which the gate's report names a corpus."""
    total = hashlib.sha256()
    for path in document_paths(corpus):
        total.update(f"{path.relative_to(corpus).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    total.update((corpus / "questions.jsonl").read_bytes())
    return total.hexdigest()


def sentences(text: str) -> list[str]:
    """Sentences and table rows of a text: a line never joins the next."""
    found = (part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line))
    return [sentence for sentence in found if sentence]
