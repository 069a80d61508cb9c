"""PDF: text page by page, below the bookmark that it belongs to, with the values of forms and what people noted on the pages.

Pictures are not read: a scanned page is named, not guessed. PDFium's order of reading stays, since it is that of whoever wrote the file;
places only say where a cell, a row, a paragraph ends.
"""

import ctypes
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # pypdfium2 ships no types
from pypdfium2 import raw

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.structure import Block, garbled, one_line, row_of, sections_of, title_or

_HEAD_LINES, _HEAD_PAGES, _PAGE_NUMBER_LETTERS = 2, 3, 8
_LARGE_PICTURE = 72
_CELL_GAP, _COLUMN_GAP = 1.5, 0.8
"""Heights of the letters between two cells of a row; fewer are enough where the row above or below has its gap there, too."""
_WORD_GAP, _PLACED_GAP, _SAME_LINE = 0.14, 0.05, 0.5
_WRAPPED = 0.75  # a line at least so long, against the longest that begins where it does, went on in the next one
_NEXT_LINE = 1.9  # heights down to the next line, above which a new paragraph begins
_COLUMN_LINES, _COLUMN_CHARACTERS = 4, 25
"""Lines one below the other, each in two parts of so many characters, that are two columns, not a table."""
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")
_MARK = re.compile(r"[^\w\s]|\(?\w{1,3}[.)]|\d{1,2}")  # of an item of a list
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
    number: int
    rows: list[list[_Cell]]
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
        blocks += [*_blocks_of(page.rows, page.number), *(Block(text, page=page.number) for text in page.noted)]
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
    read = _Page(number, rows=_rows_in(text), noted=list(_annotations(page)))
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
    for row in _rows_in(flat.get_textpage()):
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


def _heads(row: Sequence[_Cell], page: int) -> set[str]:
    """Return text and place of a row; of one that is little more than a page number also with a number as its distance from the page's."""
    text = " ".join(cell.text for cell in row)
    numbers = re.finditer(r"\d{1,6}", text) if sum(map(str.isalpha, text)) <= _PAGE_NUMBER_LETTERS else ()
    texts = (text, *(f"{text[: each.start()]}#{int(each[0]) - page}{text[each.end() :]}" for each in numbers))
    return {f"{each} at {round(row[0].base / 3)}" for each in texts}


def _cells(text: pdfium.PdfTextPage) -> Iterator[_Cell]:
    """Yield what stands close together, in PDFium's order; a line that another one goes on, parted at a hyphen, ends in that hyphen."""
    box, letters, turned, last, cell = raw.FS_RECTF(), list[str](), 0, (0.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    gap = spread = 0.0
    for at in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text, at)
        letter = chr(code if 0 < code <= sys.maxunicode else 0xFFFD)
        if letter.isspace() or letter in _HYPHENS:
            letters += [letter] * bool(letters)
            continue
        raw.FPDFText_GetLooseCharBox(text, at, box)
        if not letters or letters[-1] in "\r\n":
            turned = round(raw.FPDFText_GetCharAngle(text, at) / 1.5708) % 4
        left, low, right, high = box.left, box.bottom, box.right, box.top
        turns = ((left, right, low, high), (-high, -low, left, right), (-right, -left, -high, -low), (low, high, -right, -left))
        begin, end, base, top = turns[turned]  # where the letter begins and ends along its line, where it stands, how high it reaches
        size = max(top - base, 0.1)
        if letters:
            gap = max(begin - last[1], last[0] - end)  # of letters that run from right to left, too
            if abs(base - cell[2]) > _SAME_LINE * max(size, cell[3]) or gap > _COLUMN_GAP * min(size, cell[3]) or letters[-1] in "\r\n":
                yield _Cell(_words(letters), *cell)
                letters.clear()
            elif not letters[-1].isspace() and not _WIDE.match(letter) and _is_word_gap(text, at, gap / min(size, cell[3]), spread):
                letters.append(" ")
        spread = max(gap / min(size, cell[3]), 0) if letters and letters[-1] != " " else 0.0
        last = (begin, end)
        cell = (min(cell[0], begin), max(cell[1], end), cell[2], max(cell[3], size)) if letters else (begin, end, base, size)
        letters.append(letter)
    if letters:
        yield _Cell(_words(letters), *cell)


def _is_word_gap(text: pdfium.PdfTextPage, at: int, gap: float, spread: float) -> bool:
    """Whether a gap before a letter, in heights, parts words: one a little wider than the last does where words were placed one by one."""
    if not _PLACED_GAP + spread < gap <= _WORD_GAP:
        return gap > _WORD_GAP
    return len({ctypes.cast(raw.FPDFText_GetTextObject(text, place), ctypes.c_void_p).value for place in (at - 1, at)}) > 1


def _words(letters: Sequence[str]) -> str:
    text = "".join(letters).strip()
    return one_line(text.rstrip(_HYPHENS)) + ("\ufffe" if text and text[-1] in _HYPHENS else "")


def _rows_in(text: pdfium.PdfTextPage) -> list[list[_Cell]]:
    """Gather the cells that follow each other on one line; two columns that were written line by line are put one below the other."""
    rows = list[list[_Cell]]()
    for cell in _cells(text):
        last = rows[-1][-1] if rows else None
        if last and abs(last.base - cell.base) <= _SAME_LINE * max(last.size, cell.size) and cell.begin >= last.end:
            rows[-1].append(cell)
        else:
            rows.append([cell])
    ordered = list[list[_Cell]]()
    for widths, group in groupby(_rejoined(rows), lambda row: len(row) == 2 and min(len(cell.text) for cell in row) >= _COLUMN_CHARACTERS):  # noqa: PLR2004 - left and right
        lines = list(group)
        ordered += [[row[side]] for side in (0, 1) for row in lines] if widths and len(lines) >= _COLUMN_LINES else lines
    return ordered


def _rejoined(rows: Sequence[Sequence[_Cell]]) -> Iterator[list[_Cell]]:
    """Yield the rows with those cells joined that stand close, and have no gap of the row above or below between them."""
    gaps = [[(one.end, other.begin) for one, other in pairwise(row)] for row in rows]
    for row, near in zip(rows, ((*above, *below) for above, below in zip([[], *gaps], [*gaps[1:], []], strict=False)), strict=False):
        joined = [row[0]]
        for cell in row[1:]:
            last, room = joined[-1], _COLUMN_GAP / 2 * cell.size
            is_parted = cell.begin - last.end > _CELL_GAP * min(cell.size, last.size)
            is_mark = len(joined) == 1 and _MARK.fullmatch(last.text)
            if is_parted or (not is_mark and any(min(cell.begin, end) - max(last.end, begin) > room for begin, end in near)):
                joined.append(cell)
            else:
                joined[-1] = _Cell(f"{last.text} {cell.text}", last.begin, cell.end, last.base, max(last.size, cell.size))
        yield joined


def _blocks_of(rows: Sequence[Sequence[_Cell]], page: int) -> Iterator[Block]:
    """Yield paragraphs of joined lines, and tables with each cell in its column."""
    for is_table, group in groupby(rows, lambda row: len(row) > 1):
        near = list(group)
        if is_table and len(near) > 1:
            texts = filter(None, map(row_of, _aligned(near)))
            yield from (Block(text, row=number, page=page) for number, text in enumerate(texts, 1))
        elif is_table:
            yield Block(" | ".join(cell.text for cell in near[0]), page=page)
        else:
            yield from (Block(text, page=page) for text in _paragraphs([row[0] for row in near]))


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

    joined = ""
    for line, below in zip(lines, [*lines[1:], None], strict=True):
        if line.text.endswith("\ufffe"):
            joined += line.text[:-1]
            continue
        joined += line.text
        longest = max(other.end - other.begin for other in lines if abs(other.begin - line.begin) <= 3 * line.size)
        is_full = line.end - line.begin >= longest * _WRAPPED and not line.text.endswith(_SENTENCE_ENDS)
        is_near = below is not None and 0 < line.base - below.base <= _NEXT_LINE * line.size
        if below is not None and is_full and is_near and abs(line.size - below.size) <= line.size * 0.15:
            joined += "" if _WIDE.match(line.text[-1:]) else " "
        else:
            yield one_line(joined)
            joined = ""
    if joined:
        yield one_line(joined)
