"""WebVTT, SubRip and SBV: what is said, by whom, from when on. Cues may overlap or stand in any order; they are read in order."""

import html
import io
import re
from collections.abc import Iterable, Iterator
from functools import partial

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.structure import one_line

_TITLE = re.compile(r"\A\ufeff?WEBVTT[ \t]+(?:-[ \t]*)?(?P<title>[^\n]+)")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_SECTION_CHARACTERS = 800  # cues are gathered to about a chunk, which then carries the time of its first one


def _read(body: bytes, kind: str, name: str) -> Parsed:
    """Read the cues; a title stands behind WEBVTT, if there is one."""
    notes, sections, begin, lines = list[str](), list[Section](), "", list[str]()
    text = decode(body, notes)
    try:
        captions = webvtt.from_string(text) if kind == "vtt" else webvtt.from_buffer(io.BytesIO(text.encode()), format=kind)
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnreadableError(f"is no {name} ({error})") from None
    for start, line in (*_lines(sorted(captions.captions, key=lambda cue: cue.start_in_seconds)), ("", "")):
        if lines and (not line or sum(map(len, lines)) + len(lines) + len(line) > _SECTION_CHARACTERS):
            sections.append(Section(time_code=begin, paragraphs=tuple(lines)))
            lines = []
        begin = begin if lines else start
        lines.append(line)
    title = _TITLE.match(text)
    return Parsed(title=one_line(title["title"]) if title else "", sections=tuple(sections), notes=tuple(notes))


read_vtt = partial(_read, kind="vtt", name="WebVTT")
read_srt = partial(_read, kind="srt", name="SubRip")
read_sbv = partial(_read, kind="sbv", name="SBV")  # YouTube's own


def _lines(cues: Iterable[webvtt.Caption]) -> Iterator[tuple[str, str]]:
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
