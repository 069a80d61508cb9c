"""PDF: text page by page, below the bookmark that it belongs to. Pictures are not read: a scanned page is named, not guessed."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.readers.markup import one_line

_COLUMNS = re.compile(r"\s{3,}")
_WRAPPED = 0.75
"""A line at least so long, against the longest of its page, went on in the next one."""
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")


def read_pdf(body: bytes) -> Parsed:
    """Read every page that has text."""
    try:
        reader = PdfReader(io.BytesIO(body))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("is encrypted with a password; save it without one")
        return _parsed(reader)
    except PyPdfError as error:
        raise UnreadableError(f"is a broken PDF ({error}); open it in a viewer and print it to a new PDF") from None


def _parsed(reader: PdfReader) -> Parsed:
    chapters = dict(_chapters(reader, reader.outline))
    title = one_line(str(reader.metadata.title or "")) if reader.metadata else ""
    sections, silent, heading = list[Section](), list[int](), ""
    for number, page in enumerate(reader.pages, 1):
        heading = chapters.get(number, heading)
        if paragraphs := _paragraphs(page):
            sections.append(Section(heading=heading, paragraphs=paragraphs, page=number))
        else:
            silent.append(number)
    if not sections:
        raise UnreadableError(f"has no text on any of its {len(silent)} pages, so it is scanned; run OCR over it, for instance ocrmypdf")
    pages = ", ".join(map(str, silent))
    notes = (f"no text on page {pages}: empty or scanned; for what is scanned run OCR over it",) if silent else ()
    return Parsed(title=title or sections[0].paragraphs[0][:120], sections=tuple(sections), notes=notes)


def _chapters(reader: PdfReader, outline: Iterable[Any]) -> Iterator[tuple[int, str]]:
    """Yield page and name of each bookmark, the last on a page last."""
    for entry in outline:
        if isinstance(entry, list):
            yield from _chapters(reader, entry)
        elif (at := reader.get_destination_page_number(entry)) is not None:
            yield at + 1, one_line(str(entry.title))


def _paragraphs(page: PageObject) -> tuple[str, ...]:
    """Join lines that were wrapped; what stands far apart on one line are the cells of a row."""
    lines = [_COLUMNS.sub(" | ", line.strip()) for line in page.extract_text(extraction_mode="layout").splitlines()]
    longest = max(map(len, lines), default=0)
    joined, goes_on = list[str](), False
    for line in lines:
        if goes_on and line and " | " not in line:
            joined[-1] += f" {line}"
        elif line:
            joined.append(line)
        goes_on = bool(line) and " | " not in line and len(line) >= longest * _WRAPPED and not line.endswith(_SENTENCE_ENDS)
    return tuple(one_line(line) for line in joined)
