"""Plain text, source code, logs and settings as their lines; transcripts; pictures by the words that somebody wrote about them."""

import html
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from striprtf.striprtf import rtf_to_text

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import declared_in, decode
from validation.corpus.reading.readers.markup import parse_markdown
from validation.corpus.reading.structure import PATTERNS, Block, counted, lines_of, one_line, sections_of

_WRAPPED, _EVEN = 60, 1.6
"""Characters of a line, on an average of its paragraph, from which on lines were wrapped rather than written as lines; and times the
shortest of wrapped lines, apart from the last, that the longest has at most."""
_WORDS = {kind: words.replace(" ", "|") for kind, words in PATTERNS["code"].items()}
_MODIFIERS, _KINDS = rf"(?:(?:{_WORDS['modifiers']}) )*", rf"{_WORDS['holders']}|{_WORDS['functions']}|{_WORDS['others']}"
_HOLDS_METHODS = re.compile(rf"{_MODIFIERS}(?:{_WORDS['holders']})\b")
_METHOD = re.compile(rf"(?:async )?(?:{_WORDS['functions']})\b|(?:public|private|protected|internal|static)\b")
_OPENS = re.compile(
    rf"{_MODIFIERS}(?:{_KINDS})\b\s*\S|[A-Za-z_][\w-]*\s*\(\)\s*\{{|(?:[A-Za-z_][\w:<>*&,\[\]]*\s+)+[A-Za-z_~][\w:]*\s*\([^;=]*$"
)
_BELONGS_BELOW = re.compile(r"^(?:@|//|--|#(?!!)|\*|/\*| \*|\[)")  # decorators, and comments that stand right above
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*")
_RTF_ASIDE = re.compile(r"\{\\(?:footnote|header[flr]?|footer[flr]?|shptxt)\b")
_RTF_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

_TITLE = re.compile(r"\A\ufeff?WEBVTT[ \t]+(?:-[ \t]*)?(?P<title>[^\n]+)")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_SECTION_CHARACTERS = 800  # cues are gathered to about a chunk, which then carries the time of its first one
_NO_WORDS = "is a picture without words; put a caption beside it, in a file of the same name with .caption.md behind it"


def paragraphs_in(part: str) -> Iterator[str]:
    """Yield one paragraph where its lines were wrapped, else each line."""
    lines = [line for line in part.splitlines() if line.strip()]
    *full, _ = map(len, lines or [""])
    wrapped = not full or (sum(full) >= _WRAPPED * len(full) and max(map(len, lines)) <= min(full) * _EVEN)
    yield from filter(None, [one_line(part)] if wrapped else map(one_line, lines))


def _read_parts(body: bytes, texts_in: Callable[[str], Iterable[str]]) -> Parsed:
    """Read the texts of each part; an empty line parts them."""
    text, notes = decode(body)
    blocks = (Block(words) for part in re.split(r"\n\s*\n", text) for words in texts_in(part))
    return Parsed(title="", sections=sections_of(blocks)[1], notes=tuple(notes))


read_plain = partial(_read_parts, texts_in=paragraphs_in)  # short lines stay lines, as in lists and logs
read_lines = partial(_read_parts, texts_in=lambda part: filter(None, [lines_of(part)]))  # settings and the like: indentation kept


def read_rtf(body: bytes) -> Parsed:
    """Read the paragraphs and the rows of RTF, then its headers, footnotes and boxes, without their structure."""
    text = body.decode("latin-1")
    begin = text[: text.find("{", 1)] if "{" in text[1:] else text
    asides = (begin + text[match.end() : _group_end(text, match.end())] + "}" for match in _RTF_ASIDE.finditer(text))
    lines = "\n".join(rtf_to_text(each, errors="replace") for each in (text, *asides)).splitlines()  # type: ignore[no-untyped-call]  # striprtf has no types
    words = [one_line(line.replace("|", " | ")).strip("| ") for line in lines]
    return Parsed(title="", sections=sections_of(map(Block, filter(None, words)))[1], notes=tuple(counted("rtf", body)))


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
    (text, notes), marks, blocks = decode(body), list[str](), list[Block]()
    for part in re.split(r"\n\s*\n", text):
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
    (text, notes), blocks, holds_methods = decode(body), list[Block](), False
    lines = [line.rstrip().expandtabs(4) for line in text.splitlines()]
    for at, line in enumerate(lines):
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        is_method = holds_methods and 0 < indent <= 4 and _METHOD.match(bare)  # noqa: PLR2004 - one step
        if _OPENS.match(bare) and (indent == 0 or is_method):
            above = list[Block]()
            while blocks and not blocks[-1].level and _BELONGS_BELOW.match(blocks[-1].text[indent:]):
                above.insert(0, blocks.pop())
            blocks += [Block(_signature(lines[at : at + 8]), level=2 if indent else 1), *above]
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
        text, notes = decode(body, declared_in(body))
        notes.insert(0, f"is no well-formed XML ({error}), and was read as plain text")
        return Parsed(title="", sections=sections_of([Block(lines_of(text))])[1], notes=tuple(notes))
    blocks = list[Block]()
    for tag in tags:
        values = " ".join(tag.attrib.values()) if len(tag) == 0 else ""
        words, tail = one_line(f"{tag.text or ''} {values}"), one_line(tag.tail or "")
        blocks += [Block(f"{tag.tag.rpartition('}')[2]}: {words}")] * bool(words) + [Block(tail)] * bool(tail)
    return Parsed(title="", sections=sections_of(blocks)[1])


def _read_cues(body: bytes, kind: str, name: str) -> Parsed:
    """Read what is said, by whom, from when on, in order; cues may overlap. A title stands behind WEBVTT, if there is one."""
    import webvtt  # noqa: PLC0415 - it is slow to load
    from webvtt.errors import MalformedCaptionError, MalformedFileError  # noqa: PLC0415 - as above

    (text, notes), sections, begin, lines = decode(body), list[Section](), "", list[str]()
    try:
        captions = webvtt.from_string(text) if kind == "vtt" else webvtt.from_buffer(io.BytesIO(text.encode()), format=kind)
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnreadableError(f"is no {name} ({error})") from None
    for start, line in (*_spoken(sorted(captions.captions, key=lambda cue: cue.start_in_seconds)), ("", "")):
        if lines and (not line or sum(map(len, lines)) + len(lines) + len(line) > _SECTION_CHARACTERS):
            sections.append(Section(time_code=begin, paragraphs=tuple(lines)))
            lines = []
        begin = begin if lines else start
        lines.append(line)
    title = _TITLE.match(text)
    return Parsed(title=one_line(title["title"]) if title else "", sections=tuple(sections), notes=tuple(notes))


read_vtt = partial(_read_cues, kind="vtt", name="WebVTT")
read_srt = partial(_read_cues, kind="srt", name="SubRip")
read_sbv = partial(_read_cues, kind="sbv", name="SBV")  # YouTube's own


def _spoken(cues: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield the time and the words of each voice of a cue; lines that roll up stand once."""
    last = list[str]()
    for cue in cues:
        lines = [line for line in cue.raw_text.splitlines() if line.strip()]
        fresh = lines[next((count for count in range(len(lines), 0, -1) if lines[:count] == last[-count:]), 0) :] if last else lines
        last, text = lines, "\n".join(fresh)
        _, *voices = _VOICE.split(text if _VOICE.match(text) else f"<v  >{text}")
        for voice, words in zip(voices[::2], voices[1::2], strict=True):
            if spoken := one_line(html.unescape(_TAG.sub("", words))):
                yield cue.start, f"{one_line(html.unescape(voice))}: {spoken}" if voice.strip() else spoken
