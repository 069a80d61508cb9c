"""PNG: coloured marks with a line of text each, below a title. What it shows stands in the caption beside it; nobody reads the pixels."""

import io
from pathlib import Path

import reportlab
import yaml
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _ROW = 40, 64
"""Pixels."""
_FONT = str(Path(reportlab.__file__).with_name("fonts") / "Vera.ttf")
"""Has the letters of German, which Pillow's own lacks; free, and part of reportlab."""


def make_png(text: str, _language: str) -> bytes:
    """Return the picture that the YAML describes: `size`, `title`, `rows` of `colour` and `text`, `footer`."""
    plan = yaml.safe_load(text)
    width, height = plan["size"]
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    large, small = ImageFont.truetype(_FONT, 26), ImageFont.truetype(_FONT, 18)
    draw.text((_MARGIN, _MARGIN // 2), plan["title"], "black", font=large)
    for number, row in enumerate(plan["rows"]):
        top = 2 * _MARGIN + number * _ROW
        draw.ellipse((_MARGIN, top, _MARGIN + _ROW // 2, top + _ROW // 2), fill=row["colour"], outline="black")
        draw.text((2 * _MARGIN + 16, top + 4), row["text"], "black", font=small)
    draw.text((_MARGIN, height - _MARGIN), plan["footer"], "dimgrey", font=small)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()
