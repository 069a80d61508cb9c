"""Which files are read, and whether a file is what its name says: the first bytes decide, not the ending."""

from dataclasses import dataclass

from validation.corpus.reading.unreadable import UnreadableError

_PDF, _ZIP, _PNG, _JPEG = "a PDF", "a zip archive, as Office files are", "a PNG picture", "a JPEG picture"
_SIGNATURES = {
    b"%PDF-": _PDF,
    b"PK\x03\x04": _ZIP,
    b"\x89PNG\r\n\x1a\n": _PNG,
    b"\xff\xd8\xff": _JPEG,
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office file that is encrypted, or older than 2007",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf'\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"SQLite format 3\0": "a database",
    b"{\\rtf": "an RTF document",
}
_PDF_WITHIN = 1_024  # a PDF may begin with something else


@dataclass(frozen=True)
class Kind:
    """How files of one ending are read."""

    reader: str
    """Module below `readers`, and its function."""
    media_type: str
    signature: str = ""
    """What the first bytes must say; "" for text."""
    isolated: bool = False
    """Read in a process of its own whatever its size: what it holds can be many times as large."""
    captioned: bool = False
    """Read together with the caption beside it."""


_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_CODE = Kind("code.read_code", "text/plain")
KINDS = {
    ".md": Kind("markup.read_markdown", "text/markdown"),
    ".txt": Kind("markup.read_plain", "text/plain"),
    ".html": Kind("markup.read_html", "text/html"),
    ".htm": Kind("markup.read_html", "text/html"),
    ".pdf": Kind("pdf.read_pdf", "application/pdf", _PDF, isolated=True),
    ".docx": Kind("office.read_docx", _DOCX, _ZIP, isolated=True),
    ".docm": Kind("office.read_docx", "application/vnd.ms-word.document.macroEnabled.12", _ZIP, isolated=True),
    ".pptx": Kind("office.read_pptx", _PPTX, _ZIP, isolated=True),
    ".pptm": Kind("office.read_pptx", "application/vnd.ms-powerpoint.presentation.macroEnabled.12", _ZIP, isolated=True),
    ".csv": Kind("tables.read_csv", "text/csv"),
    ".json": Kind("tables.read_json", "application/json"),
    ".vtt": Kind("transcript.read_vtt", "text/vtt"),
    ".eml": Kind("mail.read_mail", "message/rfc822"),
    ".py": _CODE,
    ".go": _CODE,
    ".sh": _CODE,
    ".png": Kind("picture.read_picture", "image/png", _PNG, captioned=True),
    ".jpg": Kind("picture.read_picture", "image/jpeg", _JPEG, captioned=True),
    ".jpeg": Kind("picture.read_picture", "image/jpeg", _JPEG, captioned=True),
    ".svg": Kind("picture.read_svg", "image/svg+xml", isolated=True, captioned=True),
}


def kind_of(suffix: str) -> Kind:
    """Return the kind of an ending; UnreadableError for one that nobody reads."""
    kind = KINDS.get(suffix.lower())
    if kind is None:
        raise UnreadableError(f"has the ending {suffix or '(none)'}, which is not among {' '.join(KINDS)}")
    return kind


def refuse_disguise(suffix: str, body: bytes) -> None:
    """Refuse a file whose first bytes are not those of its ending, and an empty one."""
    if not body.strip():
        raise UnreadableError("is empty")
    wanted, found = kind_of(suffix).signature, _signature(body)
    if found == wanted or (wanted == _PDF and b"%PDF-" in body[:_PDF_WITHIN]):
        return
    raise UnreadableError(f"is called {suffix} but holds {found or f'something else than {wanted}'}; give it the ending of what it is")


def _signature(body: bytes) -> str:
    return next((name for start, name in _SIGNATURES.items() if body.startswith(start)), "")
