"""One file into a document and its chunks, each with the metadata that a filter or a citation needs."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from validation.clients.milvus import STRINGS
from validation.clients.passages import Chunk, Document, Section
from validation.corpus.ingest.folder import UNKNOWN_LANGUAGE, File, Refusal, access_of, bounded, caption_of, language_of
from validation.corpus.reading import MIB, Limits, UnreadableError
from validation.corpus.reading.chunking import CHUNK_CHARACTERS, OVERLAP_CHARACTERS, cut
from validation.corpus.reading.isolation import IsolatedReader
from validation.corpus.reading.read import kind_of

_HEADING_CHARACTERS, _NOTES_BYTES = 240, 4_000
READERS = "3"  # raised when readers or chunking give other chunks than before, so that the next ingest makes them anew


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A document whose bytes are known, and from them whether it changed; nothing is parsed yet."""

    file: File
    body: bytes
    caption: str
    access: str
    sha256: str

    @property
    def fingerprint(self) -> str:
        """Return the sha256 over everything that the chunks are made from."""
        parts = (READERS, CHUNK_CHARACTERS, OVERLAP_CHARACTERS, self.sha256, self.caption, self.access, self.file.language)
        return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A document, its chunks, and what of it could not be read."""

    document: Document
    chunks: tuple[Chunk, ...]
    notes: tuple[str, ...]
    pages: int = 0


def distinct(files: Iterable[File | Refusal], limits: Limits, refuse: Callable[[Refusal], None]) -> Iterator[Opened]:
    """Open each document; one with the bytes, the words beside it, the label and the language of another is named, and found under that."""
    seen = dict[str, str]()
    for file in files:
        if isinstance(file, Refusal):
            refuse(file)
            continue
        try:
            kind_of(file.path.suffix)
            body = bounded(file.path, int(limits.largest_mib * MIB), f"{limits.largest_mib:g} MiB; split it, or raise --largest-mib")
            more = {"caption": caption_of(file), "access": access_of(file), "sha256": hashlib.sha256(body).hexdigest()}
            opened = Opened(file=file, body=body, **more)
        except UnreadableError as error:
            refuse(Refusal(source=file.source, reason=str(error)))
            continue
        first = seen.setdefault(opened.fingerprint, file.source)
        if first == file.source:
            yield opened
        else:
            refuse(Refusal(source=file.source, reason=f"has the same content as {first}, under which it is found", is_duplicate=True))


def prepare(opened: Opened, reader: IsolatedReader) -> Prepared:
    """Parse and cut a document in the process of `reader`; its id is its path."""
    file, fingerprint = opened.file, opened.fingerprint
    parsed = reader.read(file.path, file.path.suffix.lower(), opened.caption, opened.sha256)
    title = parsed.title or PurePosixPath(file.source).stem
    language = (file.language == UNKNOWN_LANGUAGE and language_of(parsed)) or file.language
    common: dict[str, Any] = {"title": title, "language": language, "source": file.source, "sha256": opened.sha256, "access": opened.access}
    texts = list(cut(parsed.sections))
    if not texts:
        raise UnreadableError("holds no letter and no digit, so it can never be found")
    more: dict[str, Any] = common | {"document_id": file.source, "fingerprint": fingerprint, "siblings": len(texts)}
    chunks = list[Chunk]()
    for position, (section, text) in enumerate(texts):
        place: dict[str, Any] = {"page": section.page, "time_code": section.time_code, "position": position}
        notes = "" if position else joined_notes(parsed.notes)
        chunks.append(Chunk(section=heading_of(section, title), text=text, notes=notes, **place, **more))
    document = Document(id=file.source, body=opened.body, **common)
    return Prepared(document=document, chunks=tuple(chunks), notes=parsed.notes, pages=parsed.pages)


def joined_notes(notes: Sequence[str]) -> str:
    """Return the notes as they are kept, a line each; what is too much is counted."""
    kept, left = list[str](), _NOTES_BYTES
    for note in notes:
        left -= len(note.encode()) + 1
        if left < 0:
            return "\n".join([*kept, f"{len(notes) - len(kept)} more notes, see: ./rag read FILE"])
        kept.append(note)
    return "\n".join(kept)


def unstorable(chunk: Chunk) -> str:
    """Return which field of a document is longer than the collection takes, and what helps; "" where none is."""
    for name, most in STRINGS.items():
        if (length := len(str(getattr(chunk, name)).encode())) > most:
            return f"has {length:,} bytes of {name}, more than the {most:,} that a collection takes; give it a shorter path or name"
    return ""


def heading_of(section: Section, title: str) -> str:
    """Return the path of headings, below the title; of one that is too long the inner ones."""
    path = [heading for heading in section.path if heading]
    path = path[1:] if path[1:] and path[0] == title else path
    while len(path) > 1 and sum(map(len, path)) + 3 * len(path) > _HEADING_CHARACTERS:
        del path[0]
    return " > ".join(path)[:_HEADING_CHARACTERS]


def short_ids(sources: list[str]) -> dict[str, str]:
    """Return for each source the id that people use: the name without its ending where no other has it, else the path below `documents`."""
    stems = {source: PurePosixPath(source).stem for source in sources}
    times = Counter(stems.values())
    return {source: stem if times[stem] == 1 else source.removeprefix("documents/") for source, stem in stems.items()}


def names_of(sources: list[str]) -> Iterator[tuple[str, str]]:
    """Yield every name that a question may use for a document, with its source: the short one, and the path."""
    for source, short in short_ids(sources).items():
        for name in dict.fromkeys((short, source.removeprefix("documents/"), source)):
            yield name, source
