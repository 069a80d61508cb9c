"""What a library leaves out of an Office file: the paragraphs of its XML that stand in no block, put to where they belong."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from validation.corpus.reading.structure import Block, one_line

_SILENT = {"Fallback", "moveFrom", "del", "rt"}  # elements whose text stands elsewhere, or is gone
_LOOKED_AHEAD = 60


def completed(blocks: list[Block], part: bytes, seen: set[str]) -> list[Block]:
    """Return the blocks with the paragraphs of an XML part that they lack; `seen` are those that another part gave already."""
    bare, place, blocks = [_bare(block.text) for block in blocks], 0, list(blocks)
    whole = "\n".join(bare) + "\n" + "".join(bare)
    for words in _paragraphs(part):
        text = _bare(words)
        if text in whole or text in seen:
            place = next((at for at in range(place, min(place + _LOOKED_AHEAD, len(bare))) if text and text in bare[at]), place)
            continue
        seen.add(text)
        at = next((at for at in range(place, min(place + 2, len(bare))) if _is_gapped(bare[at], text)), -1)
        if at >= 0 and not blocks[at].row:
            blocks[at], bare[at], place = replace(blocks[at], text=words), text, at
        else:
            place = min(place + 1, len(blocks))
            blocks.insert(place, Block(words, page=blocks[place - 1].page if place else 0))
            bare.insert(place, text)
    return blocks


def _is_gapped(part: str, text: str) -> bool:
    """Whether a block holds a paragraph apart from some of its letters."""
    letters = iter(text)
    return len(part) * 2 > len(text) and all(letter in letters for letter in part)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _paragraphs(part: bytes) -> Iterator[str]:
    """Yield the words of each paragraph, those of paragraphs inside it apart."""
    try:
        waiting: list[tuple[Any, list[str]]] = [(ElementTree.fromstring(part), [])]
    except (ElementTree.ParseError, DefusedXmlException):
        return
    paragraphs = list[list[str]]()
    while waiting:
        element, words = waiting.pop()
        name = element.tag.rpartition("}")[2]
        if name in _SILENT or (name == "fld" and element.get("type") == "slidenum"):
            continue
        if name == "p":
            words = list[str]()
            paragraphs.append(words)
        elif name == "t":
            words.append(element.text or "")
        elif name in {"tab", "br", "cr"}:
            words.append(" ")
        waiting += [(child, words) for child in reversed(element)]
    yield from filter(_bare, (one_line("".join(words)) for words in paragraphs))
