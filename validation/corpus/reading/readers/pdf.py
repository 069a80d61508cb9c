"""PDF: text page by page, below the bookmark that it belongs to, with the values of forms and what people noted on the pages.

Pictures are not read: a scanned page is named, not guessed.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # pypdfium2 ships no types
from pypdfium2 import raw

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.readers.pdf_layout import Cell, blocks_of, rows_in
from validation.corpus.reading.structure import Block, garbled, one_line, sections_of, title_or

_HEAD_LINES, _HEAD_PAGES, _PAGE_NUMBER_LETTERS = 2, 3, 8
_LARGE_PICTURE = 72


@dataclass(slots=True)
class _Page:
    number: int
    rows: list[list[Cell]]
    noted: list[str]
    pictures: int = 0


def read_pdf(body: bytes) -> Parsed:
    """Read every page that has text."""
    try:
        return _parsed(pdfium.PdfDocument(body))
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableError("is encrypted with a password; save it without one") from None
        raise UnreadableError(f"is a broken PDF ({error}); open it in a viewer and print it to a new PDF") from None


def _parsed(document: pdfium.PdfDocument) -> Parsed:
    pages = [_page(document, number) for number in range(1, len(document) + 1)]
    silent = [page for page in pages if not page.rows and not page.noted]
    if len(silent) == len(pages):
        raise UnreadableError(f"has no text on any of its {len(silent)} pages, so it is scanned; run OCR over it, for instance ocrmypdf")
    _drop_running_heads(pages)
    chapters, bookmarks, blocks, last = dict[int, tuple[str, ...]](), list[str](), list[Block](), tuple[str, ...]()
    for bookmark in document.get_toc(max_depth=8):  # of a page with several, the path to the last one
        bookmarks[bookmark.level :] = [one_line(bookmark.get_title())]
        destination = bookmark.get_dest()
        if destination is not None and destination.get_index() is not None:
            chapters[destination.get_index() + 1] = tuple(filter(None, bookmarks))
    for page in pages:
        path = chapters.get(page.number, last)
        if path != last:
            same = next((at for at, (one, other) in enumerate(zip(path, last, strict=False)) if one != other), min(len(path), len(last)))
            blocks += [Block(text, level=level, page=page.number) for level, text in enumerate(path[same:], same + 1)]
            last = path
        blocks += [*blocks_of(page.rows, page.number), *(Block(text, page=page.number) for text in page.noted)]
    _, sections = sections_of(blocks)
    title = title_or(document.get_metadata_dict().get("Title", ""), sections[0].paragraphs[0][:120])
    return Parsed(title=title, sections=sections, notes=tuple(_notes(pages, silent)), pages=len(pages))


def _notes(pages: Sequence[_Page], silent: Sequence[_Page]) -> Iterator[str]:
    if silent:
        yield f"no text on page {_numbers(silent)}: empty or scanned; for what is scanned run OCR over it"
    pictured = [page for page in pages if page.pictures and page not in silent]
    if pictured:
        count = sum(page.pictures for page in pictured)
        yield f"{count} pictures were not read, on page {_numbers(pictured)}; where they hold words run OCR over them"
    reasons = {page.number: garbled(" ".join(cell.text for row in page.rows for cell in row)) for page in pages}
    for reason in dict.fromkeys(filter(None, reasons.values())):
        on = _numbers([page for page in pages if reasons[page.number] == reason])
        yield f"the text of page {on} looks garbled ({reason}); print it to a new PDF, or run OCR"


def _numbers(pages: Sequence[_Page]) -> str:
    shown = ", ".join(str(page.number) for page in pages[:20])
    return f"{shown} and {len(pages) - 20} more" if len(pages) > 20 else shown  # noqa: PLR2004 - as many as one reads


def _page(document: pdfium.PdfDocument, number: int) -> _Page:
    page = document[number - 1]
    text, pictures = page.get_textpage(), page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    read = _Page(number, rows=rows_in(text), noted=list(_annotations(page)))
    for left, bottom, right, top in (picture.get_bounds() for picture in pictures):
        read.pictures += right - left >= _LARGE_PICTURE and top - bottom >= _LARGE_PICTURE
    text.close()
    if raw.FPDFPage_GetAnnotCount(page):
        raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
        read.noted += _appearances(document[number - 1], read)
    page.close()
    return read


def _appearances(flat: pdfium.PdfPage, read: _Page) -> Iterator[str]:
    """Yield what annotations show beside their values: signatures, stamps, the choices of a list, the names of buttons."""
    known = Counter(cell.text for row in read.rows for cell in row)
    noted = "".join("".join(read.noted).split())
    for row in rows_in(flat.get_textpage()):
        fresh = [cell.text for cell in row if not known[cell.text]]
        known -= Counter(cell.text for cell in row)
        words = one_line(" ".join(fresh))
        if "".join(words.split()) not in noted:
            yield words
    flat.close()


def _annotations(page: pdfium.PdfPage) -> Iterator[str]:
    """Yield the values of form fields, and what people wrote on the page."""
    for at in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, at)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        name, value, words = (_string(annotation, key) for key in (b"T", b"V", b"Contents"))
        if kind == raw.FPDF_ANNOT_WIDGET and value and value != "Off":
            yield f"{name}: {value}" if name else value
        elif words and kind not in {raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP}:
            yield words if kind == raw.FPDF_ANNOT_FREETEXT else f"Comment{f' of {name}' if name else ''}: {words}"
        raw.FPDFPage_CloseAnnot(annotation)


def _string(annotation: raw.FPDF_ANNOTATION, key: bytes) -> str:
    length = raw.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    buffer = ctypes.create_string_buffer(length)
    raw.FPDFAnnot_GetStringValue(annotation, key, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), length)
    return one_line(buffer.raw.decode("utf-16-le", "replace").rstrip("\0"))


def _drop_running_heads(pages: Sequence[_Page]) -> None:
    """Keep what stands at the top or the bottom of most pages on the first of them alone; a number that counts the pages makes none."""
    edges = [{id(row): _heads(row, page.number) for row in (*page.rows[:_HEAD_LINES], *page.rows[-_HEAD_LINES:])} for page in pages]
    counts, seen = Counter(head for heads in edges for head in set[str]().union(*heads.values())), set[str]()
    repeated = {head for head, count in counts.items() if count >= max(_HEAD_PAGES, len(pages) / 2)}
    for page, heads in zip(pages, edges, strict=True):
        page.rows = [row for row in page.rows if not heads.get(id(row), set[str]()) & repeated & seen]
        seen |= set[str]().union(*heads.values())


def _heads(row: Sequence[Cell], page: int) -> set[str]:
    """Return text and place of a row; of one that is little more than a page number also with a number as its distance from the page's."""
    text = " ".join(cell.text for cell in row)
    numbers = re.finditer(r"\d{1,6}", text) if sum(map(str.isalpha, text)) <= _PAGE_NUMBER_LETTERS else ()
    texts = (text, *(f"{text[: each.start()]}#{int(each[0]) - page}{text[each.end() :]}" for each in numbers))
    return {f"{each} at {round(row[0].base / 3)}" for each in texts}
