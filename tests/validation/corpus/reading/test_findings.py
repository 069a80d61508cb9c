"""Kinds of text that readers lose, garble or misplace, each with a file of our own; those of `cases.tar.xz` stand beside them.

What must come of each is written as in test_cases.py; `chunk` and `no_chunk` are of the chunks, `note` of the notes.
"""

import base64
import io
import re
from pathlib import PurePosixPath
from typing import Any

import pptx
import pytest
from pptx.util import Inches
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tests.validation.corpus.ingest.files import picture
from tests.validation.corpus.reading.made import compound, lines_at, paragraph, pdf, run, stream, table, word
from tests.validation.corpus.reading.test_cases import _wrong_structure, _wrong_text
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.chunking import CHUNK_CHARACTERS, cut
from validation.corpus.reading.read import read

GERMAN = "Die Öffnungszeiten für Gäste: täglich ab 8 Uhr, außer über Ostern. Die Schließung der großen Tür erfolgt um 17 Uhr.\n"
JAPANESE, CHINESE, KOREAN = (
    "会議は①番の㈱東京本社で行います。",
    "员工每年享有二十天带薪年假，申请须提前两周提交。",
    "모든 직원은 매년 이십오 일의 휴가를 받습니다. 신청은 부서장에게 합니다.\n",
)
GREEK, TURKISH = (
    "Όλα τα γραφεία έχουν είκοσι ημέρες άδεια τον χρόνο.",
    "Mesai sekizde başlar; müdür değişiklikleri bildirir.",
)


def slides(*, equal: bool = False, group: bool = False, pictured: bool = False) -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Stock"
    if equal:
        cells = slide.shapes.add_table(2, 4, Inches(1), Inches(1), Inches(4), Inches(1)).table
        for at, words in enumerate(("Item", "Mon", "Tue", "Wed", "Pump", "0", "0", "5")):
            cells.cell(at // 4, at % 4).text = words
    if group:
        outer = slide.shapes.add_group_shape()
        outer.shapes.add_group_shape().shapes.add_textbox(0, 0, 99, 99).text_frame.text = "Inside two groups: 40."
    if pictured:
        shape = slide.shapes.add_picture(io.BytesIO(picture()), 0, 0)
        shape._element._nvXxPr.cNvPr.set("descr", "image.png")
        slide.shapes.add_textbox(0, 0, 99, 99).text_frame.text = "See the picture."
    file = io.BytesIO()
    show.save(file)
    return file.getvalue()


def mail(body: bytes, *heads: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    return "\r\n".join(["From: Ann <ann@example.org>", "Subject: Gate", *heads, f"Content-Type: {kind}", "", ""]).encode() + body


def parts(kind: str, *inner: tuple[str, bytes]) -> bytes:
    begins = b"".join(b"--b\r\nContent-Type: %s\r\n\r\n%s\r\n" % (each.encode(), body) for each, body in inner)
    return mail(begins + b"--b--\r\n", kind=f'{kind}; boundary="b"')


def hebrew(*lines: str) -> bytes:
    """Show each line's letters from the right to the left, as programs write them."""
    pdfmetrics.registerFont(TTFont("DejaVu", "DejaVuSans.ttf"))
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    canvas.setFont("DejaVu", 12)
    for at, line in enumerate(lines):
        canvas.drawRightString(500, 700 - 20 * at, line[::-1])
    canvas.save()
    return file.getvalue()


def form(content: bytes, number: int = 100) -> dict[int, bytes]:
    return {number: stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>")}


FIELD = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(Owner)/V(Ann Lee, room 9)/Rect[60 700 200 720]>>"
STAMP = b"<</Type/Annot/Subtype/Stamp/Rect[60 600 260 640]/AP<</N 101 0 R>>>>"
LEFT = (
    "Two presses stand in the hall and both",
    "are cleaned each Monday by the early shift",
    "before the first order of the week",
    "is started by the foreman on duty.",
    "Nobody else may start them on that day.",
)
RIGHT = (
    "The store is closed on the last Friday",
    "of each month because the goods are counted",
    "by two people who sign the list together",
    "and hand it over to the office at noon.",
    "What is missing is ordered the same day.",
)
FARES = [("Zone", "Adult fare in coins", "Child fare in coins"), *((f"Zone {at}", f"{5 + 3 * at}", f"{2 + at}") for at in range(90))]

FINDINGS: dict[str, tuple[bytes, dict[str, Any]]] = {
    # B: text lost
    "B1_form_xobject.pdf": (
        pdf(b"/X Do", resources=b"/XObject<</X 100 0 R>>", more=form(lines_at(60, 700, "All of it stands in a form."))),
        {"has": ["All of it stands in a form."]},
    ),
    "B2_rotated_mixed.pdf": (
        pdf(lines_at(60, 700, "Upright words.") + b"q 0 1 -1 0 300 200 cm\n" + lines_at(0, 0, "Turned words: limit 40.") + b"Q"),
        {"has": ["Upright words.", "Turned words: limit 40."]},
    ),
    "B2_landscape.pdf": (
        pdf(b"q 0 1 -1 0 500 100 cm\n" + lines_at(0, 0, "A landscape page.") + b"Q", page=b"/Rotate 90"),
        {"has": ["A landscape page."]},
    ),
    "B3_tracked.docx": (
        word(
            paragraph(
                "Limit is ",
                f'<w:ins w:id="1" w:author="a">{run("40 ")}</w:ins>',
                '<w:del w:id="2" w:author="a"><w:r><w:delText>30 </w:delText></w:r></w:del>',
                run("coins."),
            )
        ),
        {"has": ["Limit is 40 coins."], "hasnt": ["30"], "note": "1 pending deletions"},
    ),
    "B3_moved.docx": (
        word(paragraph(f'<w:moveTo w:id="1" w:author="a">{run("Moved: keep shut.")}</w:moveTo>')),
        {"has": ["Moved: keep shut."]},
    ),
    "B3_sdt_inline.docx": (
        word(paragraph("Owner: ", f"<w:sdt><w:sdtContent>{run('Ann Lee')}</w:sdtContent></w:sdt>")),
        {"has": ["Owner: Ann Lee"]},
    ),
    "B3_fldsimple.docx": (
        word(paragraph("See ", f'<w:fldSimple w:instr=" REF x ">{run("chapter 7")}</w:fldSimple>', run("."))),
        {"has": ["See chapter 7."]},
    ),
    "B3_bdo.docx": (word(paragraph("Code ", f'<w:bdo w:val="ltr">{run("4711")}</w:bdo>', run(" opens."))), {"has": ["Code 4711 opens."]}),
    "B3_ruby.docx": (
        word(
            paragraph(
                "本社は",
                f"<w:r><w:ruby><w:rt>{run('とうきょう')}</w:rt><w:rubyBase>{run('東京')}</w:rubyBase></w:ruby></w:r>",
                run("にあります"),
            )
        ),
        {"match": ["本社は東京([（(]とうきょう[)）])? ?にあります"]},
    ),
    "B4_equal_cells.pptx": (slides(equal=True), {"rows": [["Pump", "0", "0", "5"]], "header": ["Item", "Mon", "Tue", "Wed"]}),
    "B5_headings_only.html": (
        b"<h1>Rules</h1><h2>Never open valve 9</h2><h2>Keep dry</h2>",
        {"has": ["Rules", "Never open valve 9", "Keep dry"]},
    ),
    "B5_headings_only.md": (b"# Rules\n\n## Never open valve 9\n\n## Keep dry\n", {"has": ["Rules", "Never open valve 9", "Keep dry"]}),
    "B5_setext_last.md": (
        b"# Rules\n\nText.\n\nThe total is 90 euros,\npayable at once.\n---\n",
        {"has": ["The total is 90 euros, payable at once."]},
    ),
    "B5_long_heading.md": (
        b"# " + b"many words of a heading " * 20 + b"end 4711\n\nText.\n",
        {"has": ["end 4711", "Text."], "chunk": ["end 4711"]},
    ),
    "B6_script.md": (
        b"Use the <script> tag with care.\n\nThe limit is 40 lines.\n\n<style> is another.\n\nEnd.\n",
        {"has": ["tag with care", "The limit is 40 lines.", "End."]},
    ),
    "B6_generic.md": (
        b"A List<Object> holds 40. <template> and <iframe> too.\n\nA <nav> is read, <noscript> is not lost.\n",
        {"has": ["List<Object> holds 40.", "too.", "is read", "is not lost."]},
    ),
    "B7_comment.docx": (
        word(
            paragraph("Text.", '<w:r><w:commentReference w:id="1"/></w:r>'),
            comments=f'<w:comment w:id="1" w:author="Bo">{paragraph("Is it 40?")}</w:comment>',
        ),
        {"has": ["Text."], "note": "1 comments"},
    ),
    "B8_picture.pptx": (slides(pictured=True), {"has": ["See the picture."], "hasnt": ["image.png"], "note": "1 of its pictures"}),
    "B9_form_field.pdf": (
        pdf(lines_at(60, 760, "Owner of the gate"), page=b"/Annots[100 0 R]", more={100: FIELD}),
        {"has": ["Owner: Ann Lee, room 9"]},
    ),
    "B9_stamp.pdf": (
        pdf(
            lines_at(60, 760, "The contract."),
            page=b"/Annots[100 0 R]",
            more={100: STAMP} | form(lines_at(60, 610, "Approved by Ann on 3 May"), 101),
        ),
        {"has": ["The contract.", "Approved by Ann on 3 May"]},
    ),
    "B11_duplicate_keys.json": (b'{"id": 1, "owner": "Ann", "owner": "Bo"}', {"has": ["Ann", "Bo"]}),
    # C: text garbled or in the wrong place
    "C1_two_columns.pdf": (
        pdf(
            b"".join(
                lines_at(60, 700 - 12 * at, left) + lines_at(320, 700 - 12 * at, right)
                for at, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True))
            )
        ),
        {"order": [LEFT[0], LEFT[4], RIGHT[0], RIGHT[4]]},
    ),
    "C2_narrow_table.pdf": (
        pdf(
            b"".join(
                lines_at(60, y, a) + lines_at(96, y, b) + lines_at(120, y, c)
                for y, a, b, c in ((700, "Item", "24", "25"), (688, "Valve", "10", "20"), (676, "Pump", "", "31"))
            )
        ),
        {"rows": [["Valve", "10", "20"], ["Pump", "", "31"]], "header": ["Item", "24", "25"]},
    ),
    "C2_marks_are_no_column.pdf": (
        pdf(
            b"".join(
                lines_at(60, y, mark) + lines_at(75, y, text)
                for y, mark, text in ((700, "1", "Open."), (688, "2", "Wait."), (676, "\u2022", "Shut."))
            )
        ),
        {"has": ["1 Open.", "2 Wait.", "\u2022 Shut."], "hasnt": ["|"]},
    ),
    "C3_table_inline.html": (
        b"<table><tr><th>Load</th><th>Where</th></tr><tr><td>max <em>12</em> kg</td><td>a<br>b</td></tr></table>",
        {"rows": [["max 12 kg", "a b"]], "header": ["Load", "Where"]},
    ),
    "C4_br.html": (b"<div>Pumpen AG<br>Hafenweg 17<br>24103 Kiel<br>Telefon 4711</div>", {"has": ["Hafenweg 17 24103 Kiel Telefon 4711"]}),
    "C6_windows_1254.html": (f'<meta charset="windows-1254"><p>{TURKISH}</p>'.encode("cp1254"), {"has": [TURKISH]}),
    "C6_iso_8859_7.html": (f'<meta charset="iso-8859-7"><p>{GREEK}</p>'.encode("iso8859-7"), {"has": [GREEK]}),
    "C6_euckr.txt": (KOREAN.encode("euc_kr") * 3, {"has": [KOREAN.strip()], "note": "names no encoding"}),
    "C6_mac.txt": (GERMAN.encode("mac-roman") * 2, {"has": [GERMAN.strip()], "note": "names no encoding"}),
    "C7_iso2022jp.txt": (
        JAPANESE.replace("①", "1").replace("㈱", "").encode("iso2022_jp") * 2,
        {"has": ["会議は1番の東京本社で行います。"]},
    ),
    "C7_iso2022jp.eml": (
        mail(b"\x1b$B2q5D$O-!HV$N-jEl5~K\\<R$G9T$$$^$9!#\x1b(B", kind="text/plain; charset=iso-2022-jp"),
        {"has": [JAPANESE]},
    ),
    "C10_quotes_late.csv": (
        b"name,size\n" + b"plain,1\n" * 2_000 + b'"the ""red"" one",big\n',
        {"rows": [['the "red" one', "big"]], "header": ["name", "size"]},
    ),
    "C10_bom_quoted.csv": (b'\xef\xbb\xbf"Part","Price"\n"K7","90"\n', {"rows": [["K7", "90"]], "header": ["Part", "Price"]}),
    "C11_voices_on_lines.vtt": (
        b"WEBVTT\n\n00:01.000 --> 00:04.000\n<v Anna>We ship on Monday.</v>\n<v Bo>No, on Friday.</v>\n",
        {"lines": ["Anna: We ship on Monday.", "Bo: No, on Friday."]},
    ),
    "C11_rollup.vtt": (
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nOne.\n\n00:02.000 --> 00:03.000\nOne.\nTwo.\n\n00:03.000 --> 00:04.000\nTwo.\nThree.\n",
        {"at_most": {"One.": 1, "Two.": 1}, "order": ["One.", "Two.", "Three."]},
    ),
    "C12_rtl.pdf": (hebrew("שעות העבודה מתחילות בשמונה", "והשער נסגר בחמש"), {"has": ["שעות העבודה מתחילות בשמונה", "והשער נסגר בחמש"]}),
    "C12_ligature.md": ("An e\ufb03cient \ufb01lter.\n".encode(), {"has": ["An efficient filter."]}),
    "C13_html_meta.eml": (mail(f'<meta charset="iso-8859-7"><p>{GREEK}</p>'.encode("iso8859-7"), kind="text/html"), {"has": [GREEK]}),
    "C14_private_use.md": (("\ue001\ue002\ue003 " * 9 + "ok").encode(), {"has": ["ok"], "note": "looks garbled"}),
    "C14_backwards.txt": (
        "\n".join(line[::-1] for line in ("שלום לכולם ולכן", "הגיעו האנשים לבניין", "השעות מתחילות בעשרים")).encode(),
        {"note": "backwards"},
    ),
    "C14_replaced.txt": (
        "The price is \ufffd5 and \ufffd7 in all shops of the town.".encode(),
        {"has": ["The price"], "note": "2 letters"},
    ),
    "C15_hidden.docx": (
        word(paragraph("Shown. ", run("Draft price 999.", "<w:rPr><w:vanish/></w:rPr>"))),
        {"has": ["Shown."], "hasnt_unless_marked": ["Draft price 999."]},
    ),
    "C15_template.html": (
        b"<p>Shown words stand here for all.</p><template><p>Kept for later.</p></template>",
        {"has": ["Shown words"], "note": "hidden"},
    ),
    # D: refused though readable
    "D1_grid.docx": (word(table(("Plant", "Line"), ("North", "A", "late"), merged=(1, 2))), {"has": ["Plant", "North", "A"]}),
    "D1_no_section.docx": (word(paragraph("No section at all.")), {"has": ["No section at all."]}),
    "D2_plain_empty.eml": (
        parts("multipart/alternative", ("text/plain", b"\r\n"), ("text/html", b"<p>The code is 4711.</p>")),
        {"has": ["The code is 4711."]},
    ),
    "D3_message_inside.eml": (
        parts(
            "multipart/related",
            ("text/html", b"<p>See below.</p>"),
            ("message/rfc822", b"From: bo@example.org\r\nSubject: Old\r\n\r\nThe inner text."),
        ),
        {"has": ["See below.", "The inner text."]},
    ),
    "D3_base64.eml": (mail(base64.encodebytes("Größe: 5 m".encode()), "Content-Transfer-Encoding: base64"), {"has": ["Größe: 5 m"]}),
    "D4_lines.json": (
        b'{"id": 1, "text": "one"}\n{"id": 2, "text": "two"}\n',
        {"has": ["text: one", "text: two"], "under": {"two": ["2"]}},
    ),
    "D4_trailing.json": (b'{"a": 1, // why\n "b": [1, 2,],\n}', {"has": ["a: 1", "b: 1, 2"]}),
    "D4_utf16_no_mark.txt": ((CHINESE + "\n").encode("utf-16-le") * 2, {"has": [CHINESE]}),
    "D5_no_startxref.pdf": (
        re.sub(rb"startxref\n\d+\n%%EOF", b"", pdf(lines_at(60, 700, "Read all the same."))),
        {"has": ["Read all the same."]},
    ),
    # chunks and structure
    "E1_log.txt": (
        b"".join(b"2026-01-02 10:%02d:00 pump %d reads 4%03d bar\n" % (at % 60, at, at) for at in range(200)),
        {"lines": ["2026-01-02 10:07:00 pump 7 reads 4007 bar"], "whole": r"reads 4\d{3} bar"},
    ),
    "E1_code.md": (
        b"# Setup\n\n```yaml\n" + b"".join(b"sensor_%03d: {channel: %d, unit: bar}\n" % (at, at * 7) for at in range(120)) + b"```\n",
        {"whole": r"sensor_\d{3}: \{channel: \d+, unit: bar\}"},
    ),
    "E1_list.html": (
        b"<ul>"
        + b"".join(b"<li>Sensor %d<ul><li>channel %d</li><li>unit bar</li></ul></li>" % (at, at * 31) for at in range(90))
        + b"</ul>",
        {"lines": ["channel 217"]},
    ),
    "E2_table.docx": (
        word(table(*FARES)),
        {
            "rows": [["Zone 89", "272", "91"]],
            "header": list(FARES[0]),
            "header_in_chunks": "Zone | Adult fare in coins | Child fare in coins",
        },
    ),
    "E2_table.md": (
        ("\n".join([f"| {' | '.join(FARES[0])} |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in FARES[1:])])).encode(),
        {"header_in_chunks": "Zone | Adult fare in coins | Child fare in coins"},
    ),
    "E3_path.html": (
        b"<h1>Pump Alpha</h1><h2>Technical data</h2><p>4 bar</p><h1>Pump Beta</h1><h2>Technical data</h2><p>9 bar</p>",
        {"under": {"4 bar": ["Pump Alpha", "Technical data"], "9 bar": ["Pump Beta", "Technical data"]}},
    ),
    "E4_untitled.pdf": (
        pdf(lines_at(60, 700, "Care of the gate"), info=b"/Title(untitled)"),
        {"title": "Care of the gate", "not_title": ["untitled"]},
    ),
    "E4_svg.html": (
        b"<p>Intro.</p><svg><title>Arrow</title></svg><h1>Gate rules</h1><p>Text.</p>",
        {"title": "Gate rules", "not_title": ["Arrow"]},
    ),
    "E6_nested.py": (
        b"class Pump:\n    def start(self):\n        return 1\n\n    def stop(self):\n        return 2\n",
        {"under": {"return 2": ["class Pump", "def stop(self)"]}},
    ),
    "E7_many_to.eml": (
        mail(b"The gate is blue.", "To: " + ", ".join(f"p{at}@example.org" for at in range(5_000))),
        {"has": ["The gate is blue."], "note": "5,000 recipients", "chunks": 2},
    ),
    "E8_page_break.pdf": (
        pdf(
            lines_at(60, 60, "The store is closed on the last Friday because"),
            lines_at(60, 780, "the goods are counted by two people.", "Then it opens."),
        ),
        {"chunk": ["closed on the last Friday because\nthe goods are counted"]},
    ),
    "E8_symbols.md": (b"# Rule\n\n* * *\n\n!!! ...\n\n# End\n\nWords.\n", {"no_chunk": r"[^\w]+"}),
    "x_group.pptx": (slides(group=True), {"has": ["Inside two groups: 40."]}),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_kind_of_fault_is_gone(name: str) -> None:
    body, expected = FINDINGS[name]
    parsed = read(body, PurePosixPath(name).suffix)
    wrong = [*_wrong_text(expected, parsed), *_wrong_structure(expected, parsed)]
    chunks = [text for _, text in cut(parsed.sections)]
    wrong += [f"no chunk {part!r}" for part in expected.get("chunk", ()) if not any(part in text for text in chunks)]
    wrong += [f"chunk {text!r}" for text in chunks if "no_chunk" in expected and re.fullmatch(expected["no_chunk"], text)]
    wrong += [f"{len(chunks)} chunks"] if len(chunks) > expected.get("chunks", 1_000) else []
    if "whole" in expected:
        wrong += [line for text in chunks for line in text.split("\n") if line[-1:].isalnum() and not re.search(expected["whole"], line)]
    if "header_in_chunks" in expected:
        wrong += [f"no columns in {text[:40]!r}" for text in chunks if expected["header_in_chunks"] not in text]
    if expected.get("note", "") not in " ".join(parsed.notes):
        wrong.append(f"notes {parsed.notes}")
    assert wrong == []


def test_a_compound_file_that_is_no_document_is_refused() -> None:
    with pytest.raises(UnreadableError, match="is a broken Office file"):
        read(compound({"Other": b"x" * 5_000}), ".doc")


@pytest.mark.parametrize(
    "text", ["第三条规定员工每年享有二十天带薪年假并须提前申请", "The pump is cleaned each Monday by the early shift. "]
)
def test_a_chunk_holds_about_as_many_tokens_in_every_script(text: str) -> None:
    chunks = [chunk for _, chunk in cut(read((text * 200).encode(), ".txt").sections)]
    wide = sum(not chunk.isascii() for chunk in chunks)
    assert max(map(len, chunks)) <= (CHUNK_CHARACTERS * 2 // 3 + 1 if wide else CHUNK_CHARACTERS)
    assert min(map(len, chunks[:-1])) > CHUNK_CHARACTERS // 3
