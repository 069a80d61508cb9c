"""From the letters of a PDF's page to its rows of cells, and from those to paragraphs and tables.

PDFium's order of reading stays, since it is that of whoever wrote the file; places only say where a cell, a row, a paragraph ends.
"""

import ctypes
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # pypdfium2 ships no types
from pypdfium2 import raw

from validation.corpus.reading.structure import Block, one_line, rows_of

_CELL_GAP, _COLUMN_GAP = 1.5, 0.8
"""Heights of the letters between two cells of a row; fewer are enough where the row above or below has its gap there, too."""
_WORD_GAP, _PLACED_GAP, _SAME_LINE = 0.14, 0.05, 0.5
_WRAPPED = 0.75  # a line at least so long, against the longest that begins where it does, went on in the next one
_NEXT_LINE = 1.9  # heights down to the next line, above which a new paragraph begins
_COLUMN_LINES, _COLUMN_CHARACTERS = 4, 25
"""Lines one below the other, each in two parts of so many characters, that are two columns, not a table."""
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")
_MARK = re.compile(r"[^\w\s]|\(?\w{1,3}[.)]|\d{1,2}")
"""Of an item of a list."""
_HYPHENS = "\ufffe\x02"
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class Cell:
    """Letters that stand close to each other on one line, in the direction of reading."""

    text: str
    begin: float
    end: float
    base: float
    size: float


def _cells(text: pdfium.PdfTextPage) -> Iterator[Cell]:
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
                yield Cell(_words(letters), *cell)
                letters.clear()
            elif not letters[-1].isspace() and not _WIDE.match(letter) and _is_word_gap(text, at, gap / min(size, cell[3]), spread):
                letters.append(" ")
        spread = max(gap / min(size, cell[3]), 0) if letters and letters[-1] != " " else 0.0
        last = (begin, end)
        cell = (min(cell[0], begin), max(cell[1], end), cell[2], max(cell[3], size)) if letters else (begin, end, base, size)
        letters.append(letter)
    if letters:
        yield Cell(_words(letters), *cell)


def _is_word_gap(text: pdfium.PdfTextPage, at: int, gap: float, spread: float) -> bool:
    """Whether a gap before a letter, in heights, parts words: one a little wider than the last does where words were placed one by one."""
    if not _PLACED_GAP + spread < gap <= _WORD_GAP:
        return gap > _WORD_GAP
    return len({ctypes.cast(raw.FPDFText_GetTextObject(text, place), ctypes.c_void_p).value for place in (at - 1, at)}) > 1


def _words(letters: Sequence[str]) -> str:
    text = "".join(letters).strip()
    parted = text[-1:] in _HYPHENS and text
    return one_line(text.rstrip(_HYPHENS)) + ("\ufffe" if parted else "")


def rows_in(text: pdfium.PdfTextPage) -> list[list[Cell]]:
    """Gather the cells that follow each other on one line; two columns that were written line by line are put one below the other."""
    rows = list[list[Cell]]()
    for cell in _cells(text):
        last = rows[-1][-1] if rows else None
        if last and abs(last.base - cell.base) <= _SAME_LINE * max(last.size, cell.size) and cell.begin >= last.end:
            rows[-1].append(cell)
        else:
            rows.append([cell])
    ordered = list[list[Cell]]()
    for widths, group in groupby(_rejoined(rows), lambda row: len(row) == 2 and min(len(cell.text) for cell in row) >= _COLUMN_CHARACTERS):  # noqa: PLR2004 - left and right
        lines = list(group)
        ordered += [[row[side]] for side in (0, 1) for row in lines] if widths and len(lines) >= _COLUMN_LINES else lines
    return ordered


def _rejoined(rows: Sequence[Sequence[Cell]]) -> Iterator[list[Cell]]:
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
                joined[-1] = Cell(f"{last.text} {cell.text}", last.begin, cell.end, last.base, max(last.size, cell.size))
        yield joined


def blocks_of(rows: Sequence[Sequence[Cell]], page: int) -> Iterator[Block]:
    """Yield paragraphs of joined lines, and tables with each cell in its column."""
    for is_table, group in groupby(rows, lambda row: len(row) > 1):
        near = list(group)
        if is_table and len(near) > 1:
            yield from rows_of(_aligned(near), page)
        elif is_table:
            yield Block(" | ".join(cell.text for cell in near[0]), page=page)
        else:
            yield from (Block(text, page=page) for text in _paragraphs([row[0] for row in near]))


def _aligned(rows: Sequence[Sequence[Cell]]) -> Iterator[list[str]]:
    """Yield the cells of each row, those that are empty too, by the columns of the widest one."""
    columns = max(rows, key=len)
    for row in rows:
        at = [min(range(len(columns)), key=lambda column, cell=cell: _distance(columns[column], cell)) for cell in row]  # type: ignore[misc]
        cells = [""] * len(columns)
        for column, cell in zip(at, row, strict=True):
            cells[column] = cell.text
        yield cells if all(one < other for one, other in pairwise(at)) else [cell.text for cell in row]


def _distance(one: Cell, other: Cell) -> float:
    apart = max(one.begin, other.begin) - min(one.end, other.end)
    return apart if apart > 0 else -1 / (1 + min(abs(one.begin - other.begin), abs(one.end - other.end)))


def _paragraphs(lines: Sequence[Cell]) -> Iterator[str]:
    """Join lines that were wrapped."""
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
