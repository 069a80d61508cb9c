"""Word and PowerPoint files. Macros are never run; a file that carries them is refused, since a citation would hand them out.

What a file says about its size is looked at before anything is unpacked: a zip bomb is refused by the sum of what its parts claim, and a
part never gives more than it claims.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator

import docx
import pptx
from docx.document import Document as WordDocument
from docx.table import Table as WordTable
from docx.text.paragraph import Paragraph
from pptx.shapes.base import BaseShape
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.readers.markup import one_line, sections_of

_MOST_UNPACKED = 256 * 1024 * 1024
_MOST_PARTS = 10_000
_DESCRIPTION = ".//*[local-name()='docPr' or local-name()='cNvPr']/@descr"


def read_docx(body: bytes) -> Parsed:
    """Read paragraphs and tables in their order, and the alternative text of pictures."""
    _refuse_danger(body, "word/document.xml")
    document = docx.Document(io.BytesIO(body))
    first, sections = sections_of(_word_blocks(document))
    return Parsed(title=one_line(document.core_properties.title or "") or first, sections=sections)


def _word_blocks(document: WordDocument) -> Iterator[tuple[bool, str]]:
    """Yield whether it is a heading, and its words."""
    for block in document.iter_inner_content():
        if isinstance(block, WordTable):
            yield from ((False, row) for row in _rows(tuple(cell.text for cell in row.cells) for row in block.rows))
            continue
        if words := one_line(block.text):
            yield _is_heading(block), words
        yield from ((False, one_line(text)) for text in dict.fromkeys(block._p.xpath(_DESCRIPTION)) if text.strip())  # noqa: SLF001 - python-docx has no name for alternative text


def _is_heading(paragraph: Paragraph) -> bool:
    style = paragraph.style
    while style is not None:  # a house's own style is based on Word's
        if (style.name or "").startswith(("Heading", "Title", "heading", "Überschrift")):
            return True
        style = style.base_style
    return False


def read_pptx(body: bytes) -> Parsed:
    """Read each slide with its tables, notes and the alternative text of pictures."""
    _refuse_danger(body, "ppt/presentation.xml")
    show = pptx.Presentation(io.BytesIO(body))
    sections = [section for page, slide in enumerate(show.slides, 1) if (section := _slide(page, slide)).paragraphs]
    title = one_line(show.core_properties.title or "")
    if title in {"", "PowerPoint Presentation"}:
        title = next((section.heading for section in sections if section.heading), "")
    return Parsed(title=title, sections=tuple(sections))


def _slide(page: int, slide: Slide) -> Section:
    title = slide.shapes.title
    heading = one_line(title.text_frame.text) if title is not None else ""
    words = [text for shape in slide.shapes if title is None or shape.shape_id != title.shape_id for text in _shape(shape)]
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        words += [one_line(line) for line in notes.text.splitlines()]
    return Section(heading=heading, paragraphs=tuple(filter(None, words)) or ((heading,) if heading else ()), page=page)


def _shape(shape: BaseShape) -> Iterator[str]:
    if isinstance(shape, GroupShape):
        for inner in shape.shapes:
            yield from _shape(inner)
    elif shape.has_text_frame:
        yield from (one_line(paragraph.text) for paragraph in shape.text_frame.paragraphs)  # type: ignore[attr-defined]  # has_text_frame
    elif shape.has_table:
        yield from _rows(tuple(cell.text for cell in row.cells) for row in shape.table.rows)  # type: ignore[attr-defined]  # has_table
    else:
        yield from (one_line(text) for text in shape._element.xpath(_DESCRIPTION))  # noqa: SLF001 - python-pptx has no name for alternative text


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows of a table; cells that are one in the file stand once."""
    for cells in rows:
        words = [one_line(cell) for at, cell in enumerate(cells) if at == 0 or cell != cells[at - 1]]
        if any(words):
            yield " | ".join(words)


def _refuse_danger(body: bytes, main_part: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts = packed.infolist()
    except zipfile.BadZipFile as error:
        raise UnreadableError(f"is a broken Office file ({error}); save it anew, or take it from a backup") from None
    unpacked, names = sum(part.file_size for part in parts), {part.filename for part in parts}
    if unpacked > _MOST_UNPACKED or len(parts) > _MOST_PARTS:
        raise UnreadableError(
            f"would unpack to {unpacked:,} bytes in {len(parts):,} parts, more than {_MOST_UNPACKED:,} or {_MOST_PARTS:,}: a zip bomb"
        )
    if any(name.endswith(("vbaProject.bin", "vbaData.xml")) for name in names):
        raise UnreadableError("carries macros, which a citation would hand out; save it without them, as .docx or .pptx")
    if main_part not in names:
        raise UnreadableError(f"has no {main_part} inside, so it is another kind of file; give it the ending of what it is")
