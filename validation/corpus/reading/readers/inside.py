"""Archives and what is inside: OpenDocument, books, notebooks, and files that are read as what they are, two levels deep.

What an archive says about its size is looked at before anything is unpacked: a zip bomb is refused by the sum of what its parts claim, and
a part never gives more than it claims. An Office file that carries macros is refused, since a citation would hand them out.
"""

import html
import io
import json
import posixpath
import re
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from defusedxml import ElementTree

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import MIB, UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.readers.markup import parse_html, parse_markdown, read_html
from validation.corpus.reading.structure import Block, counted, lines_of, sections_of, title_or

_MOST_UNPACKED, _MOST_PARTS, _MOST_DEPTH = 256 * MIB, 10_000, 2
_TAGS = {"p": "p", "table": "table", "table-row": "tr", "table-cell": "td", "list-item": "li", "s": " ", "tab": " ", "line-break": "<br>"}
_SPANS = {"colspan": "number-columns-spanned", "rowspan": "number-rows-spanned"}
_SILENT = {"tracked-changes", "annotation", "object", "automatic-styles", "forms", "scripts", "font-face-decls", "styles", "settings"}
_DEPTH = list[str]()  # the names of the files inside files that are being read now


def opened_zip(body: bytes, what: str) -> zipfile.ZipFile:
    """Return an archive that would not unpack to more than a reader may have."""
    try:
        packed = zipfile.ZipFile(io.BytesIO(body))
    except zipfile.BadZipFile as error:
        raise UnreadableError(f"is a broken {what} ({error}); save it anew, or take it from a backup") from None
    unpacked, parts = sum(part.file_size for part in packed.infolist()), len(packed.infolist())
    if unpacked > _MOST_UNPACKED or parts > _MOST_PARTS:
        most = f"more than {_MOST_UNPACKED:,} or {_MOST_PARTS:,}"
        raise UnreadableError(f"would unpack to {unpacked:,} bytes in {parts:,} parts, {most}: a zip bomb")
    return packed


def opened(body: bytes, main_part: str) -> zipfile.ZipFile:
    """Return the archive of an Office file, once nothing in it is dangerous."""
    packed = opened_zip(body, "Office file")
    if any(name.endswith(("vbaProject.bin", "vbaData.xml")) for name in packed.namelist()):
        raise UnreadableError("carries macros, which a citation would hand out; save it without them, as .docx or .pptx")
    if main_part not in packed.namelist():
        raise UnreadableError(f"has no {main_part} inside, so it is another kind of file; give it the ending of what it is")
    return packed


def title_of(packed: zipfile.ZipFile, part: str) -> str:
    """Return the title in an Office file's properties; office-oxide gives the first heading where there is none."""
    title = re.search(rb"<dc:title>([^<]*)", packed.read(part)) if part in packed.namelist() else None
    return html.unescape(title[1].decode("utf-8", "replace")) if title else ""


def read_inside(name: str, body: bytes, above: tuple[str, ...] = ()) -> Parsed:
    """Read a file inside another as what its name says; its sections stand below the headings `above` and its name."""
    from validation.corpus.reading.read import read  # noqa: PLC0415 - it knows this module as a reader

    if len(_DEPTH) >= _MOST_DEPTH:
        raise UnreadableError(f"stands {_MOST_DEPTH} files deep; put it beside the others as a file")
    _DEPTH.append(name)
    try:
        parsed = read(body, PurePosixPath(name).suffix.lower())
    finally:
        _DEPTH.pop()
    sections = tuple(replace(section, path=(*above, PurePosixPath(name).name, *section.path)) for section in parsed.sections)
    return replace(parsed, sections=sections)


def read_zip(body: bytes) -> Parsed:
    """Read the documents of an archive."""
    packed, sections, notes = opened_zip(body, "archive"), list[Section](), list[str]()
    for part in packed.infolist():
        if part.is_dir() or PurePosixPath(part.filename).name.startswith((".", "__MACOSX")):
            continue
        try:
            parsed = read_inside(part.filename, packed.read(part))
        except (UnreadableError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as error:  # encrypted, or of an unknown method
            notes.append(f"{part.filename} inside was not read, for it {error}")
            continue
        sections += parsed.sections
        notes += [f"{part.filename} inside: {note}" for note in parsed.notes]
    if not sections:
        raise UnreadableError(f"holds no document that can be read ({'; '.join(notes[:3]) or 'it is empty'})")
    return Parsed(title="", sections=tuple(sections), notes=tuple(notes))


def read_epub(body: bytes) -> Parsed:
    """Read the chapters of a book, in their order."""
    packed, sections, notes = opened_zip(body, "book"), list[Section](), list[str]()
    try:
        container = ElementTree.fromstring(packed.read("META-INF/container.xml"))
        root = next(element.attrib["full-path"] for element in container.iter() if element.tag.endswith("}rootfile"))
        package = ElementTree.fromstring(packed.read(root))
    except (ElementTree.ParseError, LookupError, StopIteration) as error:
        raise UnreadableError(f"is a broken book ({type(error).__name__}); save it anew, or take it from a backup") from None
    items = {element.get("id"): element.get("href", "") for element in package.iter() if element.tag.endswith("}item")}
    for chapter in [items.get(element.get("idref"), "") for element in package.iter() if element.tag.endswith("}itemref")]:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(root), unquote(chapter)))
        if name not in packed.namelist():
            notes.append(f"chapter {chapter} is not in it")
            continue
        with suppress(UnreadableError):
            parsed = read_html(packed.read(name))
            sections += parsed.sections
            notes += parsed.notes
    title = next((element.text or "" for element in package.iter() if element.tag.endswith("}title")), "")
    return Parsed(title=title, sections=tuple(sections), notes=tuple(notes))


def read_notebook(body: bytes) -> Parsed:
    """Read the texts, the code and the printed results of a Jupyter notebook."""
    (text, notes), blocks, pictures = decode(body), list[Block](), 0
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, TypeError, LookupError) as error:
        raise UnreadableError(f"is no notebook of Jupyter ({type(error).__name__})") from None
    for cell in cells:
        source = "".join(cell.get("source", ()))
        if cell.get("cell_type") == "markdown":
            last = tuple[str, ...]()
            for section in parse_markdown(source).sections:
                blocks += [Block(text, level=level) for level, text in enumerate(section.path, 1) if section.path[:level] != last[:level]]
                last = section.path
                blocks += [Block(text) for text in section.paragraphs if (text,) != section.path[-1:]]
            continue
        blocks += [Block(lines_of(source))] * bool(source.strip())
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = "".join(output.get("text", ()) or data.get("text/plain", ()))
            pictures += any(kind.startswith("image/") for kind in data)
            blocks += [Block(lines_of(text))] * bool(text.strip())
    first, sections = sections_of(blocks)
    notes += [f"{pictures} pictures among the results were not read"] if pictures else []
    return Parsed(title=first, sections=sections, notes=tuple(notes))


def read_odf(body: bytes) -> Parsed:
    """Read OpenDocument text and slides, by way of HTML."""
    packed = opened(body, "content.xml")
    content, pieces = packed.read("content.xml"), list[str]()
    waiting: list[tuple[Any, bool]] = [(ElementTree.fromstring(content), True)]  # elements, each before and behind what it holds; texts
    while waiting:
        element, entering = waiting.pop()
        name = "" if isinstance(element, str) else element.tag.rpartition("}")[2]
        if name in _SILENT:
            continue
        pieces.append(_tag(name, element, entering=entering) if name else html.escape(element))
        if name and entering:
            inner = [element.text] if element.text and element.text.strip() else []
            for child in element:
                inner += [child, child.tail] if child.tail else [child]
            waiting += [(element, False), *((each, True) for each in reversed(inner))]
    parsed = parse_html("".join(pieces))
    title = title_or(title_of(packed, "meta.xml"), parsed.title)
    return Parsed(title=title, sections=parsed.sections, notes=(*parsed.notes, *counted("odf", content)))


def _tag(name: str, element: Any, *, entering: bool) -> str:  # noqa: ANN401 - an element of XML
    """Return the tag of HTML at the beginning or the end of an element of OpenDocument; "" where there is none."""
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if name == "page":
        return f"<h1>{html.escape(attributes.get('name', ''))}</h1>" if entering else ""
    tag = f"h{min(int(attributes.get('outline-level', '1')), 6)}" if name == "h" else _TAGS.get(name, "")
    if not tag.isalnum():
        return tag if entering else ""
    spans = "".join(f' {key}="{attributes[long]}"' for key, long in _SPANS.items() if long in attributes)
    return f"<{tag}{spans}>" if entering else f"</{tag}>"
