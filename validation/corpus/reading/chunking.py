"""Cuts a section into chunks of whole paragraphs, each beginning with the last words of the one before.

Structure decides where a chunk ends, not a character count: a section always starts a new one, a paragraph is only split when it alone is
too long. The overlap is whole sentences or rows, so that a fact which leans on the sentence before it is found with it.
"""

import re
from collections.abc import Iterator

from validation.clients.passages import Section

CHUNK_CHARACTERS = 1_000
OVERLAP_CHARACTERS = 150
_SENTENCE_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])")


def chunks_of(section: Section) -> Iterator[str]:
    """Pack a section's paragraphs into chunks of at most CHUNK_CHARACTERS, the overlap included."""
    packed = ""
    for paragraph in section.paragraphs:
        for piece in _pieces(paragraph):
            if packed and len(packed) + len(piece) + 1 > CHUNK_CHARACTERS:
                yield packed
                packed = _overlap(packed, CHUNK_CHARACTERS - len(piece) - 1)
            packed = f"{packed}\n{piece}" if packed else piece
    if packed:
        yield packed


def _overlap(packed: str, room: int) -> str:
    """Return the last whole sentence or row, if it is short enough to be said twice."""
    tail = packed[-OVERLAP_CHARACTERS - 2 :].rpartition("\n")[2]  # an overlap that may be said twice ends within it
    last = [part for part in _SENTENCE_END.split(tail) if part][-1]
    return last if len(last) <= min(OVERLAP_CHARACTERS, room) and len(last) < len(packed) else ""


def _pieces(paragraph: str) -> Iterator[str]:
    """Split a paragraph that is too long at the ends of sentences, and a sentence that is too long anywhere."""
    if len(paragraph) <= CHUNK_CHARACTERS:
        yield paragraph
        return
    packed = ""
    for sentence in _SENTENCE_END.split(paragraph):
        if packed and len(packed) + len(sentence) + 1 > CHUNK_CHARACTERS:
            yield packed
            packed = ""
        packed = f"{packed} {sentence}" if packed else sentence
        if len(packed) > CHUNK_CHARACTERS:
            *whole, packed = (packed[at : at + CHUNK_CHARACTERS] for at in range(0, len(packed), CHUNK_CHARACTERS))
            yield from whole
    if packed:
        yield packed
