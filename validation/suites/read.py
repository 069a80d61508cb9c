"""`./rag read`: what ingest would make of a file or a folder, before anything is sent anywhere."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from validation.corpus.ingest.folder import UNKNOWN_LANGUAGE, File, Refusal, walk
from validation.corpus.ingest.prepare import Prepared, distinct, prepare
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader
from validation.judge.errors import UsageError

_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `read`."""

    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="What to read.")]
    full: Annotated[bool, typer.Option("--full", help="The whole text of every chunk, also of a folder.")] = False
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line: chunks of each file, its notes, what was not read.")] = False
    strict: Annotated[bool, typer.Option("--strict", help="A note, or a file that cannot be read, exits 1.")] = False
    language: Annotated[str, typer.Option(help="Of documents whose first folder is no code like `de`.")] = UNKNOWN_LANGUAGE
    largest_mib: Annotated[float, typer.Option(min=0.001, help="Larger files are named, not read.")] = Limits.largest_mib
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one file may take to be read.")] = Limits.seconds


def act(options: Options) -> int:
    """Read, print, and return the exit code."""
    if not options.path.exists():
        raise UsageError(f"{options.path}: there is no such file or folder; name what is to be read")
    is_folder, counts = options.path.is_dir(), {"read": 0, "chunks": 0, "notes": 0, "not read": 0, "duplicates": 0}
    for result in _results(options):
        if isinstance(result, Refusal):
            counts["duplicates" if result.is_duplicate else "not read"] += 1
        else:
            for what, number in (("read", 1), ("chunks", len(result.chunks)), ("notes", len(result.notes))):
                counts[what] += number
        print(json.dumps(_as_data(result), ensure_ascii=False) if options.json else "\n".join(_lines(result, options)))
    if is_folder and not options.json:
        print(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    is_lacking = counts["not read"] or (options.strict and counts["notes"])
    return int(bool(is_lacking and (options.strict or not is_folder)))


def _results(options: Options) -> Iterator[Prepared | Refusal]:
    limits, refused, path = Limits(largest_mib=options.largest_mib, seconds=options.seconds), list[Refusal](), options.path
    alone = File(path=path.resolve(), source=path.name, language=options.language, label="")
    files = walk(path, options.language) if path.is_dir() else iter([alone])
    with IsolatedReader(limits) as reader:
        for opened in distinct(files, limits, refused.append):
            yield from refused
            refused.clear()
            try:
                yield prepare(opened, reader)
            except UnreadableError as error:
                yield Refusal(source=opened.file.source, reason=str(error))
    yield from refused


def _lines(result: Prepared | Refusal, options: Options) -> Iterator[str]:
    if isinstance(result, Refusal):
        yield f"{'duplicate' if result.is_duplicate else 'not read'}: {result}"
        return
    document, count = result.document, len(result.chunks)
    pages = f"{len({chunk.page for chunk in result.chunks if chunk.page})} of {result.pages} pages, " if result.pages else ""
    yield f"{document.source}: {document.title!r}, {document.language}, {pages}{count} chunk{'s' * (count != 1)}"
    yield from (f"  note: {note}" for note in result.notes)
    if options.path.is_dir() and not options.full:
        return
    for chunk in result.chunks:
        place = ", ".join(filter(None, (f"page {chunk.page}" if chunk.page else "", chunk.time_code, chunk.section)))
        yield f"  {chunk.position + 1}. {place}{' ' * bool(place)}({len(chunk.text)} characters)"
        if options.full:
            yield from (f"     | {line}" for line in chunk.text.splitlines())
        else:
            text = " ".join(chunk.text.split())
            yield f"     {text[:_SHOWN_CHARACTERS]}{' ...' * (len(text) > _SHOWN_CHARACTERS)}"


def _as_data(result: Prepared | Refusal) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"file": result.source, "duplicate" if result.is_duplicate else "not_read": result.reason}
    document, fields = result.document, ("section", "page", "time_code", "text")
    chunks = [{name: value for name, value in asdict(chunk).items() if name in fields and value} for chunk in result.chunks]
    about = {"file": document.source, "title": document.title, "language": document.language, "pages": result.pages}
    return about | {"notes": list(result.notes), "chunks": chunks}
