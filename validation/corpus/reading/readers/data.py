"""JSON and JSON lines: each record says by itself what its values are."""

import json
import re
from collections.abc import Iterator
from typing import Any

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.structure import lines_of, one_line

_TITLES = ("title", "subject", "summary", "name")
_NAMES = ("id", "key", "number", "ticket", *_TITLES)
_LENIENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)
"""Strings, which stay, and what people write though JSON has none of it: comments, and a comma before the end."""


def read_json(body: bytes) -> Parsed:
    """Read records: each element of the outermost list, or of the only list in the outermost object, is a section."""
    notes, sections = list[str](), list[Section]()
    data = _loaded(decode(body, notes))
    title, records = _first_value(data, _TITLES), data if isinstance(data, list) else [data]
    if isinstance(data, dict):
        lists = [name for name, value in data.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(lists) == 1 and not _first_value(data, _NAMES[:4]):  # a record with a list of comments is one record
            records = [{name: value for name, value in data.items() if name != lists[0]}, *data[lists[0]]]
    for record in records:
        names = dict.fromkeys((_first_value(record, _NAMES), _first_value(record, _TITLES)))
        if lines := tuple(lines_in("", record)):
            heading = " ".join(filter(None, names))
            sections.append(Section(path=(heading,) if heading else (), paragraphs=lines))
    return Parsed(title=title, sections=tuple(sections), notes=tuple(notes))


def _loaded(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return JSON, or JSON lines, or JSON with comments; the error is that of the first."""
    errors = list[json.JSONDecodeError]()
    for load in (
        lambda: json.loads(text, object_pairs_hook=_pairs),
        lambda: [json.loads(line, object_pairs_hook=_pairs) for line in text.splitlines() if line.strip()],
        lambda: json.loads(_LENIENT.sub(r"\1", text), object_pairs_hook=_pairs),
    ):
        try:
            return load()
        except json.JSONDecodeError as error:
            errors.append(error)
    raise UnreadableError(f"is no JSON ({errors[0].msg} in line {errors[0].lineno})")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that stands twice keeps all of its values."""
    data = dict[str, Any]()
    for name, value in pairs:
        data[name] = value if name not in data else [*(data[name] if isinstance(data[name], list) else [data[name]]), value]
    return data


def _first_value(record: object, names: tuple[str, ...]) -> str:
    """Return the first of the named values that is there."""
    values = (record.get(name) for name in names) if isinstance(record, dict) else ()
    return next((one_line(str(value)) for value in values if isinstance(value, str | int) and str(value).strip()), "")


def lines_in(path: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever JSON or YAML holds
    """Yield a line `path: value` for each value that is not empty."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from lines_in(f"{path} {name}".strip(), inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for inner in value:
            yield from lines_in(path, inner)
    elif text := _shown(", ".join(map(_shown, value)) if isinstance(value, list) else value):
        yield f"{path}: {text}" if path else text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace("\0", " ") if value is not None else ""
    return lines_of(text) if "\n" in text.strip() else one_line(text)
