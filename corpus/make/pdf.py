"""PDF with real text and tables, in the fonts that every reader has: for languages of the Latin alphabet alone."""

import io
from collections.abc import Iterator
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, ListFlowable, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Paragraph as Words
from reportlab.platypus import Table as Grid

from corpus.make.source import AUTHOR, Block, Heading, Items, Note, Paragraph, Table, blocks_of, title_of

_GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.lightgrey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)
_GAP_POINTS = 8


def make_pdf(text: str, language: str) -> bytes:
    """Return the document as a PDF of A4 pages; ValueError for letters that the standard fonts lack."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError as error:
        lacking = text[error.start : error.end]
        raise ValueError(f"{lacking!r} is in none of the standard fonts of PDF and would be printed as a box; use DOCX for it") from None
    blocks = blocks_of(text)
    packed = io.BytesIO()
    page = SimpleDocTemplate(packed, pagesize=A4, title=title_of(blocks), author=AUTHOR, lang=language, invariant=1, pageCompression=0)
    page.build([flowable for block in blocks for flowable in _flowables(block)])
    return packed.getvalue()


def _flowables(block: Block) -> Iterator[Flowable]:
    styles = getSampleStyleSheet()
    body = styles["BodyText"]
    if isinstance(block, Heading):
        yield Words(escape(block.text), styles["Title" if block.level == 1 else "Heading2"])
    elif isinstance(block, Paragraph | Note):
        yield Words(escape(block.text), body)
    elif isinstance(block, Items):
        yield ListFlowable([Words(escape(one), body) for one in block.texts], bulletType="1" if block.numbered else "bullet")
    elif isinstance(block, Table):
        yield Grid([[Words(escape(cell), body) for cell in row] for row in block.rows], style=_GRID)
        yield Spacer(1, _GAP_POINTS)
