"""Reads the Markdown of a source into blocks: headings, paragraphs, lists, tables and notes (block quotes)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

AUTHOR = "Harrenvik Intralogistik SE"
MADE_AT = datetime(2025, 7, 1, 8, 0, tzinfo=UTC)
"""The one date in the metadata of every document; those that matter stand in its text."""


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (the title) or deeper."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]
    numbered: bool


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of them the header."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Note:
    """What a speaker says and a slide does not show."""

    text: str


Block = Heading | Paragraph | Items | Table | Note


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a source; ValueError when it does not begin with its title."""
    blocks = list(_blocks(SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))))
    if not blocks or not isinstance(blocks[0], Heading):
        raise ValueError(f"a source begins with `# Title`, this one with {text[:40]!r}; a document without a title cannot be cited")
    return blocks


def title_of(blocks: list[Block]) -> str:
    """Return the text of the first heading."""
    return next(block.text for block in blocks if isinstance(block, Heading))


def _blocks(root: SyntaxTreeNode) -> Iterator[Block]:
    for node in root.children:
        if node.type == "heading":
            yield Heading(int(node.tag[1:]), _text(node))
        elif node.type == "paragraph":
            yield Paragraph(_text(node))
        elif node.type in {"bullet_list", "ordered_list"}:
            yield Items(tuple(_item(item) for item in node.children), node.type == "ordered_list")
        elif node.type == "table":
            yield Table(tuple(tuple(_text(cell) for cell in row.children) for row in node.walk() if row.type == "tr"))
        elif node.type == "blockquote":
            yield Note(_text(node))
        else:
            raise ValueError(f"{node.type}: no maker knows what to do with it; write it as a paragraph, a list or a table")


def _item(node: SyntaxTreeNode) -> str:
    if any(one.type.endswith("_list") for one in node.walk()):
        raise ValueError(f"{_text(node)!r} is a list within a list, perhaps since it begins with a number as in `- 28. July`; reword it")
    return _text(node)


def _text(node: SyntaxTreeNode) -> str:
    words = (" " if one.type == "softbreak" else one.content for one in node.walk() if one.type in {"text", "code_inline", "softbreak"})
    return "".join(words).strip()
