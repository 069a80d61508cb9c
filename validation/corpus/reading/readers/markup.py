"""Markdown, HTML and plain text. Scripts, styles and navigation are no text; the alternative text of a picture is."""

import itertools
import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString
from markdown_it import MarkdownIt

from validation.clients.passages import Parsed, Section
from validation.corpus.reading.decode import decode

_LEAVE_OUT = ["script", "style", "nav", "template", "noscript", "iframe", "object"]
_BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "pre", "dt", "dd", "blockquote", "figcaption", "caption"]
_INLINE = {"a", "abbr", "b", "code", "em", "font", "i", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "time", "u"}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


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
    found: list[tuple[str, list[str]]] = [("", [])]
    for name, words in _blocks(soup):
        if name[0] == "h" and name[1:].isdigit():
            found.append((words, []))
        else:
            found[-1][1].append(words)
    sections = (Section(heading=heading, paragraphs=tuple(paragraphs)) for heading, paragraphs in found if paragraphs)
    return Parsed(title=title or next((heading for heading, _ in found if heading), ""), sections=tuple(sections))


def _blocks(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """Yield the name and the words of each block, in reading order."""
    texts = (text for text in soup.find_all(string=True) if not isinstance(text, PreformattedString))
    for _, group in itertools.groupby(((_owner(text), text) for text in texts), key=lambda pair: id(pair[0])):
        pairs = list(group)
        owner = pairs[0][0]
        words = _words(owner) if owner.name in _BLOCKS else one_line("".join(text for _, text in pairs))
        if words:
            yield owner.name, words


def _owner(text: NavigableString) -> Tag:
    """Return the outermost paragraph, item or row around a text, else the box that it stands in."""
    around = list(text.parents)
    blocks = [one for one in around if one.name in _BLOCKS]
    return blocks[-1] if blocks else next((one for one in around if one.name not in _INLINE), around[-1])


def _words(block: Tag) -> str:
    if block.name == "pre":
        return "\n".join(line.rstrip() for line in block.get_text().strip("\n").splitlines() if line.strip())
    return one_line(block.get_text(" | " if block.name == "tr" else " ", strip=True))


def one_line(text: str) -> str:
    """Return the text with every run of white space as one space."""
    return " ".join(text.split())
