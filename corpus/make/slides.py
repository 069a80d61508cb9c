"""PPTX: a slide for each heading, with its list, table or text, and what the speaker says below it."""

import io
from itertools import pairwise
from typing import Any

from pptx import Presentation
from pptx.util import Cm

from corpus.make.archive import repacked
from corpus.make.source import AUTHOR, MADE_AT, Block, Heading, Items, Note, Paragraph, Table, blocks_of, title_of

_TITLE_LAYOUT, _BODY_LAYOUT, _TITLE_ONLY_LAYOUT = 0, 1, 5
_TABLE = (Cm(2), Cm(5), Cm(21), Cm(1.2))
"""Left, top, width and the height of one row."""


def make_pptx(text: str, language: str) -> bytes:
    """Return the document as a PowerPoint file."""
    blocks = blocks_of(text)
    deck = Presentation()
    about = deck.core_properties
    about.title, about.author, about.language, about.last_modified_by = title_of(blocks), AUTHOR, language, AUTHOR
    about.created = about.modified = MADE_AT.replace(tzinfo=None)
    begins = [at for at, block in enumerate(blocks) if isinstance(block, Heading)]
    for begin, end in pairwise([*begins, len(blocks)]):
        _add_slide(deck, blocks[begin:end])
    packed = io.BytesIO()
    deck.save(packed)
    return repacked(packed.getvalue())


def _add_slide(deck: Any, blocks: list[Block]) -> None:  # noqa: ANN401  the library has no types
    heading, *rest = blocks
    table = next((block for block in rest if isinstance(block, Table)), None)
    first = isinstance(heading, Heading) and heading.level == 1
    layout = _TITLE_ONLY_LAYOUT if table else _TITLE_LAYOUT if first else _BODY_LAYOUT
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    slide.shapes.title.text = title_of(blocks)
    lines = [line for block in rest for line in _lines(block)]
    if table:
        _add_table(slide, table)
    else:
        slide.placeholders[1].text = "\n".join(lines)
    if notes := "\n".join(block.text for block in rest if isinstance(block, Note)):
        slide.notes_slide.notes_text_frame.text = notes


def _lines(block: Block) -> list[str]:
    return [block.text] if isinstance(block, Paragraph) else list(block.texts) if isinstance(block, Items) else []


def _add_table(slide: Any, table: Table) -> None:  # noqa: ANN401
    left, top, width, height = _TABLE
    grid = slide.shapes.add_table(len(table.rows), len(table.rows[0]), left, top, width, height * len(table.rows)).table
    for line, row in enumerate(table.rows):
        for column, words in enumerate(row):
            grid.cell(line, column).text = words
