"""CSV and JSON: each row or record says by itself what its values are, so that a chunk does not need the first line of the file."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.readers.markup import one_line

_TITLES = ("title", "subject", "summary", "name")
_NAMES = ("id", "key", "number", "ticket", *_TITLES)
_DELIMITERS = ",;\t|"


def read_csv(body: bytes) -> Parsed:
    """Read rows as `column: value | column: value`; the first row names the columns."""
    text = decode(body)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:8_192], delimiters=_DELIMITERS)
    except csv.Error:
        dialect = csv.excel
    try:
        header, *rows = [[one_line(cell) for cell in row] for row in csv.reader(io.StringIO(text), dialect) if any(map(str.strip, row))]
    except csv.Error as error:
        raise UnreadableError(f"is no CSV ({error})") from None
    named = [" | ".join(_named(header, row)) for row in rows] or [" | ".join(header)]
    return Parsed(title="", sections=(Section(paragraphs=tuple(named)),))


def _named(header: list[str], row: list[str]) -> Iterator[str]:
    for at, cell in enumerate(row):
        name = header[at] if at < len(header) else ""
        if cell:
            yield f"{name}: {cell}" if name else cell


def read_json(body: bytes) -> Parsed:
    """Read records: each element of the outermost list, or of the only list in the outermost object, is a section."""
    try:
        data = json.loads(decode(body))
    except json.JSONDecodeError as error:
        raise UnreadableError(f"is no JSON ({error.msg} in line {error.lineno})") from None
    title = _first_value(data, _TITLES) if isinstance(data, dict) else ""
    sections = list[Section]()
    for record in _records(data):
        names = dict.fromkeys((_first_value(record, _NAMES), _first_value(record, _TITLES)))
        if lines := tuple(_lines("", record)):
            sections.append(Section(heading=" ".join(filter(None, names)), paragraphs=lines))
    return Parsed(title=title, sections=tuple(sections))


def _records(data: Any) -> list[Any]:  # noqa: ANN401  whatever JSON holds
    if isinstance(data, dict):
        lists = [name for name, value in data.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(lists) == 1 and not _first_value(data, _NAMES[:4]):  # a record with a list of comments is one record
            return [{name: value for name, value in data.items() if name != lists[0]}, *data[lists[0]]]
    return data if isinstance(data, list) else [data]


def _first_value(record: object, names: tuple[str, ...]) -> str:
    """Return the first of the named values that is there."""
    values = (record.get(name) for name in names) if isinstance(record, dict) else ()
    return next((one_line(str(value)) for value in values if isinstance(value, str | int) and str(value).strip()), "")


def _lines(path: str, value: Any) -> Iterator[str]:  # noqa: ANN401  whatever JSON holds
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _lines(f"{path} {name}".strip(), inner)
    elif isinstance(value, list):
        if all(not isinstance(inner, dict | list) for inner in value):
            yield from _lines(path, ", ".join(map(str, value)))
            return
        for inner in value:
            yield from _lines(path, inner)
    elif value not in (None, ""):
        yield f"{path}: {one_line(str(value))}" if path else one_line(str(value))
