"""From the bytes of one file to its title and sections; the only place that knows which reader a kind has."""

import errno
import importlib
import logging
from collections.abc import Callable
from dataclasses import replace

from validation.clients.passages import Parsed, Section
from validation.corpus.reading.kinds import kind_of, refuse_disguise
from validation.corpus.reading.unreadable import UnreadableError

_TITLE_CHARACTERS = 240
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity; what matters is in the result


def read(body: bytes, suffix: str, caption: str = "") -> Parsed:
    """Return what is in a file; UnreadableError says what is wrong with it, whatever it is.

    Readers are large libraries and the files anybody's, so every exception of theirs counts as a file that cannot be read.
    """
    refuse_disguise(suffix, body)
    kind = kind_of(suffix)
    try:
        parsed = _reader(kind.reader)(body, *([caption] if kind.captioned else []))
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise UnreadableError(_reason(error)) from None
    if not any(any(words.strip() for words in section.paragraphs) for section in parsed.sections):
        raise UnreadableError("holds no text; a document without text can never be found")
    return Parsed(title=_whole(parsed.title[:_TITLE_CHARACTERS]), sections=tuple(map(_mended, parsed.sections)), notes=parsed.notes)


def _reason(error: Exception) -> str:
    if isinstance(error, (MemoryError, RecursionError)):
        return f"is too large or too deep to be read ({type(error).__name__}); split it"
    if isinstance(error, ImportError) or getattr(error, "errno", None) == errno.ENOMEM:
        return f"needs more memory than a reader may have, or its reader is not installed whole ({error}); split it"
    return f"is broken ({type(error).__name__}: {' '.join(str(error).split())[:200]})"


def _mended(section: Section) -> Section:
    return replace(section, heading=_whole(section.heading), paragraphs=tuple(map(_whole, section.paragraphs)))


def _whole(text: str) -> str:
    """Return a text that can be stored: JSON may name one half of a letter, which is none; it stands as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _reader(name: str) -> Callable[..., Parsed]:
    """Import what is needed when it is needed: a folder of Markdown never loads the Office readers."""
    module, _, function = name.partition(".")
    found: Callable[..., Parsed] = getattr(importlib.import_module(f"validation.corpus.reading.readers.{module}"), function)
    return found
