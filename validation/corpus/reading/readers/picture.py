"""Pictures are found by words that somebody wrote: a caption beside them, or the title, description and text inside an SVG."""

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from validation.clients.passages import Parsed, Section
from validation.corpus.reading.readers.markup import one_line, parse_markdown
from validation.corpus.reading.unreadable import UnreadableError

_SPEAKING = ("title", "desc", "text")
NO_WORDS = "is a picture without words; put a caption beside it, in a file of the same name with .caption.md behind it"


def read_picture(_: bytes, caption: str) -> Parsed:
    """Read the caption, which is Markdown."""
    if not caption.strip():
        raise UnreadableError(NO_WORDS)
    return parse_markdown(caption)


def read_svg(body: bytes, caption: str) -> Parsed:
    """Read what an SVG says, and its caption."""
    said = _said(body)
    captioned = parse_markdown(caption) if caption.strip() else Parsed(title="", sections=())
    own = (Section(paragraphs=tuple(dict.fromkeys(words for _, words in said))),) if said else ()
    if not own and not captioned.sections:
        raise UnreadableError(NO_WORDS)
    title = captioned.title or next((words for name, words in said if name == "title"), "")
    return Parsed(title=title, sections=(*captioned.sections, *own))


def _said(body: bytes) -> list[tuple[str, str]]:
    try:
        root = ElementTree.fromstring(body, forbid_dtd=False)
    except DefusedXmlException as error:
        raise UnreadableError(f"defines entities, as attacks on readers do ({type(error).__name__}); save it anew without them") from None
    except ElementTree.ParseError as error:
        raise UnreadableError(f"is no SVG ({error})") from None
    found = (
        (element.tag.rpartition("}")[2], one_line(" ".join(element.itertext()))) for element in root.iter() if isinstance(element.tag, str)
    )
    return [(name, words) for name, words in found if name in _SPEAKING and words]
