"""Word and PowerPoint files, new and old. One that carries macros is refused, since a citation would hand them out.

What a file says about its size is looked at before anything is unpacked: a zip bomb is refused by the sum of what its parts claim, and a
part never gives more than it claims.
"""

import html
import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import office_oxide
from defusedxml import ElementTree

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.readers.left_out import completed
from validation.corpus.reading.structure import Block, one_line, rows_of, sections_of, title_or

_MOST_UNPACKED = 256 * 1024 * 1024
_MOST_PARTS = 10_000
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|svg|webp|bmp|emf|wmf|tiff?)|(picture|grafik|image|bild) ?\d*", re.IGNORECASE)
_MARKS = {
    "pending deletions, which were left out": re.compile(r"<w:(?:del|moveFrom) "),
    "pending insertions, which were read": re.compile(r"<w:(?:ins|moveTo) "),
    "pieces of hidden text, which were read": re.compile(r"<w:vanish(?:/>| w:val=\"(?:1|true|on)\")"),
    "embedded documents, which were not read": re.compile(r"<w:altChunk |<o:OLEObject "),
}


def read_docx(body: bytes) -> Parsed:
    """Read paragraphs, lists, tables, notes, text boxes, headers and footers; pending deletions are left out, and named."""
    packed = opened(body, "word/document.xml")
    main = packed.read("word/document.xml")
    notes = [*_marked(main.decode("utf-8", "replace")), *_comments(packed, "word/comments")]
    return _document(body, "docx", title_of(packed, "docProps/core.xml"), main, notes)


def read_doc(body: bytes) -> Parsed:
    """Read a Word file from before 2007."""
    return _document(body, "doc", "", b"", [])


def read_pptx(body: bytes) -> Parsed:
    """Read each slide with its tables, charts, notes and the alternative text of pictures."""
    packed = opened(body, "ppt/presentation.xml")
    return _show(body, "pptx", title_of(packed, "docProps/core.xml"), list(_comments(packed, "ppt/comments")), _slides_of(packed))


def read_ppt(body: bytes) -> Parsed:
    """Read a PowerPoint file from before 2007."""
    return _show(body, "ppt", "", [], {})


def _slides_of(packed: zipfile.ZipFile) -> dict[int, list[bytes]]:
    """Return the XML of each slide and of its notes, by its number in the show."""
    targets = _targets(packed, "ppt/presentation.xml")
    order = re.findall(rb'<p:sldId [^>]*r:id="([^"]*)"', packed.read("ppt/presentation.xml"))
    slides = {page: targets.get(each.decode(), "") for page, each in enumerate(order, 1)}
    notes = {page: [each for each in _targets(packed, slide).values() if "/notesSlide" in each] for page, slide in slides.items()}
    return {page: [packed.read(name) for name in (slide, *notes[page]) if name in packed.namelist()] for page, slide in slides.items()}


def _targets(packed: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Return the parts that a part refers to, by the ids of the references."""
    folder, name = posixpath.split(part)
    relations = f"{folder}/_rels/{name}.rels"
    found = re.findall(r"<Relationship [^>]*>", packed.read(relations).decode("utf-8", "replace") if relations in packed.namelist() else "")
    pairs = (re.findall(r'\b(Id|Target)="([^"]*)"', element) for element in found)
    return {each.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))[1:] for each in map(dict, pairs)}


def _document(body: bytes, kind: str, title: str, main: bytes, notes: list[str]) -> Parsed:
    document, titles = _inner(body, kind), _titles(main.decode("utf-8", "replace"))
    reader, blocks, edges = _Elements(), list[Block](), dict[str, None]()
    for part in document["sections"]:
        for place in (name for name in part if name.endswith(("header", "footer"))):  # also of first and even pages
            edges |= dict.fromkeys(block.text for block in reader.blocks((part.get(place) or {}).get("content") or ()))
        blocks += reader.blocks(part["elements"])
    blocks = completed(blocks, main, set()) if main else blocks
    if titles:
        blocks = [
            Block(block.text, level=block.level + 1)
            if block.level
            else Block(block.text, level=1)
            if not block.row and block.text in titles
            else block
            for block in blocks
        ]
    first, sections = sections_of(blocks)
    around = (Section(paragraphs=tuple(edges)),) if edges else ()
    return Parsed(title=title_or(title, first), sections=(*sections, *around), notes=(*notes, *reader.notes()))


def _show(body: bytes, kind: str, title: str, notes: list[str], slides: dict[int, list[bytes]]) -> Parsed:
    document, sections, reader, hidden, seen = _inner(body, kind), list[Section](), _Elements(), list[str](), set[str]()
    for page, part in enumerate(document["sections"], 1):
        heading, blocks = one_line(part.get("title") or ""), [*reader.blocks(part["elements"])]
        if blocks and blocks[0].level and (not heading or blocks[0].text == heading):
            heading = blocks.pop(0).text
        texts = [Block(block.text, row=block.row, page=page) for block in blocks]
        texts += [Block(block.text, row=block.row, page=page) for block in reader.blocks(part.get("speaker_notes") or ())]
        texts = [Block(heading, level=1, page=page), *texts] if heading else texts
        for inside in slides.get(page, ()):
            texts = completed(texts, inside, seen)
        sections += sections_of(replace(block, page=page) for block in texts)[1]
        hidden += [str(page)] if part.get("hidden") else []
    notes += [f"slide {', '.join(hidden)} is hidden, and was read"] if hidden else []
    title = title_or(title, next((section.heading for section in sections if section.path), ""))
    return Parsed(title=title, sections=tuple(sections), notes=(*notes, *reader.notes()), pages=len(document["sections"]))


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

    def notes(self) -> Iterator[str]:
        """Yield what is not in the blocks."""
        if self._pictures:
            yield f"{self._pictures} of its pictures have no alternative text and were not read; describe them, or run OCR over them"

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
                start = element.get("start") or 1
                for number, item in enumerate(element["items"], start):
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
            kind = inline.get("type")
            if kind == "image":
                parts += [f" {block.text} " for block in self._picture(inline)]
            elif "text" in inline:
                parts.append(inline["text"])
            elif "content" in inline:
                parts.append(
                    " ".join(block.text for block in self.blocks(inline["content"]))
                    if kind == "text_box"
                    else self._words(inline["content"])
                )
            elif kind in {"line_break", "break", "tab", "page_break", "column_break"}:
                parts.append(" ")
        return "".join(parts)

    def _picture(self, element: dict[str, Any]) -> Iterator[Block]:
        words = one_line(element.get("alt_text") or element.get("alt") or "")
        named = not words or bool(_FILE_NAME.fullmatch(words))
        self._pictures += named
        yield from [] if named else [Block(words)]

    def _table(self, rows: Iterable[dict[str, Any]]) -> Iterator[Block]:
        """Yield rows; a cell over several columns stands in the first, one over several rows in each."""
        words, inner, going_on = list[list[str]](), list[Block](), dict[int, tuple[int, str]]()
        for row in rows:
            cells, below = list[str](), dict[int, tuple[int, str]]()

            def take_above(
                cells: list[str] = cells, below: dict[int, tuple[int, str]] = below, above: dict[int, tuple[int, str]] = going_on
            ) -> None:
                while len(cells) in above:
                    left, text = above[len(cells)]
                    below |= {len(cells): (left - 1, text)} if left > 1 else {}
                    cells.append(text)

            for cell in row["cells"]:
                take_above()
                content = cell.get("content") or ()
                text = " ".join(block.text for block in self.blocks(each for each in content if each.get("type") != "table"))
                inner += self.blocks(each for each in content if each.get("type") == "table")
                below |= {len(cells): (cell["row_span"] - 1, text)} if cell.get("row_span", 1) > 1 else {}
                cells += [text, *[""] * (min(cell.get("col_span", 1), 1_000) - 1)]
            take_above()
            words.append(cells)
            going_on = below
        yield from rows_of(words)
        yield from inner


def _titles(main: str) -> set[str]:
    """Return the paragraphs in Word's style for titles, which the library takes for text."""
    if 'w:val="Title"' not in main and 'w:val="Titel"' not in main:
        return set()
    root = ElementTree.fromstring(main.encode())
    styled = (
        paragraph
        for paragraph in root.iter(f"{_WORD}p")
        if (style := paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")) is not None and style.get(f"{_WORD}val") in {"Title", "Titel"}
    )
    return {one_line("".join(text.text or "" for text in paragraph.iter(f"{_WORD}t"))) for paragraph in styled} - {""}


def title_of(packed: zipfile.ZipFile, part: str) -> str:
    """Return the title in a file's properties; office-oxide gives the first heading where there is none."""
    title = re.search(rb"<dc:title>([^<]*)", packed.read(part)) if part in packed.namelist() else None
    return html.unescape(title[1].decode("utf-8", "replace")) if title else ""


def _marked(main: str) -> Iterator[str]:
    for what, mark in _MARKS.items():
        if count := len(mark.findall(main)):
            yield f"{count} {what}"


def _comments(packed: zipfile.ZipFile, begin: str) -> Iterator[str]:
    count = sum(
        len(re.findall(rb"<(?:w:comment|p:cm|p188:cm) ", packed.read(name))) for name in packed.namelist() if name.startswith(begin)
    )
    if count:
        yield f"{count} comments, which were not read"


def opened(body: bytes, main_part: str) -> zipfile.ZipFile:
    """Return the archive of an Office file, once nothing in it is dangerous."""
    packed = opened_zip(body, "Office file")
    names = set(packed.namelist())
    if any(name.endswith(("vbaProject.bin", "vbaData.xml")) for name in names):
        raise UnreadableError("carries macros, which a citation would hand out; save it without them, as .docx or .pptx")
    if main_part not in names:
        raise UnreadableError(f"has no {main_part} inside, so it is another kind of file; give it the ending of what it is")
    return packed


def opened_zip(body: bytes, what: str) -> zipfile.ZipFile:
    """Return an archive that would not unpack to more than a reader may have."""
    try:
        packed = zipfile.ZipFile(io.BytesIO(body))
    except zipfile.BadZipFile as error:
        raise UnreadableError(f"is a broken {what} ({error}); save it anew, or take it from a backup") from None
    unpacked, parts = sum(part.file_size for part in packed.infolist()), len(packed.infolist())
    if unpacked > _MOST_UNPACKED or parts > _MOST_PARTS:
        raise UnreadableError(
            f"would unpack to {unpacked:,} bytes in {parts:,} parts, more than {_MOST_UNPACKED:,} or {_MOST_PARTS:,}: a zip bomb"
        )
    return packed
