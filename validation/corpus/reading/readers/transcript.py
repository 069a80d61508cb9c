"""WebVTT, SubRip and SBV: what is said, by whom, from when on. Cues may overlap or stand in any order; they are read in order."""

import html
import io
import re
from collections.abc import Iterable, Iterator

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


def read_vtt(body: bytes) -> Parsed:
    """Read the cues; the title stands behind WEBVTT, if there is one."""
    return _read(body, "vtt", "WebVTT")


def read_srt(body: bytes) -> Parsed:
    """Read the cues of SubRip."""
    return _read(body, "srt", "SubRip")


def read_sbv(body: bytes) -> Parsed:
    """Read the cues of YouTube's own format."""
    return _read(body, "sbv", "SBV")


def _read(body: bytes, kind: str, name: str) -> Parsed:
    notes = list[str]()
    text = decode(body, notes)
    try:
        captions = webvtt.from_string(text) if kind == "vtt" else webvtt.from_buffer(io.BytesIO(text.encode()), format=kind)
    except (MalformedFileError, MalformedCaptionError) as error:
        raise UnreadableError(f"is no {name} ({error})") from None
    title = _TITLE.match(text)
    cues = sorted(captions.captions, key=lambda cue: cue.start_in_seconds)
    return Parsed(title=one_line(title["title"]) if title else "", sections=tuple(_gathered(_lines(cues))), notes=tuple(notes))


def _lines(cues: Iterable[webvtt.Caption]) -> Iterator[tuple[str, str]]:
    """Yield the time and the words of each voice of a cue; lines that roll up stand once."""
    last = list[str]()
    for cue in cues:
        lines = [line for line in cue.raw_text.splitlines() if line.strip()]
        fresh = lines[next((count for count in range(len(lines), 0, -1) if lines[:count] == last[-count:]), 0) :] if last else lines
        last = lines
        said = "\n".join(fresh)
        _, *voices = _VOICE.split(said if _VOICE.match(said) else f"<v  >{said}")
        for voice, words in zip(voices[::2], voices[1::2], strict=True):
            if spoken := one_line(html.unescape(_TAG.sub("", words))):
                yield cue.start, f"{one_line(html.unescape(voice))}: {spoken}" if voice.strip() else spoken


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
