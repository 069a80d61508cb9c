"""WebVTT: what is said, by whom, from when on. Cues may overlap or stand in any order; they are read in the order of their begin."""

import re
from collections.abc import Iterator

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.readers.markup import one_line

_TITLE = re.compile(r"\A\ufeff?WEBVTT[ \t]+(?:-[ \t]*)?(?P<title>[^\n]+)")
_SECTION_CHARACTERS = 800
"""Cues are gathered to about a chunk, which then carries the time of its first one."""


def read_vtt(body: bytes) -> Parsed:
    """Read the cues; the title stands behind WEBVTT, if there is one."""
    text = decode(body)
    try:
        captions = sorted(webvtt.WebVTT.from_string(text).captions, key=lambda cue: cue.start_in_seconds)
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnreadableError(f"is no WebVTT ({error})") from None
    title = _TITLE.match(text)
    lines = ((cue.start, (f"{cue.voice}: " if cue.voice else "") + one_line(cue.text)) for cue in captions if one_line(cue.text))
    return Parsed(title=one_line(title["title"]) if title else "", sections=tuple(_gathered(lines)))


def _gathered(cues: Iterator[tuple[str, str]]) -> Iterator[Section]:
    begin, lines, length = "", list[str](), 0
    for start, line in cues:
        if lines and length + len(line) > _SECTION_CHARACTERS:
            yield Section(time_code=begin, paragraphs=tuple(lines))
            lines, length = [], 0
        begin = begin if lines else start
        lines.append(line)
        length += len(line) + 1
    if lines:
        yield Section(time_code=begin, paragraphs=tuple(lines))
