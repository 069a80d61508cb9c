"""Files of every kind, made here: good ones, and those that a reader must stand."""

import io
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import docx
import pptx
from PIL import Image
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def pdf(*pages: str, password: str = "", owner: str = "", title: str = "", bookmark: str = "") -> bytes:
    """Return a PDF with one line of text for each line of a page; an empty page has none."""
    encryption = StandardEncryption(password, owner or password, strength=128) if password or owner else None
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, 842), encrypt=encryption, invariant=1)
    canvas.setTitle(title)
    if bookmark:
        canvas.bookmarkPage("first")
        canvas.addOutlineEntry(bookmark, "first")
    for page in pages:
        text = canvas.beginText(40, 800)
        text.setFont("Courier", 10, 12)
        text.textLines(page, trim=0)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def word(*, title: str = "Manual") -> bytes:
    """Return a Word file with headings, a table and a picture with alternative text."""
    document = docx.Document()
    document.add_heading(title, 0)
    document.add_paragraph("It pulls trolleys.")
    document.add_heading("Limits", 1)
    table = document.add_table(rows=2, cols=2)
    for at, words in enumerate(("Model", "Load", "Lynx 40", "850 kg")):
        table.cell(at // 2, at % 2).text = words
    document.add_paragraph("Below the table.")
    document.add_picture(io.BytesIO(picture()), width=docx.shared.Inches(0.2))
    document.inline_shapes[0]._inline.docPr.set("descr", "A tugger from the left")
    return _bytes(document.save)


def slides() -> bytes:
    """Return two slides: a title with text and notes, and a table."""
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Figures of March"
    first.placeholders[1].text_frame.text = "Uptime was 99.2 percent."
    first.notes_slide.notes_text_frame.text = "Say why it fell."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Prices"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for at, words in enumerate(("Part", "Price", "Wheel", "14 euros")):
        table.cell(at // 2, at % 2).text = words
    return _bytes(show.save)


def with_part(body: bytes, name: str, content: bytes) -> bytes:
    """Return an Office file with one part more."""
    packed = io.BytesIO(body)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def picture() -> bytes:
    """Return a small PNG."""
    return _bytes(lambda file: Image.new("RGB", (4, 4)).save(file, "PNG"))


def mail() -> bytes:
    """Return an answer that quotes, carries a message whole, and has a file attached."""
    first = EmailMessage()
    first["From"], first["Subject"] = "Ada <ada@example.org>", "Gate code"
    first.set_content("Which code opens gate 4?")
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"], answer["Date"] = (
        "bo@example.org",
        "ada@example.org",
        "Re: Gate code",
        "Mon, 3 Mar 2025 10:00:00 +0100",
    )
    answer.set_content("It is 7731.\n\n> Which code\n> opens gate 4?\n")
    answer.add_attachment(first)
    answer.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="plan.pdf")
    return answer.as_bytes()


def _bytes(save: Callable[[Any], object]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()
