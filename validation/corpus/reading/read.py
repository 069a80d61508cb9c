"""Which files are read, whether a file is what its name says, and from its bytes to title and sections.

The first bytes decide what a file is, not the ending. The table of kinds is the only place that knows which reader a kind has.
"""

import errno
import importlib
import logging
from dataclasses import dataclass, replace

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError

_TITLE_CHARACTERS = 240
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
_CODE = Kind("markup.read_code", "text/plain")
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
    ".png": Kind("markup.read_picture", "image/png", _PNG, captioned=True),
    ".jpg": Kind("markup.read_picture", "image/jpeg", _JPEG, captioned=True),
    ".jpeg": Kind("markup.read_picture", "image/jpeg", _JPEG, captioned=True),
    ".svg": Kind("markup.read_svg", "image/svg+xml", isolated=True, captioned=True),
}
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity; what matters is in the result


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
    expected = kind_of(suffix).signature
    signature = next((name for start, name in _SIGNATURES.items() if body.startswith(start)), "")
    if signature != expected and not (expected == _PDF and b"%PDF-" in body[:_PDF_WITHIN]):
        held = signature or f"something else than {expected}"
        raise UnreadableError(f"is called {suffix} but holds {held}; give it the ending of what it is")


def read(body: bytes, suffix: str, caption: str = "") -> Parsed:
    """Return what is in a file; UnreadableError says what is wrong with it, whatever it is.

    Readers are large libraries and the files anybody's, so every exception of theirs counts as a file that cannot be read. A reader is
    imported when it is needed: a folder of Markdown never loads the Office readers.
    """
    refuse_disguise(suffix, body)
    kind = kind_of(suffix)
    module, _, function = kind.reader.partition(".")
    try:
        reader = getattr(importlib.import_module(f"validation.corpus.reading.readers.{module}"), function)
        parsed: Parsed = reader(body, *([caption] if kind.captioned else []))
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise UnreadableError(_reason(error)) from None
    if not any(any(words.strip() for words in section.paragraphs) for section in parsed.sections):
        raise UnreadableError("holds no text; a document without text can never be found")
    sections = (
        replace(section, heading=_storable(section.heading), paragraphs=tuple(map(_storable, section.paragraphs)))
        for section in parsed.sections
    )
    return Parsed(title=_storable(parsed.title[:_TITLE_CHARACTERS]), sections=tuple(sections), notes=parsed.notes)


def _reason(error: Exception) -> str:
    if isinstance(error, (MemoryError, RecursionError)):
        return f"is too large or too deep to be read ({type(error).__name__}); split it"
    if isinstance(error, ImportError) or getattr(error, "errno", None) == errno.ENOMEM:
        return f"needs more memory than a reader may have, or its reader is not installed whole ({error}); split it"
    return f"is broken ({type(error).__name__}: {' '.join(str(error).split())[:200]})"


def _storable(text: str) -> str:
    """Return a text that can be stored: JSON may name one half of a letter, which is none; it stands as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
