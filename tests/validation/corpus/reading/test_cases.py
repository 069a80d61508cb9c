"""Small hard files, each for one thing that readers lose, garble or misplace: `cases.tar.xz`, and in `cases.json` what must come of each.

Of the text, with white space as one space: `has` and `hasnt`, phrases (a list is a choice); `loose`, as has, where ` | ` counts as a space;
`hasnt_unless_marked`, may stand there if the text or a note says `hidden`; `rows` below `header`, exactly these cells; `order`, `at_most`,
`match`, `seconds`, and `refuse`: a refusal `must` come, or `may`. Of the structure: `under`, the headings above a phrase; `page`, `time`,
`title`, `not_title`; `lines`, a paragraph for itself; `shape`, over the text with its line ends; `shape_at_most`.
"""

import json
import re
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.read import read
from validation.corpus.reading.structure import one_line

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
with tarfile.open(HERE / "cases.tar.xz") as packed:
    FILES = {member.name: packed.extractfile(member).read() for member in packed.getmembers()}  # type: ignore[union-attr]  # all are files


def test_each_case_has_its_file() -> None:
    assert FILES.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_what_a_small_file_holds_is_in_its_text_and_structure(name: str) -> None:
    expected, begin = CASES[name], time.process_time()
    try:
        parsed = read(FILES[name], PurePosixPath(name).suffix)
    except UnreadableError:
        assert "refuse" in expected
        return
    assert expected.get("refuse") != "must"
    assert time.process_time() - begin < expected.get("seconds", 60)
    assert [*_wrong_text(expected, parsed), *_wrong_structure(expected, parsed)] == []


def _texts(parsed: Parsed) -> list[tuple[Section, str]]:
    return [(section, text) for section in parsed.sections for text in section.paragraphs]


def _flat(parsed: Parsed) -> str:
    """Return headings, each once, and paragraphs in reading order."""
    parts, seen = list[str](), set[str]()
    for section, text in _texts(parsed):
        parts += [heading for heading in section.path if heading not in seen and heading != text]
        seen |= set(section.path)
        parts.append(text)
    return one_line(" ".join(parts))


def _wrong_text(expected: dict[str, Any], parsed: Parsed) -> Iterator[str]:
    flat, raw = _flat(parsed), "\n".join(text for _, text in _texts(parsed))
    whole, loose = one_line(" ".join((flat, *parsed.notes, parsed.title))), one_line(flat.replace("|", " "))
    rows = [[one_line(cell) for cell in line.split("|")] for line in raw.split("\n")]
    yield from (f"lacks {phrase!r}" for phrase in expected.get("has", ()) if not any(one in whole for one in _choices(phrase)))
    yield from (f"lacks {phrase!r}" for phrase in expected.get("loose", ()) if one_line(phrase) not in loose)
    yield from (f"has {phrase!r}" for phrase in expected.get("hasnt", ()) if phrase in flat)
    marked = "hidden" in " ".join((flat, *parsed.notes))
    yield from (f"has {phrase!r}, not marked" for phrase in expected.get("hasnt_unless_marked", ()) if phrase in flat and not marked)
    yield from (f"lacks row {row}" for row in expected.get("rows", ()) if not _has_row(rows, row, expected.get("header", ())))
    yield from (f"lacks /{pattern}/" for pattern in expected.get("match", ()) if not re.search(pattern, raw))
    yield from (
        f"{phrase!r} {flat.count(phrase)} times" for phrase, most in expected.get("at_most", {}).items() if flat.count(phrase) > most
    )
    places = [loose.find(phrase) for phrase in expected.get("order", ())]
    yield from [f"order {places}"] if -1 in places or places != sorted(places) else []


def _wrong_structure(expected: dict[str, Any], parsed: Parsed) -> Iterator[str]:
    texts, raw = _texts(parsed), "\n".join(text for _, text in _texts(parsed))
    for phrase, path in expected.get("under", {}).items():
        paths = [section.path for section, text in texts if phrase in text]
        yield from [] if any(_is_within(path, above) for above in paths) else [f"{phrase!r} under {paths}"]
    for phrase, number in expected.get("page", {}).items():
        yield from [] if any(phrase in text and section.page == number for section, text in texts) else [f"{phrase!r} not on page {number}"]
    for phrase, begin in expected.get("time", {}).items():
        yield from [] if any(phrase in text and begin in section.time_code for section, text in texts) else [f"{phrase!r} not at {begin}"]
    yield from (f"{line!r} is no paragraph" for line in expected.get("lines", ()) if line not in (one_line(text) for _, text in texts))
    yield from (f"lacks /{pattern}/" for pattern in expected.get("shape", ()) if not re.search(pattern, raw))
    yield from (f"{phrase!r} too often" for phrase, most in expected.get("shape_at_most", {}).items() if raw.count(phrase) > most)
    yield from [f"title {parsed.title!r}"] if expected.get("title", "") not in parsed.title else []
    yield from (f"title {parsed.title!r}" for title in expected.get("not_title", ()) if title in parsed.title)


def _choices(phrase: str | list[str]) -> list[str]:
    return [one_line(choice) for choice in (phrase if isinstance(phrase, list) else [phrase])]


def _is_within(path: Sequence[str], headings: Sequence[str]) -> bool:
    left = iter(headings)
    return all(heading in left for heading in path)


def _has_row(rows: Sequence[Sequence[str]], expected: Sequence[str | list[str]], header: Sequence[str]) -> bool:
    """Whether a row has these cells, or `header: value` for those that are not empty; empty cells at the end are free."""
    named = [f"{name}: {value}" for name, value in zip(header, expected, strict=True) if value] if header else []
    return any(_fits(row, expected) or (bool(named) and list(row) == named) for row in rows)


def _fits(row: Sequence[str], expected: Sequence[str | list[str]]) -> bool:
    cells = [*row, *[""] * (len(expected) - len(row))]
    return len(cells) == len(expected) and all(cell in _choices(choice) for cell, choice in zip(cells, expected, strict=True))


def test_a_large_cell_is_read_after_a_small_file_too() -> None:
    for name in ("c_sep_line.csv", "c_big_cell.csv"):
        parsed = read(FILES[name], ".csv")
        assert not [*_wrong_text(CASES[name], parsed), *_wrong_structure(CASES[name], parsed)], name
