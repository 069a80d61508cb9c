"""Each kind of file that people have, made here: its text, one thing of its structure, and one thing that is a note instead."""

import json
import mailbox
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # xlsxwriter ships no types

from tests.validation.corpus.ingest import files
from tests.validation.corpus.reading.made import old_sheets, old_slides, old_word, outlook, zipped
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.read import KINDS, read

NO_MARK = "names no encoding and was read as cp1252"
CP1252 = "Größe: für Gäste, außer Öl, täglich offen".encode("cp1252")


class Expected(NamedTuple):
    """A file, and a paragraph of it below a path of headings."""

    body: bytes
    text: str
    path: tuple[str, ...] = ()
    note: str = ""
    """What of it is told instead; "" where a broken one is refused, which test_a_broken_one_is_refused holds."""


def workbook() -> bytes:
    file = BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        for name, rows in {"Prices": [("Part", "Price"), ("Wheel", 14.5)], "Old": [("Part", "Price"), ("Belt", 9)]}.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
        sheet.hide()
        book.worksheets()[0].write_comment("A1", "Is it?")
        book.worksheets()[0].insert_textbox("D4", "In a box")
        book.worksheets()[0].insert_image("D9", "a.png", {"image_data": BytesIO(files.picture())})
        chart = book.add_chart({"type": "bar"})
        chart.add_series({"values": "=Prices!$B$2"})
        book.worksheets()[0].insert_chart("D20", chart)
    return file.getvalue()


def open_document(body: str, kind: str) -> bytes:
    names = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "text", "table", "draw")}
    spaces = " ".join(f'xmlns:{name}="{space}"' for name, space in names.items())
    content = f'<?xml version="1.0"?><office:document-content {spaces}><office:body>{body}</office:body></office:document-content>'
    return zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def sheets_of_open_document() -> bytes:
    rows = (("Part", "Price"), ("Wheel", "14"))
    cells = [
        "".join(f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in row) for row in rows
    ]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in cells)
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
        'manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>'
    )
    body = open_document(f'<office:spreadsheet><table:table table:name="Prices">{table}</table:table></office:spreadsheet>', "spreadsheet")
    return files.with_part(body, "META-INF/manifest.xml", manifest.encode())


def book() -> bytes:
    items = '<item id="a" href="a.xhtml"/><item id="b" href="b.xhtml"/>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<c xmlns="urn:c"><rootfiles><rootfile full-path="O/p.opf"/></rootfiles></c>',
            "O/p.opf": '<package xmlns="urn:o" xmlns:dc="urn:d"><metadata><dc:title>Care of gates</dc:title></metadata>'
            f'<manifest>{items}</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "O/a.xhtml": "<html><body><h1>Oil</h1><p>Each spring.</p></body></html>",
        }
    )


def box(tmp: Path) -> bytes:
    kept = mailbox.mbox(tmp / "box")
    for at in (1, 2):
        message = EmailMessage()
        message["From"], message["Subject"], message["Date"] = f"p{at}@example.org", f"Subject {at}", "Mon, 3 Mar 2025 10:00:00 +0100"
        message.set_content(f"Text number {at}.\n\nFrom now on it is open.\n")
        kept.add(message)
    message.add_attachment(b"ID3", maintype="audio", subtype="mpeg", filename="call.mp3")
    kept.add(message)
    kept.close()
    return (tmp / "box").read_bytes()


def mail_with(name: str, body: bytes) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "ann@example.org", "Plan"
    message.set_content("See what is attached.")
    message.add_attachment(body, maintype="application", subtype="octet-stream", filename=name)
    message.add_attachment(b"ID3", maintype="audio", subtype="mpeg", filename="call.mp3")
    return message.as_bytes()


NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# Pumps\n", "\n", "Which one leaks?"]},
        {
            "cell_type": "code",
            "source": "print(7)",
            "outputs": [{"text": ["It is pump 7\n"]}, {"data": {"image/png": "aGk="}}],
        },
    ]
}
RTF = rb"{\rtf1\ansi\ansicpg1252 Preis f\'fcr die T\'fcr\par \trowd\cellx100\cellx200 Wheel\cell 14\cell\row {\pict\pngblip 8950}}"
ODT = (
    "<office:text><text:tracked-changes><text:changed-region><text:deletion><text:p>Red.</text:p></text:deletion></text:changed-region>"
    "</text:tracked-changes><text:h text:outline-level='1'>Gate</text:h><text:p>It is<text:s/>blue.<office:annotation><text:p>Sure?"
    "</text:p></office:annotation></text:p><draw:frame><draw:image /></draw:frame>"
    "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
    "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table></office:text>"
)
ODP = (
    "<office:presentation><draw:page draw:name='Prices'><draw:frame><draw:text-box><text:p>Wheel 14.</text:p></draw:text-box></draw:frame>"
    "</draw:page></office:presentation>"
)
SAMPLES: dict[str, Callable[[Path], Expected]] = {
    ".xlsx": lambda _: Expected(workbook(), "Part: Wheel | Price: 14.5", ("Prices",), "sheet Old is hidden, and was read"),
    ".xls": lambda _: Expected(
        old_sheets(Prices=[["Part", "Price"], ["Wheel", 14.5]], Old_hidden=[["Part", "Price"], ["Belt", 9.0]]),
        "Part: Wheel | Price: 14.5",
        ("Prices",),
        "sheet Old_hidden is hidden",
    ),
    ".ods": lambda _: Expected(sheets_of_open_document(), "Part: Wheel | Price: 14", ("Prices",)),
    ".doc": lambda _: Expected(old_word("The gate is blue.\nIt opens at six.\n"), "It opens at six."),
    ".ppt": lambda _: Expected(old_slides(("Gate", "It is blue."), ("Valve", "Keep shut.")), "Keep shut.", ("Valve",)),
    ".odt": lambda _: Expected(
        open_document(ODT, "text"),
        "It is blue.",
        ("Gate",),
        "1 comments, which were not read 1 pending deletions, which were left out 1 pictures",
    ),
    ".odp": lambda _: Expected(open_document(ODP, "presentation"), "Wheel 14.", ("Prices",)),
    ".rtf": lambda _: Expected(RTF, "Wheel | 14", (), "1 pictures"),
    ".jsonl": lambda _: Expected(b'{"id": 7, "title": "Gate", "text": "blue"}\n{"id": 8, "text": "red"}\n', "text: blue", ("7 Gate",)),
    ".ndjson": lambda _: Expected(b'{"id": 7, "text": "' + CP1252 + b'"}\n{"id": 8}', "text: " + CP1252.decode("cp1252"), ("7",), NO_MARK),
    ".tsv": lambda _: Expected(b"Part\tNote\nWheel\t" + CP1252, f"Part: Wheel | Note: {CP1252.decode('cp1252')}", (), NO_MARK),
    ".epub": lambda _: Expected(book(), "Each spring.", ("Oil",), "chapter b.xhtml is not in it"),
    ".msg": lambda _: Expected(
        outlook("Gate code", "It is 4711.", {"plan.md": b"# Plan\n\nTwo gates.", "call.mp3": b"ID3"}),
        "Two gates.",
        ("Gate code", "plan.md", "Plan"),
        "its attachment call.mp3 was not read",
    ),
    ".mbox": lambda tmp: Expected(box(tmp), "From now on it is open.", ("Subject 2",), "its attachment call.mp3 was not read"),
    ".eml": lambda _: Expected(
        mail_with("prices.xlsx", workbook()), "Part: Wheel | Price: 14.5", ("Plan", "prices.xlsx", "Prices"), "its attachment call.mp3"
    ),
    ".zip": lambda _: Expected(
        zipped({"a/plan.md": "# Plan\n\nTwo gates.", "call.mp3": "ID3"}), "Two gates.", ("plan.md", "Plan"), "call.mp3 inside was not read"
    ),
    ".srt": lambda _: Expected(b"1\n00:00:01,000 --> 00:00:03,000\n" + CP1252 + b"\n", CP1252.decode("cp1252"), (), NO_MARK),
    ".sbv": lambda _: Expected(b"0:00:01.000,0:00:03.000\nThe gate is blue.\n", "The gate is blue."),
    ".ipynb": lambda _: Expected(json.dumps(NOTEBOOK).encode(), "It is pump 7", ("Pumps",), "1 pictures among the results"),
    ".yaml": lambda _: Expected(b"pump:\n  limit: 40\n\nnote: " + CP1252, "pump:\n  limit: 40", (), NO_MARK),
    ".toml": lambda _: Expected(b"[pump]\nlimit = 40\n", "[pump]\nlimit = 40"),
    ".log": lambda _: Expected(
        b"10:00 pump 7 starts\n10:01 pump 7 stops " + CP1252,
        "10:00 pump 7 starts\n10:01 pump 7 stops " + CP1252.decode("cp1252"),
        (),
        NO_MARK,
    ),
    ".rst": lambda _: Expected(
        b"Gates\n=====\n\nNorth\n-----\n\nIt is blue. " + CP1252, "It is blue. " + CP1252.decode("cp1252"), ("Gates", "North"), NO_MARK
    ),
    ".adoc": lambda _: Expected(b"= Gates\n\n== North\n\nIt is blue.\n", "It is blue.", ("Gates", "North")),
    ".xml": lambda _: Expected(b"<gate><owner>Ann</owner><note>blue</note></gate>", "owner: Ann"),
    ".tex": lambda _: Expected(b"\\section{Gate}\nIt is blue.\n", "\\section{Gate}\nIt is blue."),
}
CODE = {
    ".py": (
        "class Pump:\n    async def start(self, a,\n                    b):\n        return 40\n",
        "return 40",
        ("class Pump", "async def start(self, a, b)"),
    ),
    ".go": ("package a\n\nfunc (p *Pump) Start() error {\n\treturn nil\n}\n\nvar Limit = 40\n", "var Limit = 40", ("var Limit = 40",)),
    ".js": ("export class Pump {\n  static start() {\n    return 40;\n  }\n}\n", "return 40;", ("export class Pump", "static start()")),
    ".ts": ("export function start(a: number): number {\n  return 40;\n}\n", "return 40;", ("export function start(a: number): number",)),
    ".java": (
        "public class Pump {\n    public int start() {\n        return 40;\n    }\n}\n",
        "return 40;",
        ("public class Pump", "public int start()"),
    ),
    ".c": ("int start(int a)\n{\n    return 40;\n}\n", "return 40;", ("int start(int a)",)),
    ".cpp": ("int Pump::start(int a) {\n    return 40;\n}\n", "return 40;", ("int Pump::start(int a)",)),
    ".cs": (
        "public class Pump {\n    public int Start() {\n        return 40;\n    }\n}\n",
        "return 40;",
        ("public class Pump", "public int Start()"),
    ),
    ".rs": ("pub fn start(a: i32) -> i32 {\n    40 + a\n}\n", "40 + a", ("pub fn start(a: i32) -> i32",)),
    ".sql": ("CREATE TABLE pump (\n  id int\n);\n", "id int", ("CREATE TABLE pump (id int );",)),
    ".rb": ("class Pump\n  def start\n    40\n  end\nend\n", "40", ("class Pump", "def start")),
    ".php": ("<?php\nfunction start($a) {\n  return 40;\n}\n", "return 40;", ("function start($a)",)),
    ".ps1": ("function Start-Pump {\n  40\n}\n", "40", ("function Start-Pump",)),
    ".tf": ('resource "pump" "a" {\n  limit = 40\n}\n', "limit = 40", ('resource "pump" "a"',)),
    ".sh": ("start() {\n  echo 40\n}\n", "echo 40", ("start()",)),
}


@pytest.mark.parametrize("suffix", SAMPLES)
def test_a_kind_gives_its_text_its_structure_and_its_notes(suffix: str, tmp_path: Path) -> None:
    expected = SAMPLES[suffix](tmp_path)
    parsed = read(expected.body, suffix)
    assert expected.text in [text for section in parsed.sections if section.path == expected.path for text in section.paragraphs], parsed
    assert expected.note in " ".join(parsed.notes)


def test_what_stands_beside_the_text_of_rtf_is_read_or_noted() -> None:
    body = (
        rb"{\rtf1\ansi{\header Rules \'fc}Fee{\footnote On {\b Sundays} 7} is 5.\par{\shp{\*\shpinst{\shptxt In a box}}}"
        rb"{\*\annotation Is it?}{\object x}}"
    )
    parsed = read(body, ".rtf")
    assert [text for section in parsed.sections for text in section.paragraphs] == ["Fee is 5.", "Rules ü", "On Sundays 7", "In a box"]
    assert parsed.notes == ("1 comments, which were not read", "1 embedded objects, which were not read")


@pytest.mark.parametrize("suffix", CODE)
def test_code_stands_below_its_definition_and_keeps_its_lines(suffix: str) -> None:
    body, line, path = CODE[suffix]
    parsed = read(body.encode(), suffix)
    paragraphs = [text.strip() for section in parsed.sections if section.path == path for text in section.paragraphs]
    assert line in paragraphs, parsed
    assert "".join(body.split()) == "".join("".join(text.split()) for section in parsed.sections for text in section.paragraphs)
    assert NO_MARK in " ".join(read(b"# " + CP1252 + b"\n" + body.encode(), suffix).notes)


@pytest.mark.parametrize(
    "suffix", sorted(SAMPLES.keys() & {".xlsx", ".xls", ".ods", ".doc", ".ppt", ".odt", ".odp", ".epub", ".msg", ".zip"})
)
def test_a_broken_one_is_refused(suffix: str, tmp_path: Path) -> None:
    body = SAMPLES[suffix](tmp_path).body
    with pytest.raises(UnreadableError, match=r"is a broken|is broken|holds no|has no text"):
        read(body[: len(body) // 3], suffix)


def test_what_a_workbook_holds_beside_its_cells_is_noted() -> None:
    notes = read(workbook(), ".xlsx").notes
    assert notes[:4] == tuple(f"1 {what}, which were not read" for what in ("comments", "charts", "pictures", "text boxes"))


def test_what_stands_three_files_deep_is_named() -> None:
    body = zipped({"plan.md": "# Plan\n\nTwo gates."})
    for name in ("one.zip", "two.zip"):
        body = zipped({name: body, "note.md": "# Note\n\nBlue."})
    assert "stands 2 files deep" in " ".join(read(body, ".zip").notes)


def test_a_file_of_an_archive_that_is_encrypted_is_named() -> None:
    body = bytearray(zipped({"plan.md": "# Plan\n\nTwo gates.", "note.md": "# Note\n\nBlue."}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + place] |= 1
    assert "plan.md inside was not read" in " ".join(read(bytes(body), ".zip").notes)
    assert zipfile.is_zipfile(BytesIO(bytes(body)))


@pytest.mark.parametrize("suffix", sorted(KINDS))
def test_every_ending_has_its_file_here_or_in_test_readers(suffix: str) -> None:
    same = {
        KINDS[each].reader
        for each in (*SAMPLES, *CODE, ".md", ".html", ".txt", ".pdf", ".docx", ".pptx", ".csv", ".json", ".vtt", ".png", ".svg")
    }
    assert KINDS[suffix].reader in same
