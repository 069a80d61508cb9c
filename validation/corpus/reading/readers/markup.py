"""Markdown, HTML, plain text, source code, and pictures by the words that somebody wrote: a caption beside them, the text inside an SVG.

Scripts, styles and navigation are no text; the alternative text of a picture is.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from markdown_it import MarkdownIt

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode

_LEAVE_OUT = ["script", "style", "nav", "template", "noscript", "iframe", "object"]
_BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "pre", "dt", "dd", "blockquote", "figcaption", "caption"]
_INLINE = {"a", "abbr", "b", "code", "em", "font", "i", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "time", "u"}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_OPENS = re.compile(r"^(?:(?:async )?def|class|func|type|function)\s+\S|^[A-Za-z_][\w-]*\s*\(\)\s*\{")
_BELONGS_BELOW = re.compile(r"^(?:@|//|#(?!!))")  # decorators, and comments that stand right above
_SVG_TEXTS = ("title", "desc", "text")
_NO_WORDS = "is a picture without words; put a caption beside it, in a file of the same name with .caption.md behind it"


def read_markdown(body: bytes) -> Parsed:
    """Read headings, paragraphs, list items, table rows and code blocks."""
    return parse_markdown(decode(body))


def read_html(body: bytes) -> Parsed:
    """Read whatever is running text."""
    return parse_html(decode(body))


def read_plain(body: bytes) -> Parsed:
    """Read paragraphs, which an empty line parts."""
    paragraphs = tuple(words for part in re.split(r"\n\s*\n", decode(body)) if (words := one_line(part)))
    return Parsed(title="", sections=(Section(paragraphs=paragraphs),))


def parse_markdown(text: str) -> Parsed:
    """Read Markdown by way of HTML; raw HTML in it is treated as HTML is."""
    return parse_html(MarkdownIt("commonmark").enable("table").render(_FRONT_MATTER.sub("", text)))


def parse_html(text: str) -> Parsed:
    """Read HTML; a heading opens a section, and text that stands in no paragraph is one."""
    soup = BeautifulSoup(text, "html.parser")
    for unwanted in soup.find_all(_LEAVE_OUT):
        unwanted.decompose()
    for picture in soup.find_all("img"):
        picture.replace_with(NavigableString(f" {picture.get('alt') or ''} "))
    title = one_line(soup.title.extract().get_text()) if soup.title else ""
    first, sections = sections_of((name[0] == "h" and name[1:].isdigit(), words) for name, words in _blocks(soup))
    return Parsed(title=title or first, sections=sections)


def sections_of(blocks: Iterable[tuple[bool, str]]) -> tuple[str, tuple[Section, ...]]:
    """Return the first heading, and a section for each heading with text below; a block is whether it is a heading, and its words."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for is_heading, words in blocks:
        if is_heading:
            parts.append((words, []))
        else:
            parts[-1][1].append(words)
    sections = (Section(heading=heading, paragraphs=tuple(paragraphs)) for heading, paragraphs in parts if paragraphs)
    return next((heading for heading, _ in parts if heading), ""), tuple(sections)


def _blocks(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """Yield the name and the words of each block, in reading order."""
    texts = (text for text in soup.find_all(string=True) if not isinstance(text, PreformattedString))
    for _, group in itertools.groupby(((_owner(text), text) for text in texts), key=lambda pair: id(pair[0])):
        pairs = list(group)
        block = pairs[0][0]
        if block.name == "pre":
            words = "\n".join(line.rstrip() for line in block.get_text().strip("\n").splitlines() if line.strip())
        elif block.name in _BLOCKS:
            words = one_line(block.get_text(" | " if block.name == "tr" else " ", strip=True))
        else:
            words = one_line("".join(text for _, text in pairs))
        if words:
            yield block.name, words


def _owner(text: NavigableString) -> Tag:
    """Return the outermost paragraph, item or row around a text, else the box that it stands in."""
    around = list(text.parents)
    blocks = [tag for tag in around if tag.name in _BLOCKS]
    return blocks[-1] if blocks else next((tag for tag in around if tag.name not in _INLINE), around[-1])


def one_line(text: str) -> str:
    """Return the text with every run of white space as one space."""
    return " ".join(text.split())


def read_code(body: bytes) -> Parsed:
    """Read Python, Go and shell: each top-level definition is a section with its signature as heading; lines keep their indentation."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in (raw.rstrip() for raw in decode(body).splitlines()):
        if _OPENS.match(line):
            above, heading = list[str](), line.rstrip("{: ").strip()
            while parts[-1][1] and _BELONGS_BELOW.match(parts[-1][1][-1]):
                above.insert(0, parts[-1][1].pop())
            parts.append((heading, above))
        parts[-1][1].append(line)
    sections = (Section(heading=heading, paragraphs=tuple(filter(str.strip, lines))) for heading, lines in parts)
    return Parsed(title="", sections=tuple(section for section in sections if section.paragraphs))


def read_picture(_: bytes, caption: str) -> Parsed:
    """Read the caption, which is Markdown."""
    if not caption.strip():
        raise UnreadableError(_NO_WORDS)
    return parse_markdown(caption)


def read_svg(body: bytes, caption: str) -> Parsed:
    """Read the title, the description and the texts of an SVG, and its caption."""
    try:
        root = ElementTree.fromstring(body, forbid_dtd=False)
    except DefusedXmlException as error:
        raise UnreadableError(f"defines entities, as attacks on readers do ({type(error).__name__}); save it anew without them") from None
    except ElementTree.ParseError as error:
        raise UnreadableError(f"is no SVG ({error})") from None
    tags = [(tag.tag.rpartition("}")[2], one_line(" ".join(tag.itertext()))) for tag in root.iter() if isinstance(tag.tag, str)]
    texts = [(name, words) for name, words in tags if name in _SVG_TEXTS and words]
    captioned = parse_markdown(caption) if caption.strip() else Parsed(title="", sections=())
    own = (Section(paragraphs=tuple(dict.fromkeys(words for _, words in texts))),) if texts else ()
    if not own and not captioned.sections:
        raise UnreadableError(_NO_WORDS)
    title = captioned.title or next((words for name, words in texts if name == "title"), "")
    return Parsed(title=title, sections=(*captioned.sections, *own))
