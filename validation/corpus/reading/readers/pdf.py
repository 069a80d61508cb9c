"""PDF: text page by page, below the bookmark that it belongs to, with the values of forms and what people noted on the pages.

PDFium's order of reading stays, since it is that of whoever wrote the file; places only say where a cell, a row, a paragraph ends. Pictures
are not read: a scanned page is named, not guessed.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # pypdfium2 ships no types
from pypdfium2 import raw

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.structure import Block, one_line, rows_of, sections_of, title_or

_CELL_GAP = 1.5
"""Heights of the letters between two cells of a row."""
_WORD_GAP, _PLACED_GAP = 0.14, 0.05
_SAME_LINE = 0.5
_WRAPPED = 0.75
"""A line at least so long, against the longest that begins where it does, went on in the next one."""
_NEXT_LINE = 1.9
"""Heights down to the next line, above which a new paragraph begins."""
_COLUMN_LINES, _COLUMN_CHARACTERS = 4, 25
"""Lines one below the other, each in two parts of so many characters, that are two columns, not a table."""
_HEAD_LINES, _HEAD_PAGES = 2, 3
_PAGE_NUMBER_LETTERS = 8
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")
_GARBLED = 0.1
_LARGE_PICTURE = 72
_HYPHENS = "\ufffe\x02"
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class _Cell:
    """Letters that stand close to each other on one line, in the direction of reading."""

    text: str
    begin: float
    end: float
    base: float
    size: float


@dataclass(slots=True)
class _Page:
    """What is on a page."""

    number: int
    rows: list[list[_Cell]] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    pictures: int = 0


def read_pdf(body: bytes) -> Parsed:
    """Read every page that has text."""
    try:
        document = pdfium.PdfDocument(body)
        return _parsed(document)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableError("is encrypted with a password; save it without one") from None
        raise UnreadableError(f"is a broken PDF ({error}); open it in a viewer and print it to a new PDF") from None


def _parsed(document: pdfium.PdfDocument) -> Parsed:
    pages = [_page(document[at], at + 1) for at in range(len(document))]
    silent = [page for page in pages if not page.rows and not page.noted]
    if len(silent) == len(pages):
        raise UnreadableError(f"has no text on any of its {len(silent)} pages, so it is scanned; run OCR over it, for instance ocrmypdf")
    _drop_running_heads(pages)
    chapters, blocks, last = _chapters(document), list[Block](), tuple[str, ...]()
    for page in pages:
        path = chapters.get(page.number, last)
        if path != last:
            same = next((at for at, (one, other) in enumerate(zip(path, last, strict=False)) if one != other), min(len(path), len(last)))
            blocks += [Block(text, level=level, page=page.number) for level, text in enumerate(path[same:], same + 1)]
            last = path
        blocks += [*_blocks(page), *(Block(text, page=page.number) for text in page.noted)]
    _, sections = sections_of(blocks)
    title = document.get_metadata_dict().get("Title", "")
    return Parsed(
        title=title_or(title, sections[0].paragraphs[0][:120]), sections=sections, notes=tuple(_notes(pages, silent)), pages=len(pages)
    )


def _notes(pages: Sequence[_Page], silent: Sequence[_Page]) -> Iterator[str]:
    if silent:
        yield f"no text on page {_numbers(silent)}: empty or scanned; for what is scanned run OCR over it"
    pictured = [page for page in pages if page.pictures and page not in silent]
    if pictured:
        count = sum(page.pictures for page in pictured)
        yield f"{count} pictures were not read, on page {_numbers(pictured)}; where they hold words run OCR over them"
    if garbled := [page for page in pages if _is_garbled("".join(cell.text for row in page.rows for cell in row))]:
        yield f"the text of page {_numbers(garbled)} looks garbled (letters of its own font alone); print it to a new PDF, or run OCR"


def _numbers(pages: Sequence[_Page]) -> str:
    shown = ", ".join(str(page.number) for page in pages[:20])
    return f"{shown} and {len(pages) - 20} more" if len(pages) > 20 else shown  # noqa: PLR2004 - as many as one reads


def _is_garbled(text: str) -> bool:
    odd = sum("\ue000" <= letter <= "\uf8ff" or letter == "\ufffd" or (letter < " ") for letter in text)
    return odd > len(text) * _GARBLED


def _chapters(document: pdfium.PdfDocument) -> dict[int, tuple[str, ...]]:
    """Return for each page with a bookmark the path to the last one on it."""
    chapters, path = dict[int, tuple[str, ...]](), list[str]()
    for bookmark in document.get_toc(max_depth=8):
        path[bookmark.level :] = [one_line(bookmark.get_title())]
        destination = bookmark.get_dest()
        if destination is not None and destination.get_index() is not None:
            chapters[destination.get_index() + 1] = tuple(filter(None, path))
    return chapters


def _page(page: pdfium.PdfPage, number: int) -> _Page:
    text = page.get_textpage()
    read = _Page(number, rows=_rows(_cells(text)), noted=list(_annotations(page)))
    pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    read.pictures = sum(_is_large(picture.get_bounds()) for picture in pictures)
    text.close()
    page.close()
    return read


def _is_large(bounds: tuple[float, float, float, float]) -> bool:
    left, bottom, right, top = bounds
    return right - left >= _LARGE_PICTURE and top - bottom >= _LARGE_PICTURE


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


def _cells(text: pdfium.PdfTextPage) -> Iterator[_Cell]:
    """Yield what stands close together, in PDFium's order; a line that another one goes on, parted at a hyphen, ends in that hyphen."""
    box, letters, turned, last = raw.FS_RECTF(), list[str](), 0, (0.0, 0.0, 0.0, 0.0)
    for at in range(text.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(text, at) or 0xFFFD)
        if letter.isspace() or letter in _HYPHENS:
            letters += [letter] * bool(letters)
            continue
        raw.FPDFText_GetLooseCharBox(text, at, box)
        if not letters or letters[-1] in "\r\n":
            turned = round(raw.FPDFText_GetCharAngle(text, at) / 1.5708) % 4
        begin, end, base, top = _upright(box, turned)
        size = max(top - base, 0.1)
        if letters:
            first, reached, level, height = last
            apart = (
                abs(base - level) > _SAME_LINE * max(size, height)
                or begin - reached > _CELL_GAP * min(size, height)
                or begin < reached - 3 * height
            )
            if apart or letters[-1] in "\r\n":
                yield _Cell(_words(letters), first, reached, level, height)
                letters.clear()
            elif not letters[-1].isspace() and not _WIDE.match(letter) and _is_word_gap(text, at, (begin - reached) / min(size, height)):
                letters.append(" ")
        last = (
            last[0] if letters else begin,
            end if not letters else max(last[1], end),
            base if not letters else last[2],
            size if not letters else max(last[3], size),
        )
        letters.append(letter)
    if letters:
        yield _Cell(_words(letters), *last)


def _is_word_gap(text: pdfium.PdfTextPage, at: int, gap: float) -> bool:
    """Whether a gap before a letter, in heights, parts words: a small one does where words were placed one by one."""
    return gap > _WORD_GAP or (gap > _PLACED_GAP and raw.FPDFText_GetTextObject(text, at) != raw.FPDFText_GetTextObject(text, at - 1))


def _words(letters: Sequence[str]) -> str:
    text = "".join(letters).strip()
    parted = text[-1:] in _HYPHENS and text
    return one_line(text.rstrip(_HYPHENS)) + ("\ufffe" if parted else "")


def _upright(box: raw.FS_RECTF, turned: int) -> tuple[float, float, float, float]:
    """Return where a letter begins and ends along its line, and where it stands and how high it reaches across."""
    left, bottom, right, top = box.left, box.bottom, box.right, box.top
    return ((left, right, bottom, top), (-top, -bottom, left, right), (-right, -left, -top, -bottom), (bottom, top, -right, -left))[turned]


def _rows(cells: Iterator[_Cell]) -> list[list[_Cell]]:
    """Gather the cells that follow each other on one line; two columns that were written line by line are put one below the other."""
    rows = list[list[_Cell]]()
    for cell in cells:
        last = rows[-1][-1] if rows else None
        if last and abs(last.base - cell.base) <= _SAME_LINE * max(last.size, cell.size) and cell.begin >= last.end:
            rows[-1].append(cell)
        else:
            rows.append([cell])
    ordered = list[list[_Cell]]()
    for is_column, group in groupby(rows, _is_of_columns):
        lines = list(group)
        if is_column and len(lines) >= _COLUMN_LINES:
            ordered += [[row[side]] for side in (0, 1) for row in lines]
        else:
            ordered += lines
    return ordered


def _is_of_columns(row: Sequence[_Cell]) -> bool:
    return len(row) == 2 and min(len(cell.text) for cell in row) >= _COLUMN_CHARACTERS  # noqa: PLR2004 - left and right


def _drop_running_heads(pages: Sequence[_Page]) -> None:
    """Keep what stands at the top or the bottom of most pages on the first of them alone."""
    edges = [{id(row): _head(row) for row in (*page.rows[:_HEAD_LINES], *page.rows[-_HEAD_LINES:])} for page in pages]
    counts, seen = Counter(head for heads in edges for head in set(heads.values())), set[str]()
    repeated = {head for head, count in counts.items() if count >= max(_HEAD_PAGES, len(pages) / 2)}
    for page, heads in zip(pages, edges, strict=True):
        page.rows = [row for row in page.rows if heads.get(id(row)) not in repeated & seen]
        seen |= set(heads.values())


def _head(row: Sequence[_Cell]) -> str:
    """Return the text of a row; of one that is little more than a page number, without the number."""
    text = " ".join(cell.text for cell in row)
    bare = re.sub(r"\d+", "#", text)
    return bare if sum(letter.isalpha() for letter in text) <= _PAGE_NUMBER_LETTERS else text


def _blocks(page: _Page) -> Iterator[Block]:
    """Yield paragraphs of joined lines, and tables with each cell in its column."""
    for is_table, group in groupby(page.rows, lambda row: len(row) > 1):
        rows = list(group)
        if is_table:
            yield from (
                rows_of(_aligned(rows), page.number)
                if len(rows) > 1
                else [Block(" | ".join(cell.text for cell in rows[0]), page=page.number)]
            )
        else:
            yield from (Block(text, page=page.number) for text in _paragraphs([row[0] for row in rows]))


def _aligned(rows: Sequence[Sequence[_Cell]]) -> Iterator[list[str]]:
    """Yield the cells of each row, those that are empty too, by the columns of the widest one."""
    columns = max(rows, key=len)
    for row in rows:
        at = [min(range(len(columns)), key=lambda column, cell=cell: _distance(columns[column], cell)) for cell in row]  # type: ignore[misc]
        cells = [""] * len(columns)
        for column, cell in zip(at, row, strict=True):
            cells[column] = cell.text
        yield cells if all(one < other for one, other in pairwise(at)) else [cell.text for cell in row]


def _distance(one: _Cell, other: _Cell) -> float:
    apart = max(one.begin, other.begin) - min(one.end, other.end)
    return apart if apart > 0 else -1 / (1 + min(abs(one.begin - other.begin), abs(one.end - other.end)))


def _paragraphs(lines: Sequence[_Cell]) -> Iterator[str]:
    """Join lines that were wrapped."""
    joined = ""
    for line, below in zip(lines, [*lines[1:], None], strict=True):
        if line.text.endswith("\ufffe"):
            joined += line.text[:-1]
            continue
        joined += line.text
        if below is not None and _goes_on(line, below, lines):
            joined += "" if _WIDE.match(line.text[-1:]) else " "
        else:
            yield one_line(joined)
            joined = ""
    if joined:
        yield one_line(joined)


def _goes_on(line: _Cell, below: _Cell, lines: Sequence[_Cell]) -> bool:
    longest = max(other.end - other.begin for other in lines if abs(other.begin - line.begin) <= 3 * line.size)
    is_near = 0 < line.base - below.base <= _NEXT_LINE * line.size and abs(line.size - below.size) <= line.size * 0.15
    return is_near and line.end - line.begin >= longest * _WRAPPED and not line.text.endswith(_SENTENCE_ENDS)
