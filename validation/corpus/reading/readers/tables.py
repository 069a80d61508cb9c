"""Records: CSV, spreadsheets and JSON. Each says by itself what its values are, so that a chunk does not need the first of the file."""

import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import python_calamine

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.readers.inside import opened_zip
from validation.corpus.reading.structure import Block, counted, lines_in, one_line, sections_of

_NUMBER = re.compile(r"[-+]?[\d., ]*\d[\d., ]*%?|\d{4}-\d\d-\d\d.*")
_BESIDE_CELLS = re.compile(r"content\.xml|xl/(comments\d*|drawings/drawing\d+|threadedComments/.*)\.xml")
_TITLES = ("title", "subject", "summary", "name")
_NAMES = ("id", "key", "number", "ticket", *_TITLES)
_LENIENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)
"""Strings, which stay, and what people write though JSON has none of it: comments, and a comma before the end."""
csv.field_size_limit(1 << 30)  # of the whole process: a file's own size bounds its cells


def read_csv(body: bytes) -> Parsed:
    """Read rows as `column: value | column: value`; what stands above the row that names the columns is text."""
    text, notes = decode(body)
    begin = re.match(r"sep=(.)\n", text)
    text = text[begin.end() :] if begin else text
    lines = csv.reader(io.StringIO(text), delimiter=begin[1] if begin else _delimiter(text))
    rows = [row for row in lines if any(map(str.strip, row))]
    return Parsed(title="", sections=sections_of(_blocks(rows))[1], notes=tuple(notes))


def _delimiter(text: str) -> str:
    """Return the delimiter by which most rows have the same number of cells, and more than one."""

    def fit(delimiter: str) -> tuple[float, int]:
        rows = itertools.islice(csv.reader(io.StringIO(text[:65_536]), delimiter=delimiter), 50)
        try:
            widths = Counter(len(row) for row in rows if any(map(str.strip, row)))
        except csv.Error:
            return 0.0, 0
        width, count = max(widths.items(), key=lambda pair: (pair[0] > 1, pair[1]), default=(0, 0))
        return (count / widths.total(), width) if width > 1 and count * 2 > widths.total() else (0.0, 0)

    best = max(",;\t|", key=fit)
    return best if fit(best)[1] else "\0"


def _blocks(rows: Sequence[Sequence[str]]) -> Iterator[Block]:
    """Yield the rows, each with the names of its columns where the first whole row names them: no number stands in it, apart from years."""
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    cells = [[one_line(cell) for cell in row] for row in rows]
    while len(cells) > 1 and width > 1 and sum(map(bool, cells[0])) <= 1:  # a title above the table
        yield Block(" | ".join(filter(None, cells.pop(0))))
    has_numbers = any(_NUMBER.fullmatch(cell) and not re.fullmatch(r"(19|20)\d\d", cell) for cell in (cells[0] if len(cells) > 1 else ()))
    header = cells.pop(0) if cells and not has_numbers else []
    if not cells and header:
        yield Block(" | ".join(header))
    for row in cells:
        pairs = itertools.zip_longest(header[: len(row)], row, fillvalue="")
        named = [f"{name}: {cell}" if name else cell for name, cell in pairs if cell] if header else row
        if words := " | ".join(named).rstrip(" |"):
            yield Block(words)


def read_sheets(body: bytes) -> Parsed:
    """Read every sheet of a workbook of Excel or OpenDocument, hidden ones too; what it holds beside its cells is noted."""
    packed, blocks = opened_zip(body, "workbook") if body.startswith(b"PK") else None, list[Block]()
    notes = counted("sheets", *(packed.read(name) for name in {*packed.namelist()} if _BESIDE_CELLS.fullmatch(name))) if packed else []
    try:
        with python_calamine.load_workbook(io.BytesIO(body)) as workbook:
            for about in workbook.sheets_metadata:
                if about.typ != python_calamine.SheetTypeEnum.WorkSheet:
                    notes.append(f"sheet {about.name} is a {about.typ}, and was not read".replace("SheetTypeEnum.", ""))
                    continue
                if about.visible != python_calamine.SheetVisibleEnum.Visible:
                    notes.append(f"sheet {about.name} is hidden, and was read")
                grid = workbook.get_sheet_by_name(about.name).to_python(skip_empty_area=True)
                whole = ([int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in row] for row in grid)
                rows = [[one_line(str(cell)) for cell in row] for row in whole]
                blocks += [Block(one_line(about.name), level=1), *_blocks([row for row in rows if any(row)])] if any(map(any, rows)) else []
    except python_calamine.PasswordError:
        raise UnreadableError("is encrypted with a password; save it without one") from None

    return Parsed(title="", sections=sections_of(blocks)[1], notes=tuple(notes))


def read_json(body: bytes) -> Parsed:
    """Read records: each element of the outermost list, or of the only list in the outermost object, is a section."""
    (text, notes), errors = decode(body), list[json.JSONDecodeError]()
    sections, data = list[Section](), None
    for load in (  # JSON, JSON lines, JSON with comments
        lambda: json.loads(text, object_pairs_hook=_pairs),
        lambda: [json.loads(line, object_pairs_hook=_pairs) for line in text.splitlines() if line.strip()],
        lambda: json.loads(_LENIENT.sub(r"\1", text), object_pairs_hook=_pairs),
    ):
        try:
            data = load()
            break
        except json.JSONDecodeError as error:
            errors.append(error)
    else:
        raise UnreadableError(f"is no JSON ({errors[0].msg} in line {errors[0].lineno})")
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


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that stands twice keeps all of its values."""
    data = dict[str, Any]()
    for name, value in pairs:
        data[name] = value if name not in data else [*(data[name] if isinstance(data[name], list) else [data[name]]), value]
    return data


def _first_value(record: object, names: tuple[str, ...]) -> str:

    values = (record.get(name) for name in names) if isinstance(record, dict) else ()
    return next((one_line(str(value)) for value in values if isinstance(value, str | int) and str(value).strip()), "")
