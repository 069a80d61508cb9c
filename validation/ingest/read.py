"""From the bytes of one file to its title and sections; the only place that knows which reader a kind has."""

import importlib
import logging
from collections.abc import Callable

from validation.ingest.kinds import kind_of, refuse_disguise
from validation.ingest.unreadable import UnreadableError
from validation.passages import Parsed

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
    except (MemoryError, RecursionError) as error:
        raise UnreadableError(f"is too large or too deep to be read ({type(error).__name__}); split it") from None
    except Exception as error:  # noqa: BLE001 - see above
        raise UnreadableError(f"is broken ({type(error).__name__}: {' '.join(str(error).split())[:200]})") from None
    if not any(any(words.strip() for words in section.paragraphs) for section in parsed.sections):
        raise UnreadableError("holds no text; a document without text can never be found")
    return Parsed(title=parsed.title[:_TITLE_CHARACTERS], sections=parsed.sections, notes=parsed.notes)


def _reader(name: str) -> Callable[..., Parsed]:
    """Import what is needed when it is needed: a folder of Markdown never loads the Office readers."""
    module, _, function = name.partition(".")
    found: Callable[..., Parsed] = getattr(importlib.import_module(f"validation.ingest.readers.{module}"), function)
    return found
