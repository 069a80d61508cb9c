"""The binary documents are what their sources say, and made anew they are the same bytes."""

import io
import zipfile
from pathlib import Path

import pytest

from corpus.make.__main__ import CORPUS, documents
from corpus.make.archive import repacked
from corpus.make.pdf import make_pdf
from corpus.make.source import Heading, Items, Note, Paragraph, Table, blocks_of
from corpus.make.word import make_docx

MADE = dict(documents())
BINARY = {".pdf", ".docx", ".pptx", ".png"}


@pytest.mark.parametrize("path", sorted(MADE), ids=lambda path: path.name)
def test_a_document_made_anew_has_the_same_bytes(path: Path) -> None:
    assert path.read_bytes() == MADE[path], f"{path.name} is not what its source says: make corpus"


def test_every_binary_document_has_a_source() -> None:
    assert {path for path in (CORPUS / "documents").glob("*/*") if path.suffix in BINARY} == set(MADE)


def test_a_source_is_read_as_headings_text_lists_tables_and_notes() -> None:
    text = "# T\n\nOne\ntwo `three`.\n\n- a\n- **b**\n\n1. c\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n> said\n"
    assert blocks_of(text) == [
        Heading(1, "T"),
        Paragraph("One two three."),
        Items(("a", "b"), numbered=False),
        Items(("c",), numbered=True),
        Table((("x", "y"), ("1", "2"))),
        Note("said"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("no title", "begins with"), ("# T\n\n---\n", "no maker knows"), ("# T\n\n- 28. July\n", "begins with a number")],
)
def test_a_source_that_would_lose_something_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        blocks_of(text)


def test_letters_that_a_pdf_could_not_show_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'充电'.*use DOCX"):
        make_pdf("# 充电\n", "zh")


def test_an_office_file_holds_no_clock() -> None:
    with zipfile.ZipFile(io.BytesIO(make_docx("# T\n\ntext\n", "en"))) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert repacked(make_docx("# T\n\ntext\n", "en")) == make_docx("# T\n\ntext\n", "en")
