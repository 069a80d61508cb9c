"""Headings, paragraphs and table rows in reading order, as every reader yields them, and the sections that they make."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from validation.clients.passages import Section

PATTERNS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("patterns.yaml").read_text(encoding="utf-8"))
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\x02\ufffe"))
_LIGATURE = re.compile(r"[\ufb00-\ufb06]")
_LONGEST_HEADING = 200
_NO_LETTER = re.compile(r"[\ue000-\uf8ff\ufffd\U000f0000-\U0010ffff\x00-\x08\x0b\x0e-\x1f]")
_GARBLED, _FEWEST_BACKWARDS = 0.1, 3
_WORD_ENDS = "\u05da\u05dd\u05df\u05e3\u05e5\u0629\u0649"  # letters of Hebrew and Arabic that stand at the end of words alone
_BACKWARDS, _FORWARDS = re.compile(rf"(?<!\w)[{_WORD_ENDS}](?=\w)"), re.compile(rf"(?<=\w)[{_WORD_ENDS}](?!\w)")
_JUNK_TITLE = re.compile(PATTERNS["junk_title"])


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, or a row of a table."""

    text: str
    level: int = 0  # of a heading, from 1; 0 for text
    row: int = 0  # of a table, from 1, which names the columns; 0 for text
    page: int = 0


def one_line(text: str) -> str:
    """Return the text with every run of white space as one space, and without letters that nobody sees."""
    text = text.translate(_INVISIBLE) if not text.isascii() else text
    return " ".join(_LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text).split())


def lines_of(text: str) -> str:
    """Return the lines that hold something, with their indentation."""
    return "\n".join(line.rstrip() for line in text.translate(_INVISIBLE).expandtabs(4).splitlines() if line.strip())


def row_of(cells: Iterable[str]) -> str:
    """Return the cells of a row; an empty one keeps its place."""
    return one_line(" | ".join(map(one_line, cells))).rstrip("| ") if cells else ""


class Table:
    """The rows of one table that have come so far, and the cells that go on in the next ones."""

    def __init__(self) -> None:
        self._number, self._going_on = 0, dict[int, tuple[int, str]]()

    def row(self, cells: Iterable[tuple[str, int, int]]) -> Iterator[Block]:
        """Yield the row of cells (text, width, height); one over several rows stands in each, one over several columns in the first."""
        words, going_on = list[str](), dict[int, tuple[int, str]]()
        for text, width, height in itertools.chain(cells, itertools.repeat(("", 0, 0))):
            while len(words) in self._going_on:
                left, above = self._going_on[len(words)]
                going_on |= {len(words): (left - 1, above)} if left > 1 else {}
                words.append(above)
            if not width:
                break
            going_on |= {len(words): (height - 1, text)} if height > 1 else {}
            words += [text, *[""] * (width - 1)]
        self._going_on = going_on
        if row := row_of(words):
            self._number += 1
            yield Block(row, row=self._number)


def counted(kind: str, *parts: bytes) -> list[str]:
    """Return what is noted of a kind of file and stands in the parts, with how often it does."""
    counts = {what: sum(len(re.findall(mark.encode(), part)) for part in parts) for what, mark in PATTERNS["noted"][kind].items()}
    return [f"{count} {what}" for what, count in counts.items() if count]


def lines_in(path: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever JSON or YAML holds
    """Yield a line `path: value` for each value that is not empty."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from lines_in(f"{path} {name}".strip(), inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for inner in value:
            yield from lines_in(path, inner)
    elif text := _value(", ".join(map(_value, value)) if isinstance(value, list) else value):
        yield f"{path}: {text}" if path else text


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace("\0", " ") if value is not None else ""
    return lines_of(text) if "\n" in text.strip() else one_line(text)


def garbled(text: str) -> str:
    """Return why a text looks as if its letters were not those that one sees; "" where it does not."""
    if len(_NO_LETTER.findall(text)) > len(text) * _GARBLED:
        return "letters of its own font alone"
    backwards = len(_BACKWARDS.findall(text))
    return "its words run backwards" if backwards >= _FEWEST_BACKWARDS and backwards > len(_FORWARDS.findall(text)) else ""


def title_or(title: str, instead: str) -> str:
    """Return a title that somebody gave, else `instead`: programs write their own name, or that of the file."""
    title = one_line(title)
    return instead if _JUNK_TITLE.fullmatch(title) else title


def sections_of(blocks: Iterable[Block]) -> tuple[str, tuple[Section, ...]]:
    """Return the first heading, and a section for each heading.

    A heading with nothing below is the text of its section, since its words stand nowhere else; so is one too long for a heading.
    """
    gathered = _Gathered()
    for block in blocks:
        gathered.add(block)
    gathered.close(1)
    return gathered.first, tuple(gathered.sections)


class _Gathered:
    def __init__(self) -> None:
        self.first, self.sections, self._open = "", list[Section](), list[tuple[int, str]]()
        self._bare, self._page = False, 0  # whether nothing stands below the last heading yet; its page
        self._texts, self._tables = list[str](), list[tuple[int, int]]()

    def add(self, block: Block) -> None:
        if block.level:
            self.close(block.level)
            self.first = self.first or block.text
            self._open.append((block.level, block.text))
            self._bare, self._page = True, block.page
            if len(block.text) > _LONGEST_HEADING:
                self.add(Block(block.text, page=block.page))
            return
        if block.page != self._page:
            self._flush()
            self._page = block.page
        if block.row > 1 and self._texts and self._tables:
            self._tables[-1] = (self._tables[-1][0], len(self._texts))
        elif block.row:
            self._tables.append((len(self._texts), len(self._texts)))
        self._bare = False
        self._texts.append(block.text)

    def close(self, level: int) -> None:
        """End what stands below the headings of this level and of those further in."""
        if self._bare and self._open[-1][0] >= level:
            self._texts.append(self._open[-1][1])
        self._flush()
        self._bare = self._bare and self._open[-1][0] < level
        while self._open and self._open[-1][0] >= level:
            self._open.pop()

    def _flush(self) -> None:
        if self._texts:
            path, tables = tuple(text for _, text in self._open), tuple(table for table in self._tables if table[1] > table[0])
            self.sections.append(Section(path=path, paragraphs=tuple(self._texts), page=self._page, tables=tables))
        self._texts, self._tables = [], []
