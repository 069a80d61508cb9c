"""DOCX with real headings, lists and tables."""

import io
from typing import Any

import docx
from docx.enum.style import WD_STYLE_TYPE

from corpus.make.archive import repacked
from corpus.make.source import AUTHOR, MADE_AT, Block, Heading, Items, Note, Paragraph, Table, blocks_of, title_of

_TABLE_STYLES = {"Normal Table", "Table Grid"}


def make_docx(text: str, language: str) -> bytes:
    """Return the document as a Word file."""
    blocks = blocks_of(text)
    document = docx.Document()
    _drop_what_nobody_uses(document)
    about = document.core_properties
    about.title, about.author, about.language, about.comments = title_of(blocks), AUTHOR, language, ""
    about.created = about.modified = MADE_AT.replace(tzinfo=None)
    for block in blocks:
        _add(document, block)
    packed = io.BytesIO()
    document.save(packed)
    return repacked(packed.getvalue())


def _drop_what_nobody_uses(document: Any) -> None:  # noqa: ANN401  the library exports a function by that name, not the class
    """Leave out nine tenths of the library's template: a hundred table styles, and a second copy of all styles for Word 2010."""
    for style in [one for one in document.styles if one.type == WD_STYLE_TYPE.TABLE and one.name not in _TABLE_STYLES]:
        style.delete()
    for name in [name for name, part in document.part.rels.items() if part.reltype.endswith("/stylesWithEffects")]:
        del document.part.rels[name]


def _add(document: Any, block: Block) -> None:  # noqa: ANN401
    if isinstance(block, Heading):
        document.add_heading(block.text, level=block.level - 1)
    elif isinstance(block, Paragraph | Note):
        document.add_paragraph(block.text)
    elif isinstance(block, Items):
        for one in block.texts:
            document.add_paragraph(one, style="List Number" if block.numbered else "List Bullet")
    elif isinstance(block, Table):
        table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
        for row in block.rows:
            for cell, words in zip(table.add_row().cells, row, strict=True):
                cell.text = words
