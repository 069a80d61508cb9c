"""OpenDocument text and slides, by way of HTML."""

import html
import re
from typing import Any

from defusedxml import ElementTree

from validation.clients.passages import Parsed
from validation.corpus.reading.readers.inside import opened, title_of
from validation.corpus.reading.readers.markup import parse_html
from validation.corpus.reading.structure import counted, title_or

_TAGS = {"p": "p", "table": "table", "table-row": "tr", "table-cell": "td", "list-item": "li", "s": " ", "tab": " ", "line-break": "<br>"}
_NOTED = {
    "comments, which were not read": re.compile(rb"<office:annotation[ >]"),
    "pending deletions, which were left out": re.compile(rb"<text:deletion[ >]"),
    "pictures, which were not read": re.compile(rb"<draw:image "),
    "embedded objects, which were not read": re.compile(rb"<draw:object "),
}
_SPANS = {"colspan": "number-columns-spanned", "rowspan": "number-rows-spanned"}
_SILENT = {"tracked-changes", "annotation", "object", "automatic-styles", "forms", "scripts", "font-face-decls", "styles", "settings"}


def read_odf(body: bytes) -> Parsed:
    """Read OpenDocument text and slides, by way of HTML."""
    packed = opened(body, "content.xml")
    content, pieces = packed.read("content.xml"), list[str]()
    waiting: list[tuple[Any, bool]] = [(ElementTree.fromstring(content), True)]  # elements, each before and behind what it holds; texts
    while waiting:
        element, entering = waiting.pop()
        name = "" if isinstance(element, str) else element.tag.rpartition("}")[2]
        if name in _SILENT:
            continue
        pieces.append(_tag(name, element, entering=entering) if name else html.escape(element))
        if name and entering:
            inner = [element.text] if element.text and element.text.strip() else []
            for child in element:
                inner += [child, child.tail] if child.tail else [child]
            waiting += [(element, False), *((each, True) for each in reversed(inner))]
    parsed = parse_html("".join(pieces))
    title = title_or(title_of(packed, "meta.xml"), parsed.title)
    return Parsed(title=title, sections=parsed.sections, notes=(*parsed.notes, *counted(_NOTED, content)))


def _tag(name: str, element: Any, *, entering: bool) -> str:  # noqa: ANN401 - an element of XML
    """Return the tag of HTML at the beginning or the end of an element of OpenDocument; "" where there is none."""
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if name == "page":
        return f"<h1>{html.escape(attributes.get('name', ''))}</h1>" if entering else ""
    tag = f"h{min(int(attributes.get('outline-level', '1')), 6)}" if name == "h" else _TAGS.get(name, "")
    if not tag.isalnum():
        return tag if entering else ""
    spans = "".join(f' {key}="{attributes[long]}"' for key, long in _SPANS.items() if long in attributes)
    return f"<{tag}{spans}>" if entering else f"</{tag}>"
