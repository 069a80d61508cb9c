"""Source code: each top-level function, class or type is a section with its signature as heading; lines keep their indentation."""

import re

from validation.clients.passages import Parsed, Section
from validation.corpus.reading.decode import decode

_OPENS = re.compile(
    r"^(?:(?:async )?def|class|func|type|function)\s+\S|^[A-Za-z_][\w-]*\s*\(\)\s*\{",
)
_BELONGS_BELOW = re.compile(r"^(?:@|//|#(?!!))")  # decorators, and comments that stand right above


def read_code(body: bytes) -> Parsed:
    """Read Python, Go and shell alike: by what stands at the beginning of a line."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in (raw.rstrip() for raw in decode(body).splitlines()):
        if _OPENS.match(line):
            above = _taken(found[-1][1])
            found.append((line.rstrip("{: ").strip(), above))
        found[-1][1].append(line)
    sections = (Section(heading=heading, paragraphs=tuple(filter(str.strip, lines))) for heading, lines in found)
    return Parsed(title="", sections=tuple(section for section in sections if section.paragraphs))


def _taken(lines: list[str]) -> list[str]:
    """Take from the end of `lines` what belongs to the definition below."""
    taken: list[str] = []
    while lines and _BELONGS_BELOW.match(lines[-1]):
        taken.insert(0, lines.pop())
    return taken
