"""Each kind of file is read with its structure, or refused with what it is and what helps."""

import contextlib
import zipfile
from io import BytesIO

import docx
import pytest

from tests.validation.corpus.ingest import files
from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.read import KINDS, read


def lines(parsed: Parsed) -> list[str]:
    return [line for section in parsed.sections for line in section.paragraphs]


def test_a_pdf_gives_pages_bookmarks_rows_and_joined_lines() -> None:
    table = "Part          Price         Weeks\nWheel         14 euros      3"
    text = f"The wheel has to be changed every second year by a person who\nwas trained for it.\n{table}"
    parsed = read(files.pdf(text, "Second page.", title="Manual", bookmark="Care"), ".pdf")
    assert (parsed.title, [(one.page, one.heading) for one in parsed.sections]) == ("Manual", [(1, "Care"), (2, "Care")])
    assert lines(parsed) == [
        "The wheel has to be changed every second year by a person who was trained for it.",
        "Part | Price | Weeks",
        "Wheel | 14 euros | 3",
        "Second page.",
    ]


def test_a_page_without_text_is_noted_and_the_others_are_read() -> None:
    parsed = read(files.pdf("Words.", ""), ".pdf")
    assert lines(parsed) == ["Words."]
    assert parsed.notes == ("no text on page 2: empty or scanned; for what is scanned run OCR over it",)


def test_a_pdf_that_only_forbids_printing_is_read() -> None:
    assert lines(read(files.pdf("Words.", owner="owner"), ".pdf")) == ["Words."]


def test_a_word_file_gives_headings_tables_and_alternative_text_in_order() -> None:
    parsed = read(files.word(), ".docx")
    assert (parsed.title, [one.heading for one in parsed.sections]) == ("Manual", ["Manual", "Limits"])
    assert lines(parsed) == ["It pulls trolleys.", "Model | Load", "Lynx 40 | 850 kg", "Below the table.", "A tugger from the left"]


def test_a_list_inside_a_list_of_a_word_file_is_read() -> None:
    document = docx.Document()
    for text, depth in (("Open valve", 0), ("Turn left", 1), ("Wait", 0)):
        paragraph = document.add_paragraph(text, "List Number")
        numbering = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        numbering.get_or_add_ilvl().val, numbering.get_or_add_numId().val = depth, 1
    file = BytesIO()
    document.save(file)
    assert [line.partition(". ")[2] or line for line in lines(read(file.getvalue(), ".docx"))] == ["Open valve", "Turn left", "Wait"]


def test_slides_give_their_number_title_notes_and_tables() -> None:
    parsed = read(files.slides(), ".pptx")
    assert [(one.page, one.heading, one.paragraphs) for one in parsed.sections] == [
        (1, "Figures of March", ("Uptime was 99.2 percent.", "Say why it fell.")),
        (2, "Prices", ("Part | Price", "Wheel | 14 euros")),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_each_row_of_a_csv_says_by_itself_what_its_values_are(delimiter: str) -> None:
    body = "part,price\nwheel,14\nbelt,\n".replace(",", delimiter).encode()
    assert lines(read(body, ".csv")) == ["part: wheel | price: 14", "part: belt"]


def test_tickets_in_json_are_a_section_each_whatever_the_shape() -> None:
    ticket = b'{"id": 7, "subject": "Stops", "comments": [{"by": "Bo", "text": "Sensor."}], "tags": ["a", "b"], "empty": null}'
    told = ("id: 7", "subject: Stops", "comments by: Bo", "comments text: Sensor.", "tags: a, b")
    for body in (ticket, b"[" + ticket + b"]", b'{"site": "Kassel", "tickets": [' + ticket + b"]}"):
        assert [(one.heading, one.paragraphs) for one in read(body, ".json").sections][-1] == ("7 Stops", told)


def test_a_transcript_gives_times_and_speakers_and_overlapping_cues_in_order() -> None:
    body = b"""WEBVTT - Weekly meeting

00:00:05.000 --> 00:00:09.000
<v Bo>Second, while the first goes on.

00:00:01.000 --> 00:00:08.000
<v Ada>First,
on two lines.
"""
    parsed = read(body, ".vtt")
    assert (parsed.title, parsed.sections[0].time_code) == ("Weekly meeting", "00:00:01.000")
    assert lines(parsed) == ["Ada: First, on two lines.", "Bo: Second, while the first goes on."]


def test_mail_gives_each_message_and_names_what_is_attached() -> None:
    parsed = read(files.mail(), ".eml")
    assert [one.heading for one in parsed.sections] == ["Re: Gate code", "Gate code"]
    assert "It is 7731." in lines(parsed)
    assert "Which code opens gate 4?" in lines(parsed)
    assert [note.partition(" (")[0] for note in parsed.notes] == ["its attachment plan.pdf was not read, for it is a broken PDF"]


def test_code_is_cut_at_definitions_and_keeps_its_indentation() -> None:
    body = b'"""Doc."""\nimport os\n\n\n# why\n@cached\ndef work(a):\n    return a\n\n\nclass Thing:\n    pass\n'
    parsed = read(body, ".py")
    assert [one.heading for one in parsed.sections] == ["", "def work(a)", "class Thing"]
    assert parsed.sections[1].paragraphs == ("# why", "@cached", "def work(a):", "    return a")
    assert [one.heading for one in read(b"#!/bin/sh\nstop() {\n  exit 1\n}\n", ".sh").sections] == ["", "stop()"]
    assert [one.heading for one in read(b"package a\n\n// Run runs.\nfunc Run() error {\n\treturn nil\n}\n", ".go").sections][
        -1
    ] == "func Run() error"


def test_pictures_are_read_by_their_caption_and_by_what_an_svg_says() -> None:
    assert lines(read(files.picture(), ".png", "# Plan\n\nGate 4 is left of the hall.")) == ["Gate 4 is left of the hall."]
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><title>Hall</title><script>x()</script><g><text>Gate <tspan>4</tspan></text></g></svg>'
    )
    assert read(drawing, ".svg") == Parsed(title="Hall", sections=(Section(paragraphs=("Hall", "Gate 4")),))


def test_html_without_paragraphs_is_read_and_scripts_and_comments_are_not() -> None:
    body = b"<div>One <b>bold</b> word<div>Inside</div>tail<script>alert(1)</script><!-- no --><img alt='A gate' src=x></div>"
    assert lines(read(body, ".html")) == ["One bold word", "Inside", "tail A gate"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1", "cp1252"])
def test_text_is_read_in_the_encoding_that_it_has(encoding: str) -> None:
    text = "Größe und Länge der Förderbänder müssen überprüft werden, bevor das Gerät läuft. Für Änderungen ist Herr Müller zuständig."
    assert lines(read(text.encode(encoding), ".txt")) == [text]


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "euc_jp"])
def test_text_of_east_asia_is_read_too(encoding: str) -> None:
    text = (
        "搬送台車の最大積載量は三百キログラムです。"
        if encoding != "gb18030"
        else "牵引车的最大牵引重量为一千三百公斤。充电需要三十五分钟。"
    )
    assert lines(read((text * 5).encode(encoding), ".txt")) == [text * 5]


def test_half_a_letter_does_not_keep_the_rest_from_being_read() -> None:
    body = rb'[{"name": "Gate \ud83d\ude9a", "text": "Lift \ud800 here"}, {"text": "\ude9a"}]'
    parsed = read(body, ".json")
    assert lines(parsed) == ["name: Gate 🚚", "text: Lift \ufffd here", "text: \ufffd"]
    assert all(one.heading.encode() for one in parsed.sections[:1])


def bomb() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    return packed.getvalue()


BROKEN = {
    "empty": (b"", ".md", "is empty"),
    "only white space": (b" \n\n", ".md", "is empty"),
    "unknown ending": (b"x", ".xyz", "has the ending .xyz, which is not among .md"),
    "PDF called Markdown": (b"%PDF-1.7\n", ".md", "is called .md but holds a PDF"),
    "picture called PDF": (files.picture(), ".pdf", "is called .pdf but holds a PNG picture"),
    "text called PDF": (b"words", ".pdf", "holds something else than a PDF"),
    "broken PDF": (files.pdf("Words.")[:200], ".pdf", "is a broken PDF"),
    "encrypted PDF": (files.pdf("Words.", password="secret"), ".pdf", "is encrypted with a password"),
    "scanned PDF": (files.pdf("", ""), ".pdf", "has no text on any of its 2 pages, so it is scanned; run OCR"),
    "encrypted Word file": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", ".docx", "holds an Office file that is encrypted, or older than 2007"),
    "macros": (files.with_part(files.word(), "word/vbaProject.bin", b"x"), ".docx", "carries macros"),
    "macros by name": (files.with_part(files.word(), "word/vbaProject.bin", b"x"), ".docm", "carries macros"),
    "slides called Word file": (files.slides(), ".docx", "has no word/document.xml inside"),
    "broken Word file": (files.word()[:500], ".docx", "is a broken Office file"),
    "zip bomb": (bomb(), ".docx", "would unpack to 314,572,800 bytes in 1 parts"),
    "bytes called text": (b"a\0b" * 50, ".txt", "holds zero bytes, so it is no text"),
    "no JSON": (b"{", ".json", "is no JSON (Expecting property name"),
    "deep JSON": (b"[" * 100_000, ".json", "too deep"),
    "no transcript": (b"Hello", ".vtt", "is no WebVTT"),
    "no mail": (b"\n\n", ".eml", "is empty"),
    "picture without words": (files.picture(), ".png", "put a caption beside it"),
    "entities in an SVG": (b'<!DOCTYPE s [<!ENTITY a "b">]><svg>&a;</svg>', ".svg", "defines entities"),
    "only a rule": (b"---\n", ".md", "holds no text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_refused_with_its_reason(name: str) -> None:
    body, suffix, reason = BROKEN[name]
    with pytest.raises(UnreadableError) as caught:
        read(body, suffix)
    assert reason in str(caught.value)


@pytest.mark.parametrize("suffix", sorted(KINDS))
def test_no_reader_fails_in_a_way_of_its_own(suffix: str) -> None:
    begin = {"a PDF": b"%PDF-1.4\n", "a PNG picture": b"\x89PNG\r\n\x1a\n", "a JPEG picture": b"\xff\xd8\xff"}.get(
        KINDS[suffix].signature, b"PK\x03\x04"
    )
    for noise in (b"\xff\xfe\x00", b"<<<>>>" * 500, b"\x80" * 999, b"(" * 5_000):
        body = (begin if KINDS[suffix].signature else b"") + noise
        with contextlib.suppress(UnreadableError):
            assert lines(read(body, suffix))
