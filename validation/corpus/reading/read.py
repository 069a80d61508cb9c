"""Which files are read, whether a file is what its name says, and from its bytes to title and sections.

The first bytes decide what a file is, not the ending. kinds.yaml is the only place that knows which reader a kind has.
"""

import errno
import importlib
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.structure import garbled


@dataclass(frozen=True)
class Kind:
    """How files of one ending are read."""

    reader: str  # module below `readers`, and its function
    media_type: str = "text/plain"
    signature: str = ""  # what the first bytes must say; "" for text
    captioned: bool = False  # read together with the caption beside it


_TABLES = yaml.safe_load(Path(__file__).with_name("kinds.yaml").read_text(encoding="utf-8"))
_SIGNATURES = {start.encode("latin-1"): name for name, starts in _TABLES["signatures"].items() for start in starts}
KINDS = {suffix: Kind(**about) for suffixes, about in _TABLES["read"].items() for suffix in suffixes.split()}
_CURES = {suffix: cure for suffixes, cure in _TABLES["cures"].items() for suffix in suffixes.split()}
_PDF = _SIGNATURES[b"%PDF-"]


def kind_of(suffix: str) -> Kind:
    """Return the kind of an ending; UnreadableError for one that nobody reads."""
    kind = KINDS.get(suffix.lower())
    if kind is None:
        cure = f"; {_CURES[suffix.lower()]}" if suffix.lower() in _CURES else ""
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
