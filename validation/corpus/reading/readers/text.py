"""Plain text, source code, logs and settings as their lines; pictures by the words that somebody wrote about them."""

import re
from collections.abc import Iterator
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from striprtf.striprtf import rtf_to_text

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import declared_in, decode
from validation.corpus.reading.readers.markup import parse_markdown
from validation.corpus.reading.structure import Block, counted, lines_of, one_line, sections_of

_WRAPPED, _EVEN = 60, 1.6
"""Characters of a line, on an average of its paragraph, from which on lines were wrapped rather than written as lines; and times the
shortest of wrapped lines, apart from the last, that the longest has at most."""
_MODIFIERS = (
    r"(?:(?:export|default|p(?:ublic|rivate|rotected)|internal|static|final|abstract|async|pub|unsafe|override|virtual|inline|extern) )*"
)
_HOLDS_METHODS = re.compile(_MODIFIERS + r"(?:class|interface|struct|enum|trait|impl|object|record)\b")
_METHOD = re.compile(r"(?:async )?(?:def|func|fun|fn|function)\b|(?:public|private|protected|internal|static)\b")
_OPENS = re.compile(
    _MODIFIERS
    + r"(?:def|class|func|fun|fn|function|interface|struct|enum|trait|impl|module|namespace|object|record|type|var|const|let|resource"
    r"|CREATE|create)\b\s*\S|[A-Za-z_][\w-]*\s*\(\)\s*\{|(?:[A-Za-z_][\w:<>*&,\[\]]*\s+)+[A-Za-z_~][\w:]*\s*\([^;=]*$"
)

_BELONGS_BELOW = re.compile(r"^(?:@|//|--|#(?!!)|\*|/\*| \*|\[)")  # decorators, and comments that stand right above
_LONGEST_SIGNATURE = 8  # lines, after which what looked like a signature is none
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*")
_RTF_ASIDE = re.compile(r"\{\\(?:footnote|header[flr]?|footer[flr]?|shptxt)\b")
_RTF_NOTED = {
    "pictures, which were not read": re.compile(rb"\\pict\b"),
    "comments, which were not read": re.compile(rb"\\annotation\b"),
    "embedded objects, which were not read": re.compile(rb"\\object\b"),
}
_RTF_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

_NO_WORDS = "is a picture without words; put a caption beside it, in a file of the same name with .caption.md behind it"


def read_plain(body: bytes) -> Parsed:
    """Read paragraphs, which an empty line parts; short lines stay lines, as in lists and logs."""
    notes = list[str]()
    blocks = (Block(text) for part in re.split(r"\n\s*\n", decode(body, notes)) for text in paragraphs_in(part))
    return Parsed(title="", sections=sections_of(blocks)[1], notes=tuple(notes))


def paragraphs_in(part: str) -> Iterator[str]:
    """Yield one paragraph where its lines were wrapped, else each line."""
    lines = [line for line in part.splitlines() if line.strip()]
    *full, _ = map(len, lines or [""])
    wrapped = not full or (sum(full) >= _WRAPPED * len(full) and max(map(len, lines)) <= min(full) * _EVEN)
    yield from filter(None, [one_line(part)] if wrapped else map(one_line, lines))


def read_lines(body: bytes) -> Parsed:
    """Read settings and the like: blocks of lines, indentation kept."""
    notes = list[str]()
    parts = re.split(r"\n\s*\n", decode(body, notes))
    return Parsed(title="", sections=sections_of(Block(text) for part in parts if (text := lines_of(part)))[1], notes=tuple(notes))


def read_rtf(body: bytes) -> Parsed:
    """Read the paragraphs and the rows of RTF, then its headers, footnotes and boxes, without their structure."""
    text = body.decode("latin-1")
    begin = text[: text.find("{", 1)] if "{" in text[1:] else text
    asides = (begin + text[match.end() : _group_end(text, match.end())] + "}" for match in _RTF_ASIDE.finditer(text))
    lines = "\n".join(rtf_to_text(each, errors="replace") for each in (text, *asides)).splitlines()  # type: ignore[no-untyped-call]  # striprtf has no types
    words = [one_line(line.replace("|", " | ")).strip("| ") for line in lines]
    return Parsed(title="", sections=sections_of(map(Block, filter(None, words)))[1], notes=tuple(counted(_RTF_NOTED, body)))


def _group_end(text: str, begin: int) -> int:
    """Return where the group of RTF ends in which `begin` is."""
    depth = 1
    for brace in _RTF_BRACE.finditer(text, begin):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return brace.start()
    return len(text)


def read_restructured(body: bytes) -> Parsed:
    """Read reStructuredText and AsciiDoc: titles are underlined, or begin with `=`."""
    notes, marks, blocks = list[str](), list[str](), list[Block]()
    for part in re.split(r"\n\s*\n", decode(body, notes)):
        lines = [line for line in part.splitlines() if line.strip() and not line.startswith(".. _")]
        if len(lines) > 1 and _UNDERLINE.fullmatch(lines[0]) and _UNDERLINE.fullmatch(lines[-1]):
            lines = lines[1:]
        if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]):
            marks += [lines[1][0]] * (lines[1][0] not in marks)
            blocks.append(Block(one_line(lines[0]), level=marks.index(lines[1][0]) + 1))
            lines = lines[2:]
        elif lines and (title := re.fullmatch(r"(={1,6}) (\S.*)", lines[0])):
            blocks.append(Block(title[2], level=len(title[1])))
            lines = lines[1:]
        is_literal = bool(lines) and lines[0][0].isspace()
        blocks += [Block(lines_of("\n".join(lines)))] if is_literal else map(Block, paragraphs_in("\n".join(lines)))
    first, sections = sections_of(blocks)
    return Parsed(title=first, sections=sections, notes=tuple(notes))


def read_code(body: bytes) -> Parsed:
    """Read each definition as a section, its methods below it; comments and decorators right above belong to it; lines stay as they are."""
    notes, blocks, holds_methods = list[str](), list[Block](), False
    lines = [line.rstrip().expandtabs(4) for line in decode(body, notes).splitlines()]
    for at, line in enumerate(lines):
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        is_method = holds_methods and 0 < indent <= 4 and _METHOD.match(bare)  # noqa: PLR2004 - one step
        if _OPENS.match(bare) and (indent == 0 or is_method):
            above = list[Block]()
            while blocks and not blocks[-1].level and _BELONGS_BELOW.match(blocks[-1].text[indent:]):
                above.insert(0, blocks.pop())
            blocks += [Block(_signature(lines[at : at + _LONGEST_SIGNATURE]), level=2 if indent else 1), *above]
            holds_methods = bool(indent) or bool(_HOLDS_METHODS.match(bare))
        blocks += [Block(line)] * bool(bare)
    return Parsed(title="", sections=sections_of(blocks)[1], notes=tuple(notes))


def _signature(lines: list[str]) -> str:
    """Return a signature in one line, to the end of its brackets."""
    texts = (" ".join(lines[:count]) for count in range(1, len(lines) + 1))
    whole = next((text.replace("( ", "(") for text in map(one_line, texts) if text.count("(") <= text.count(")")), one_line(lines[0]))
    return whole.rstrip("{: ")


def read_picture(_: bytes, caption: str) -> Parsed:
    """Read the caption, which is Markdown."""
    if not caption.strip():
        raise UnreadableError(_NO_WORDS)
    return parse_markdown(caption)


def _root(body: bytes) -> Any:  # noqa: ANN401 - an element
    """Return the root of XML; ParseError where it is none."""
    try:
        return ElementTree.fromstring(body, forbid_dtd=False)
    except DefusedXmlException as error:
        raise UnreadableError(f"defines entities, as attacks on readers do ({type(error).__name__}); save it anew without them") from None


def read_svg(body: bytes, caption: str) -> Parsed:
    """Read the title, the description and the texts of an SVG, and its caption."""
    try:
        tags = [(tag.tag.rpartition("}")[2], one_line(" ".join(tag.itertext()))) for tag in _root(body).iter() if isinstance(tag.tag, str)]
    except ElementTree.ParseError as error:
        raise UnreadableError(f"is no SVG ({error})") from None
    texts = [(name, words) for name, words in tags if name in {"title", "desc", "text"} and words]
    captioned = parse_markdown(caption) if caption.strip() else Parsed(title="", sections=())
    own = sections_of(map(Block, dict.fromkeys(words for _, words in texts)))[1]
    if not own and not captioned.sections:
        raise UnreadableError(_NO_WORDS)
    title = captioned.title or next((words for name, words in texts if name == "title"), "")
    return Parsed(title=title, sections=(*captioned.sections, *own))


def read_xml(body: bytes) -> Parsed:
    """Read the text of each element, behind the element's name."""
    try:
        tags = [tag for tag in _root(body).iter() if isinstance(tag.tag, str)]
    except ElementTree.ParseError as error:
        notes = [f"is no well-formed XML ({error}), and was read as plain text"]
        return Parsed(title="", sections=sections_of([Block(lines_of(decode(body, notes, declared_in(body))))])[1], notes=tuple(notes))
    blocks = list[Block]()
    for tag in tags:
        values = " ".join(tag.attrib.values()) if len(tag) == 0 else ""
        words, tail = one_line(f"{tag.text or ''} {values}"), one_line(tag.tail or "")
        blocks += [Block(f"{tag.tag.rpartition('}')[2]}: {words}")] * bool(words) + [Block(tail)] * bool(tail)
    return Parsed(title="", sections=sections_of(blocks)[1])
