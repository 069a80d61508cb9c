"""The prompt as the gate writes it: numbered sources, then the question.

[1] <title> (<document id>)
<text of the chunk>

[2] ...

Question: <question>
"""

import re
from dataclasses import dataclass

_QUESTION = re.compile(r"(?:^|\n)Question:[ \t]*(?P<question>.*)\Z", re.DOTALL)
_FIRST_LINE = re.compile(r"(?:^|\n\n)\[(?P<number>\d+)\] (?P<title>.*?)(?: \((?P<document>[^()\n]*)\))?(?=\n|$)")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One numbered source."""

    number: int
    title: str
    text: str


def parse(message: str) -> tuple[list[Source], str]:
    """Return sources and question; a message in another form is a question without sources."""
    begins = [match.start() for match in re.finditer(r"(?:^|\n)Question:", message)]
    if not begins:
        return [], message.strip()
    head, tail = message[: begins[-1]], message[begins[-1] :]
    question = _QUESTION.match(tail)
    return _sources(head), question["question"].strip() if question else ""


def _sources(head: str) -> list[Source]:
    """Split at `[1]`, `[2]`, ... in this order, so that a `[7]` inside a text does not open a source."""
    begins: list[re.Match[str]] = []
    for match in _FIRST_LINE.finditer(head):
        if int(match["number"]) == len(begins) + 1:
            begins.append(match)
    ends = [match.start() for match in begins[1:]] + [len(head)]
    return [
        Source(number=number, title=match["title"], text=head[match.end() : end].strip())
        for number, (match, end) in enumerate(zip(begins, ends, strict=True), 1)
    ]
