"""Which files are read, whether a file is what its name says, and from its bytes to title and sections.

The first bytes decide what a file is, not the ending. The table of kinds is the only place that knows which reader a kind has.
"""

import errno
import importlib
from dataclasses import dataclass, replace

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.structure import garbled

_PDF, _ZIP, _RTF = "a PDF", "a zip archive, as Office files are", "an RTF document"
_OLE = "an Office file that is encrypted, or older than 2007"
_SIGNATURES = {b"%PDF-": _PDF, b"PK\x03\x04": _ZIP, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _OLE, b"{\\rtf": _RTF}
_SIGNATURES |= {b"\x89PNG\r\n\x1a\n": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture"}
_SIGNATURES |= {b"II*\0": "a TIFF picture", b"MM\0*": "a TIFF picture", b"RIFF": "a WebP picture", b"SQLite format 3\0": "a database"}
_SIGNATURES |= {b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf'\x1c": "a 7z archive", b"Rar!": "a RAR archive"}
_SIGNATURES |= {b"\x7fELF": "a program", b"MZ\x90": "a program"}


@dataclass(frozen=True)
class Kind:
    """How files of one ending are read."""

    reader: str  # module below `readers`, and its function
    media_type: str = "text/plain"
    signature: str = ""  # what the first bytes must say; "" for text
    captioned: bool = False  # read together with the caption beside it


_OPEN_XML, _OPEN_DOCUMENT = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
_FAMILIES = {
    ".md .markdown": Kind("markup.read_markdown", "text/markdown"),
    ".html .htm .xhtml": Kind("markup.read_html", "text/html"),
    ".txt .text": Kind("text.read_plain"),
    ".docx .dotx": Kind("office.read_docx", f"{_OPEN_XML}.wordprocessingml.document", _ZIP),
    ".pptx .ppsx .potx": Kind("office.read_pptx", f"{_OPEN_XML}.presentationml.presentation", _ZIP),
    ".xlsx .xlsb": Kind("tables.read_sheets", f"{_OPEN_XML}.spreadsheetml.sheet", _ZIP),
    ".csv .tsv": Kind("tables.read_csv", "text/csv"),
    ".json .jsonl .ndjson": Kind("tables.read_json", "application/json"),
    ".eml .mht .mhtml": Kind("mail.read_mail", "message/rfc822"),
    ".rst .adoc .asciidoc": Kind("text.read_restructured"),
    ".yaml .yml .toml .ini .cfg .conf .properties .log .tex .bib": Kind("text.read_lines"),
    ".py .go .sh .js .mjs .ts .tsx .jsx .java .kt .scala .c .h .cc .cpp .hpp .cs .rs .swift .sql": Kind("text.read_code"),
    ".rb .php .pl .lua .r .ps1 .bat .tf .hcl .proto .css": Kind("text.read_code"),
    ".pdf": Kind("pdf.read_pdf", "application/pdf", _PDF),
    ".docm": Kind("office.read_docx", "application/vnd.ms-word.document.macroEnabled.12", _ZIP),
    ".pptm": Kind("office.read_pptx", "application/vnd.ms-powerpoint.presentation.macroEnabled.12", _ZIP),
    ".doc": Kind("office.read_doc", "application/msword", _OLE),
    ".ppt": Kind("office.read_ppt", "application/vnd.ms-powerpoint", _OLE),
    ".xls": Kind("tables.read_sheets", "application/vnd.ms-excel", _OLE),
    ".ods": Kind("tables.read_sheets", f"{_OPEN_DOCUMENT}.spreadsheet", _ZIP),
    ".odt": Kind("inside.read_odf", f"{_OPEN_DOCUMENT}.text", _ZIP),
    ".odp": Kind("inside.read_odf", f"{_OPEN_DOCUMENT}.presentation", _ZIP),
    ".rtf": Kind("text.read_rtf", "application/rtf", _RTF),
    ".vtt": Kind("text.read_vtt", "text/vtt"),
    ".srt": Kind("text.read_srt", "application/x-subrip"),
    ".sbv": Kind("text.read_sbv"),
    ".mbox": Kind("mail.read_mbox", "application/mbox"),
    ".msg": Kind("mail.read_msg", "application/vnd.ms-outlook", _OLE),
    ".epub": Kind("inside.read_epub", "application/epub+zip", _ZIP),
    ".zip": Kind("inside.read_zip", "application/zip", _ZIP),
    ".ipynb": Kind("inside.read_notebook", "application/x-ipynb+json"),
    ".xml": Kind("text.read_xml", "application/xml"),
    ".svg": Kind("text.read_svg", "image/svg+xml", captioned=True),
}
KINDS = {suffix: kind for suffixes, kind in _FAMILIES.items() for suffix in suffixes.split()}
_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF", ".webp": "WebP", ".tif": "TIFF", ".tiff": "TIFF"}
KINDS |= {
    suffix: Kind("text.read_picture", f"image/{name.lower()}", f"a {name} picture", captioned=True) for suffix, name in _PICTURES.items()
}
_CURES = {
    ".xlsm .xltm": "it may carry macros; save it as .xlsx",
    ".pages .numbers .key": "export it as .docx, .xlsx or .pptx",
    ".wpd .wps .sxw .pub .vsd .vsdx .one .mpp .xps .djvu .ps .eps .mobi .azw3 .hwp": "export it as .pdf",
    ".mp3 .wav .m4a .mp4 .mov .avi .mkv .webm .ogg": "put its transcript beside it, as .vtt or .srt",
    ".heic .bmp .psd .ai .ico": "save it as .png, with a caption beside it",
    ".7z .rar .gz .tar .tgz .bz2 .xz": "unpack it",
    ".pst .ost": "export its messages as .eml or .mbox",
    ".parquet .avro .sqlite .db .mdb .accdb": "export its tables as .csv",
}


def kind_of(suffix: str) -> Kind:
    """Return the kind of an ending; UnreadableError for one that nobody reads."""
    kind = KINDS.get(suffix.lower())
    if kind is None:
        cure = next((f"; {cure}" for suffixes, cure in _CURES.items() if suffix.lower() in suffixes.split()), "")
        raise UnreadableError(f"has the ending {suffix or '(none)'}, which is not among {' '.join(KINDS)}{cure}")
    return kind


def _undisguised(suffix: str, body: bytes) -> Kind:
    """Refuse a file whose first bytes are not those of its ending, and an empty one."""
    kind, signature = kind_of(suffix), next((name for start, name in _SIGNATURES.items() if body.startswith(start)), "")
    if not body.strip():
        raise UnreadableError("is empty")
    if signature != kind.signature and not (kind.signature == _PDF and b"%PDF-" in body[:1_024]):  # it may begin with something else
        held = signature or f"something else than {kind.signature}"
        raise UnreadableError(f"is called {suffix} but holds {held}; give it the ending of what it is")
    return kind


def read(body: bytes, suffix: str, caption: str = "") -> Parsed:
    """Return what is in a file; UnreadableError says what is wrong with it, whatever it is.

    Readers are large libraries and the files anybody's, so every exception of theirs counts as a file that cannot be read. A reader is
    imported when it is needed: a folder of Markdown never loads the Office readers.
    """
    kind = _undisguised(suffix, body)
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
    notes, sections = [_storable(" ".join(note.split())) for note in parsed.notes], list[Section]()
    for section in parsed.sections:
        path, paragraphs = (tuple(map(_storable, texts)) for texts in (section.path, section.paragraphs))
        sections.append(replace(section, path=path, paragraphs=paragraphs))
    text = " ".join(words for section in sections for words in section.paragraphs)
    if (bad := text.count("\ufffd")) and not any("U+FFFD" in note for note in notes):
        notes.append(f"holds {bad:,} letters that could not be read, for which U+FFFD stands")
    if (reason := garbled(text)) and not any("looks garbled" in note for note in notes):
        notes.append(f"looks garbled ({reason}); save it anew from what wrote it")
    return replace(parsed, title=_storable(parsed.title[:240]), sections=tuple(sections), notes=tuple(dict.fromkeys(notes)))


def _reason(error: Exception) -> str:
    if isinstance(error, (MemoryError, RecursionError, SystemError)):
        return f"is too large or too deep to be read ({type(error).__name__}); split it"
    # a library in C that finds no room for its code says so in words alone
    if isinstance(error, ImportError) or getattr(error, "errno", None) == errno.ENOMEM or "failed to map segment" in str(error):
        return f"needs more memory than a reader may have, or its reader is not installed whole ({error}); split it"
    return f"is broken ({type(error).__name__}: {' '.join(str(error).split())[:200]}); save it anew, or take it from a backup"


def _storable(text: str) -> str:
    """Return a text that can be stored: JSON may name one half of a letter, which is none; it stands as U+FFFD."""
    return text.replace("\0", " ").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
