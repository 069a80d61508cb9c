"""Files that attack, or are only too much: each is read or named within its bounds, and the next file is read after it."""

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # xlsxwriter ships no types

from tests.validation.corpus.reading.made import pdf, stream, word, zipped
from tests.validation.corpus.reading.test_findings import mail
from validation.clients.passages import Parsed
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader

SECONDS, ATTACKED, STARTED = 50, 3, 30
"""Limits of a file that is read and of one that need not be, and what a busy machine may take to end one reader and start another."""
ITSELF = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 100 0 R>>>>"
ENCODED = " ".join("=?utf-8?b?R3LDtsOfZQ==?=" for _ in range(20_000))
BOUND_FILES = {
    "div_unclosed.html": (b"<div>Sentence.<br>" * 8_000, "Sentence."),
    "font_unclosed.html": (b"<font size=2>Sentence. " * 20_000, "Sentence."),
    "p_omitted.html": (b"<p>Sentence." * 8_000, "Sentence."),
    "li_omitted.html": (b"<ul>" + b"<li>Sentence." * 8_000, "Sentence."),
    "nested.html": (b"<b>" * 200_000 + b"Deep.", "Deep."),
    "nested_tables.html": (b"<table><tr><td>" * 3_000 + b"Deep.", "Deep."),
    "wide_span.html": (b"<table><tr><td rowspan=65000 colspan=99999>Wide.</td></tr></table>" * 200, "Wide."),
    "wide_table.md": (b"|" + b"a|" * 5_000 + b"\n|" + b"-|" * 5_000 + b"\n|" + b"b|" * 5_000, "a | a"),
    "quotes.md": (b">" * 50_000 + b" Deep.", ""),
    "brackets.md": (b"[" * 50_000 + b"a" + b"](" * 50_000, ""),
    "many_words.eml": (
        mail(b"The gate is blue.", f"X-Long: {ENCODED}", "To: " + ", ".join(f"p{at}@example.org" for at in range(5_000))),
        "blue",
    ),
    "encoded_subject.eml": (mail(b"The gate is blue.", f"Subject: {ENCODED}"), "blue"),
    "parts.eml": (
        mail(
            b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (at, at + 1) for at in range(3_000)),
            kind="multipart/mixed; boundary=b0",
        ),
        "",
    ),
    "itself.pdf": (pdf(b"/X Do", resources=b"/XObject<</X 100 0 R>>", more={100: stream(b"/X Do /X Do (a)Tj", ITSELF)}), ""),
    "deep.json": (b'{"a":' * 100_000, ""),
    "open_string.json": (b'{"a": "' + b"\\\\x" * 300_000, ""),
    "laughs.md": (
        b"---\na: &a [x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (at, at, b", ".join([b"*%c" % (at - 1)] * 9)) for at in range(98, 110))
        + b"---\n\nText.\n",
        "",
    ),
    "laughs.svg": (b'<!DOCTYPE s [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><svg><text>&c;</text></svg>', ""),
    "deep.xml": (b"<a>" * 100_000, "<a>"),
    "braces.rtf": (b"{\\rtf1 " + b"{\\footnote a" * 5_000, ""),
    "froms.mbox": (b"From a@example.org Mon Mar  3 10:00:00 2025\nSubject: s\n\nText.\n" * 5_000, "Text."),
    "inside.zip": (zipped({"a.zip": zipped({"b.zip": zipped({"c.md": "Deep."})})}), ""),
    "bomb_inside.zip": (zipped({"a.md": "Text.", "b.zip": zipped({"c.txt": b"x" * (300 << 20)})}), "Text."),
    "many.zip": (zipped({f"{at}.md": "Text." for at in range(10_001)}), ""),
    "again.epub": (
        zipped(
            {
                "META-INF/container.xml": '<c xmlns="urn:c"><rootfile full-path="p.opf"/></c>',
                "p.opf": '<package xmlns="urn:o"><item id="a" href="a.xhtml"/>' + '<itemref idref="a"/>' * 20_000 + "</package>",
                "a.xhtml": "<p>" + "Word. " * 5_000 + "</p>",
            }
        ),
        "",
    ),
    "spans.docx": (
        word(
            "<w:tbl>"
            + '<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p><w:r><w:t>Wide.</w:t></w:r></w:p></w:tc></w:tr>' * 50
            + "</w:tbl>"
        ),
        "Wide.",
    ),
    "nested.docx": (word("<w:tbl><w:tr><w:tc>" * 2_000 + "<w:p><w:r><w:t>Deep.</w:t></w:r></w:p>" + "</w:tc></w:tr></w:tbl>" * 2_000), ""),
    "cues.vtt": (b"WEBVTT\n\n" + b"00:01.000 --> 00:04.000\n" + b"<v " * 100_000, ""),
    "signature.js": (b"a " * 200_000 + b"(", ""),
    "lines.txt": (b"\x80" * 400_000, ""),
}


@pytest.fixture(scope="module")
def readers() -> Iterator[tuple[IsolatedReader, IsolatedReader]]:
    """Start one for files that are to be read, and one for those that need not be."""
    limits = (Limits(seconds=seconds, memory_mib=1_024, most_text_mib=8) for seconds in (SECONDS, ATTACKED))
    with IsolatedReader(next(limits)) as patient, IsolatedReader(next(limits)) as strict:
        yield patient, strict


def read(reader: IsolatedReader, path: Path, body: bytes) -> Parsed:
    path.write_bytes(body)
    return reader.read(path, path.suffix, "", sha256(body).hexdigest())


@pytest.mark.parametrize("name", BOUND_FILES)
def test_a_hostile_file_is_bounded_and_named_and_the_next_one_is_read(
    name: str, readers: tuple[IsolatedReader, IsolatedReader], tmp_path: Path
) -> None:
    body, text = BOUND_FILES[name]
    reader, begin, named = readers[not text], time.monotonic(), ""
    try:
        parsed = read(reader, tmp_path / name, body)
        assert text in json.dumps([section.paragraphs for section in parsed.sections], ensure_ascii=False)
    except UnreadableError as error:
        named = str(error)
    assert bool(named) != bool(text) or not text, named
    assert time.monotonic() - begin < (SECONDS if text else ATTACKED) + STARTED
    assert read(readers[0], tmp_path / "next.md", b"Next.").sections[0].paragraphs == ("Next.",)


def test_a_sheet_whose_cells_lie_far_apart_is_bounded(readers: tuple[IsolatedReader, IsolatedReader], tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "far.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "Near")
        sheet.write(1_048_575, 16_383, "Far")
    with pytest.raises(UnreadableError, match=r"ended the process|memory|was not read within"):
        read(readers[1], tmp_path / "far.xlsx", (tmp_path / "far.xlsx").read_bytes())
    assert read(readers[0], tmp_path / "next.md", b"Next.").sections[0].paragraphs == ("Next.",)
