"""HTML and Markdown. A heading opens a section; text that stands in no paragraph is one; a cell that holds blocks is a box, not a cell.

Scripts and styles are no text; navigation and what a page hides are left out, unless they are most of the page: an unclosed tag swallows
what follows. The tree is walked with a stack of our own, since pages nest as deep as they like.
"""

import html
import re
from typing import Any

import yaml
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser, LexborNode

from validation.clients.passages import Parsed
from validation.corpus.reading.decode import declared_in, decode
from validation.corpus.reading.structure import PATTERNS, Block, Table, lines_in, lines_of, one_line, sections_of, title_or

_TAGS = {kind: set(tags.split()) for kind, tags in PATTERNS["tags"].items()}
_BOX = "table,h1,h2,h3,h4,h5,h6,pre,p+p,div+div,ul+p,p+ul,form"
_UNTYPED = {"hidden", "submit", "button", "image", "reset", "password", "checkbox", "radio", "file"}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|svg|webp|bmp|emf|wmf|tiff?)", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FOOTNOTE = re.compile(r"^\[(?=\^[^\]\s]+\]:)", re.MULTILINE)
_KNOWN_TAG = re.compile(rf"<!--.*?-->|</?(?P<tag>{'|'.join(_TAGS['in_markdown'])})(?P<rest>\s[^<>]*)?/?>", re.DOTALL)
_ALT = re.compile(r"""\salt\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def read_markdown(body: bytes) -> Parsed:
    """Read headings, paragraphs, list items, table rows, code blocks, and the fields above all of them."""
    return parse_markdown(*decode(body))


def read_html(body: bytes) -> Parsed:
    """Read whatever is running text."""
    return parse_html(*decode(body, declared_in(body)))


def parse_markdown(text: str, notes: list[str] | None = None) -> Parsed:
    """Read Markdown by way of HTML; tags in it that HTML does not have are text."""
    fields, front = dict[str, Any](), _FRONT_MATTER.match(text)
    if front:
        try:
            loaded = yaml.safe_load(front[1])
        except (yaml.YAMLError, ValueError):
            loaded = None
        fields, text = loaded if isinstance(loaded, dict) else {"": front[1]}, text[front.end() :]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("text", lambda _, tokens, at, *__: html.escape(_KNOWN_TAG.sub(_without_tag, tokens[at].content)))
    parsed = parse_html(parser.render(_FOOTNOTE.sub(r"\\[", text)), notes, tuple(lines_in("", fields)))
    return Parsed(title=title_or(str(fields.get("title", "")), parsed.title), sections=parsed.sections, notes=parsed.notes)


def _without_tag(tag: re.Match[str]) -> str:
    alt = _ALT.search(tag["rest"] or "") if tag["tag"] == "img" else None
    return (alt[1] or alt[2] or "") if alt else "" if tag["tag"] and tag["tag"] in _TAGS["tight"] else " "


def parse_html(text: str, notes: list[str] | None = None, before: tuple[str, ...] = ()) -> Parsed:
    """Read HTML, below the paragraphs `before`."""
    tree, notes = LexborHTMLParser(text), [] if notes is None else notes
    writer = _Writer(tree.body)
    if tree.body is not None:
        writer.write(tree.body)
    first, sections = sections_of([*map(Block, before), *writer.blocks])
    head = tree.css_first("head > title")
    notes += writer.notes()
    return Parsed(title=title_or(head.text() if head else "", first), sections=sections, notes=tuple(notes))


class _Writer:
    def __init__(self, body: LexborNode | None) -> None:
        self.blocks, self._body, self._length = list[Block](), body, -1
        self._inline, self._pre, self._tables = list[str](), 0, list[Table]()
        self._hidden, self._pictures = 0, 0

    def notes(self) -> list[str]:
        """Return what is not in the blocks."""
        hidden = f"{self._hidden:,} of its parts are hidden (display:none or hidden) and were not read"
        silent = f"{self._pictures:,} of its pictures have no alternative text and were not read; describe them in alt"
        return [hidden] * bool(self._hidden) + [silent] * bool(self._pictures)

    def write(self, root: LexborNode) -> None:
        """Walk everything below `root`."""
        waiting = [(root, True)]
        while waiting:
            node, entering = waiting.pop()
            if not entering:
                self._leave(node, node.tag or "")
            elif self._enter(node):
                waiting.append((node, False))
                waiting.extend((child, True) for child in reversed(list(node.iter(include_text=True))))
        self._flush()

    def _enter(self, node: LexborNode) -> bool:
        """Take what stands at the beginning of a node, and return whether it is to be walked."""
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(node.text_content or "")
            return False
        self._hidden += tag == "template" and bool(re.search(r">\s*[^<\s]", node.html or ""))
        if tag in _TAGS["without_text"] or self._is_left_out(node, tag):
            return False
        if tag in _TAGS["inline"]:
            return self._enter_inline(node, tag)
        self._flush()
        if tag == "table":
            self._tables.append(Table())
        elif tag == "tr" and self._tables and not node.css_first(_BOX):
            cells = list[tuple[str, int, int]]()
            for cell in (cell for cell in node.iter() if cell.tag in {"td", "th"}):
                inner = _Writer(cell)
                inner.write(cell)
                text = " ".join(block.text for block in inner.blocks)
                cells.append((text, _number(cell.attributes.get("colspan")), _number(cell.attributes.get("rowspan"))))
            self.blocks += self._tables[-1].row(cells)
            return False
        self._pre += tag == "pre"
        return True

    def _enter_inline(self, node: LexborNode, tag: str) -> bool:
        if tag == "br":
            if self._inline and self._inline[-1] == "\n" and not self._pre:
                self._flush()
            self._inline.append("\n")
        elif tag == "img":
            alt = node.attributes.get("alt")
            self._pictures += alt is None or bool(_FILE_NAME.fullmatch(alt))
            self._inline.append(f" {alt} " if alt and not _FILE_NAME.fullmatch(alt) else "")
        elif tag == "input" and (node.attributes.get("type") or "") not in _UNTYPED:
            self._inline.append(f" {node.attributes.get('value') or ''} ")
        elif tag in {"rt", "button", "select", "textarea"}:
            self._inline.append("(" if tag == "rt" else " ")
        return True

    def _leave(self, node: LexborNode, tag: str) -> None:
        if tag in _TAGS["inline"]:
            self._inline += [") "[tag != "rt"]] if tag in {"rt", "button", "select", "textarea"} else []
            self._inline += [" (selected), " if "selected" in node.attributes else ", "] if tag == "option" else []
            return
        self._flush(int(tag[1]) if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456" else 0)  # noqa: PLR2004 - h1 to h6
        self._pre -= tag == "pre"
        if tag == "table":
            self._tables.pop()

    def _flush(self, level: int = 0) -> None:
        text = "".join(self._inline)
        words = lines_of(text) if self._pre else one_line(text).rstrip(",")
        if words:
            self.blocks.append(Block(words, level=level))
        self._inline.clear()

    def _is_left_out(self, node: LexborNode, tag: str) -> bool:
        hidden = "hidden" in node.attributes or bool(_HIDDEN.search(node.attributes.get("style") or ""))
        if not hidden and tag not in _TAGS["perhaps_without_text"]:
            return False
        if self._length < 0:
            self._length = len(self._body.text()) if self._body else 0
        length = len(node.text().strip())
        if length * 2 > self._length:
            return False
        self._hidden += hidden and length > 0
        return True


def _number(text: str | None) -> int:
    return min(int(text), 1_000) if text and text.isascii() and text.isdigit() and int(text) else 1
