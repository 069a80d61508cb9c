"""Cuts sections into chunks of whole paragraphs, each beginning with the last words of the one before.

Structure decides where a chunk ends, not a character count: a section always starts a new one, and a paragraph is split only when it alone
is too long: at a line, a sentence, a separator, a space, and inside a word only when it has none of them. The overlap is whole sentences or
rows, so that a fact which leans on the sentence before it is found with it; a table that goes on begins with the names of its columns.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from validation.clients.passages import Section

CHUNK_CHARACTERS = 1_000
"""Of scripts with letters; one of Chinese, Japanese or Korean counts as one and a half: about 500 tokens are in a chunk of either."""
OVERLAP_CHARACTERS = 150
_HEADER_CHARACTERS = 300
_SENTENCE_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])")
_CUTS = (re.compile(r"\n"), _SENTENCE_END, re.compile(r" (?=\|)"), re.compile(r"(?<=[,;:]) |(?<=[、，；：])"), re.compile(r" "))
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_WORD_END = re.compile(r"(?<=[^\w])(?=\w)|(?<=\w)(?=[^\w])")


def chunks_of(section: Section, before: str = "") -> Iterator[str]:
    """Pack a section's paragraphs into chunks of at most CHUNK_CHARACTERS, the overlap included; the first begins with `before`."""
    packed, headers = before, dict[int, str]()  # for each row of a table the row that names its columns
    for first, last in section.tables:
        header = section.paragraphs[first]
        headers |= dict.fromkeys(range(first + 1, last + 1), header) if len(header) <= _HEADER_CHARACTERS else {}
    for at, paragraph in enumerate(section.paragraphs):
        for piece in _pieces(paragraph, CHUNK_CHARACTERS):
            if packed and _size(packed) + _size(piece) + 1 > CHUNK_CHARACTERS:
                yield packed
                packed = _begin(packed, headers.get(at, ""), CHUNK_CHARACTERS - _size(piece) - 1)
            packed = f"{packed}\n{piece}" if packed else piece
    if packed:
        yield packed


def cut(sections: Sequence[Section]) -> Iterator[tuple[Section, str]]:
    """Yield the chunks of all sections that hold a letter or a digit; a sentence that goes on over a page begins the next page's, too."""
    for section, above in zip(sections, (None, *sections), strict=False):
        for text in chunks_of(section, _going_on(above, section)):
            if any(map(str.isalnum, text)):
                yield section, text


def _going_on(above: Section | None, section: Section) -> str:
    if above is None or not section.page or section.page != above.page + 1 or section.path != above.path or not above.paragraphs:
        return ""
    last = _SENTENCE_END.split(above.paragraphs[-1])[-1]
    ends = not last or last[-1] in ".!?:。！？" or " | " in last or "\n" in last
    return "" if ends or len(last) > OVERLAP_CHARACTERS or not section.paragraphs[0][:1].islower() else last


def _begin(packed: str, header: str, room: int) -> str:
    """Return what a chunk begins with: the names of the columns, and the last sentence or row, where it is short enough to come twice."""
    tail = packed[-OVERLAP_CHARACTERS - 2 :].rpartition("\n")[2]  # an overlap that may be said twice ends within it
    header = header if _size(header) <= room else ""
    last = [part for part in _SENTENCE_END.split(tail) if part][-1:]
    left = min(OVERLAP_CHARACTERS, room - (_size(header) + 1 if header else 0))
    overlap = last[0] if last and _size(last[0]) <= left and len(last[0]) < len(packed) and last[0] != header else ""
    return "\n".join(filter(None, (header, overlap)))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text)) // 2


def _pieces(paragraph: str, most: int, cuts: Sequence[re.Pattern[str]] = _CUTS) -> Iterator[str]:
    """Split a paragraph that is too long where the first of `cuts` matches, and what is still too long where the next one does."""
    if _size(paragraph) <= most:
        yield paragraph
        return
    if not cuts:  # behind a word or a number, where there is one in the second half
        while _size(paragraph) > most:
            length = most if paragraph[:most].isascii() else max(most // 2, 1)
            end = next((match.start() for match in reversed([*_WORD_END.finditer(paragraph, length // 2, length)])), length)
            yield paragraph[:end]
            paragraph = paragraph[end:]
        yield paragraph
        return
    packed, ends = "", sorted({0, len(paragraph), *(match.end() for match in cuts[0].finditer(paragraph))})
    for part in (paragraph[begin:end] for begin, end in pairwise(ends)):
        if packed and _size(packed) + _size(part.rstrip()) > most:
            yield packed.rstrip()
            packed = ""
        if _size(part) > most:
            *whole, packed = _pieces(part, most, cuts[1:])
            yield from whole
        else:
            packed = packed + part if packed else part.lstrip(" |")
    if packed.strip():
        yield packed.rstrip()
