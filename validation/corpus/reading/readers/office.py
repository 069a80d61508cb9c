"""Word and PowerPoint files, new and old, with what the library leaves out of them: the paragraphs of the XML that stand in no block."""

import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import office_oxide
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.readers.inside import opened, title_of
from validation.corpus.reading.structure import Block, Table, counted, one_line, sections_of, title_or

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|svg|webp|bmp|emf|wmf|tiff?)|(picture|grafik|image|bild) ?\d*", re.IGNORECASE)
_SILENT = {"Fallback", "moveFrom", "del", "rt"}  # elements whose text stands elsewhere, or is gone


def read_docx(body: bytes) -> Parsed:
    """Read paragraphs, lists, tables, notes, text boxes, headers and footers; pending deletions are left out, and named."""
    packed = opened(body, "word/document.xml")
    main = packed.read("word/document.xml")
    notes = [*counted("docx", main), *_comments(packed, "word/comments")]
    return _document(body, "docx", title_of(packed, "docProps/core.xml"), main, notes)


def read_pptx(body: bytes) -> Parsed:
    """Read each slide with its tables, charts, notes and the alternative text of pictures."""
    packed = opened(body, "ppt/presentation.xml")
    targets, slides = _targets(packed, "ppt/presentation.xml"), dict[int, list[bytes]]()
    for page, each in enumerate(re.findall(rb'<p:sldId [^>]*r:id="([^"]*)"', packed.read("ppt/presentation.xml")), 1):
        slide = targets.get(each.decode(), "")
        names = (slide, *(name for name in _targets(packed, slide).values() if "/notesSlide" in name))
        slides[page] = [packed.read(name) for name in names if name in packed.namelist()]
    return _show(body, "pptx", title_of(packed, "docProps/core.xml"), _comments(packed, "ppt/comments"), slides)


def _targets(packed: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Return the parts that a part refers to, by the ids of the references."""
    folder, name = posixpath.split(part)
    relations = f"{folder}/_rels/{name}.rels"
    found = re.findall(r"<Relationship [^>]*>", packed.read(relations).decode("utf-8", "replace") if relations in packed.namelist() else "")
    pairs = (re.findall(r'\b(Id|Target)="([^"]*)"', element) for element in found)
    return {each.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))[1:] for each in map(dict, pairs)}


def _comments(packed: zipfile.ZipFile, begin: str) -> list[str]:
    return counted("comments of Office", *(packed.read(name) for name in packed.namelist() if name.startswith(begin)))


def _document(body: bytes, kind: str, title: str, main: bytes, notes: Sequence[str]) -> Parsed:
    document, titles, text = _inner(body, kind), set[str](), main.decode("utf-8", "replace")
    if 'w:val="Title"' in text or 'w:val="Titel"' in text:  # Word's style for titles, which the library takes for text
        paragraphs = [(each, each.find(f"{_WORD}pPr/{_WORD}pStyle")) for each in ElementTree.fromstring(text.encode()).iter(f"{_WORD}p")]
        styled = [each for each, style in paragraphs if style is not None and style.get(f"{_WORD}val") in {"Title", "Titel"}]
        titles = {one_line("".join(part.text or "" for part in paragraph.iter(f"{_WORD}t"))) for paragraph in styled} - {""}
    reader, blocks, edges = _Elements(), list[Block](), dict[str, None]()
    for part in document["sections"]:
        for place in (name for name in part if name.endswith(("header", "footer"))):  # also of first and even pages
            edges |= dict.fromkeys(block.text for block in reader.blocks((part.get(place) or {}).get("content") or ()))
        blocks += reader.blocks(part["elements"])
    blocks = _completed(blocks, main, set()) if main else blocks
    if titles:
        levels = [block.level + 1 if block.level else int(not block.row and block.text in titles) for block in blocks]
        blocks = [Block(block.text, level=level) if level else block for block, level in zip(blocks, levels, strict=True)]
    first, sections = sections_of(blocks)
    around = (Section(paragraphs=tuple(edges)),) if edges else ()
    return Parsed(title=title_or(title, first), sections=(*sections, *around), notes=(*notes, *reader.notes()))


def _show(body: bytes, kind: str, title: str, notes: Sequence[str], slides: dict[int, list[bytes]]) -> Parsed:
    document, sections, reader, hidden, seen = _inner(body, kind), list[Section](), _Elements(), list[str](), set[str]()
    for page, part in enumerate(document["sections"], 1):
        heading, blocks = one_line(part.get("title") or ""), [*reader.blocks(part["elements"])]
        if blocks and blocks[0].level and (not heading or blocks[0].text == heading):
            heading = blocks.pop(0).text
        blocks += reader.blocks(part.get("speaker_notes") or ())
        texts = [Block(heading, level=1, page=page)] * bool(heading) + [Block(block.text, row=block.row, page=page) for block in blocks]
        for inside in slides.get(page, ()):
            texts = _completed(texts, inside, seen)
        sections += sections_of(replace(block, page=page) for block in texts)[1]
        hidden += [str(page)] if part.get("hidden") else []
    notes = [*notes, f"slide {', '.join(hidden)} is hidden, and was read"] if hidden else notes
    title = title_or(title, next((section.heading for section in sections if section.path), ""))
    return Parsed(title=title, sections=tuple(sections), notes=(*notes, *reader.notes()), pages=len(document["sections"]))


read_doc = partial(_document, kind="doc", title="", main=b"", notes=())  # files from before 2007 hold no XML
read_ppt = partial(_show, kind="ppt", title="", notes=(), slides={})


def _inner(body: bytes, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - of its literals
    try:
        with office_oxide.Document.from_bytes(body, kind) as document:
            inner: dict[str, Any] = document.to_ir()
    except office_oxide.OfficeOxideError as error:
        raise UnreadableError(f"is a broken Office file ({error}); save it anew, or take it from a backup") from None
    return inner


class _Elements:
    """Makes blocks of what office-oxide gives, whatever it is: an element of a kind that is not known here gives the text inside it."""

    def __init__(self) -> None:
        self._pictures = 0

    def notes(self) -> list[str]:
        """Return what is not in the blocks."""
        lost = f"{self._pictures} of its pictures have no alternative text and were not read; describe them, or run OCR over them"
        return [lost] if self._pictures else []

    def blocks(self, elements: Iterable[dict[str, Any]], prefix: str = "") -> Iterator[Block]:
        """Yield the blocks of elements, in their order."""
        for element in elements:
            kind = element.get("type")
            if kind in {"paragraph", "heading"}:
                words = one_line(prefix + self._words(element.get("content") or ()))
                yield from [Block(words, level=element.get("level", 0) if kind == "heading" else 0)] if words.strip() else []
            elif kind == "table":
                yield from self._table(element["rows"])
            elif kind == "list" or "items" in element:  # a list inside another names no type
                for number, item in enumerate(element["items"], element.get("start") or 1):
                    yield from self.blocks(item.get("content") or (), f"{number}. " if element.get("ordered") else "")
                    yield from self.blocks([item["nested"]] if isinstance(item.get("nested"), dict) else item.get("nested") or ())
            elif kind == "image":
                yield from self._picture(element)
            else:
                yield from self.blocks(element.get("content") or ())
                yield from [Block(words)] if (words := one_line(element.get("text") or "")) else []
            prefix = ""

    def _words(self, content: Iterable[dict[str, Any]]) -> str:
        parts = list[str]()
        for inline in content:
            kind, inner = inline.get("type"), inline.get("content") or ()
            if kind == "image":
                parts += [f" {block.text} " for block in self._picture(inline)]
            elif "text" in inline:
                parts.append(inline["text"])
            elif "content" in inline:
                parts.append(" ".join(block.text for block in self.blocks(inner)) if kind == "text_box" else self._words(inner))
            elif kind in {"line_break", "break", "tab", "page_break", "column_break"}:
                parts.append(" ")
        return "".join(parts)

    def _picture(self, element: dict[str, Any]) -> list[Block]:
        words = one_line(element.get("alt_text") or element.get("alt") or "")
        named = not words or bool(_FILE_NAME.fullmatch(words))
        self._pictures += named
        return [] if named else [Block(words)]

    def _table(self, rows: Iterable[dict[str, Any]]) -> Iterator[Block]:
        """Yield rows, then the tables inside their cells."""
        table, inner = Table(), list[Block]()
        for row in rows:
            cells = list[tuple[str, int, int]]()
            for cell in row["cells"]:
                content = cell.get("content") or ()
                text = " ".join(block.text for block in self.blocks(each for each in content if each.get("type") != "table"))
                inner += self.blocks(each for each in content if each.get("type") == "table")
                cells.append((text, min(max(cell.get("col_span", 1), 1), 1_000), cell.get("row_span", 1)))
            yield from table.row(cells)
        yield from inner


def _completed(blocks: list[Block], part: bytes, seen: set[str]) -> list[Block]:
    """Return the blocks with the paragraphs of an XML part that they lack; `seen` are those that another part gave already."""
    bare, place, blocks = [_bare(block.text) for block in blocks], 0, list(blocks)
    whole = "\n".join(bare) + "\n" + "".join(bare)
    for words in _paragraphs(part):
        text = _bare(words)
        if text in whole or text in seen:
            place = next((at for at in range(place, min(place + 60, len(bare))) if text and text in bare[at]), place)
            continue
        seen.add(text)
        at = next((at for at in range(place, min(place + 2, len(bare))) if _is_gapped(bare[at], text)), -1)
        if at >= 0 and not blocks[at].row:
            blocks[at], bare[at], place = replace(blocks[at], text=words), text, at
        else:
            place = min(place + 1, len(blocks))
            blocks.insert(place, Block(words, page=blocks[place - 1].page if place else 0))
            bare.insert(place, text)
    return blocks


def _is_gapped(part: str, text: str) -> bool:
    """Whether a block holds a paragraph apart from some of its letters."""
    letters = iter(text)
    return len(part) * 2 > len(text) and all(letter in letters for letter in part)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _paragraphs(part: bytes) -> Iterator[str]:
    """Yield the words of each paragraph, those of paragraphs inside it apart."""
    try:
        waiting: list[tuple[Any, list[str]]] = [(ElementTree.fromstring(part), [])]
    except (ElementTree.ParseError, DefusedXmlException):
        return
    paragraphs = list[list[str]]()
    while waiting:
        element, words = waiting.pop()
        name = element.tag.rpartition("}")[2]
        if name in _SILENT or (name == "fld" and element.get("type") == "slidenum"):
            continue
        if name == "p":
            words = list[str]()
            paragraphs.append(words)
        words += [element.text or ""] if name == "t" else [" "] if name in {"tab", "br", "cr"} else []
        waiting += [(child, words) for child in reversed(element)]
    yield from filter(_bare, (one_line("".join(words)) for words in paragraphs))
