"""One file into a document and its chunks, each with the metadata that a filter or a citation needs."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from validation.clients.passages import Chunk, Document
from validation.corpus.ingest.folder import File, Refusal, access_of, body_of, caption_of
from validation.corpus.reading import MIB, Limits, UnreadableError
from validation.corpus.reading.chunking import CHUNK_CHARACTERS, OVERLAP_CHARACTERS, chunks_of
from validation.corpus.reading.isolation import IsolatedReader
from validation.corpus.reading.read import kind_of, read

_HEADING_CHARACTERS = 240
_READ_HERE_MIB = 1
"""Larger files are read in a process of their own."""
READERS = "1"
"""Raised when readers or chunking give other chunks than before, so that the next ingest makes them anew."""


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


def distinct(files: Iterable[File | Refusal], limits: Limits, refuse: Callable[[Refusal], None]) -> Iterator[Opened]:
    """Open each document; one with the bytes, the words beside it, the label and the language of another is named, and found under that."""
    seen: dict[str, str] = {}
    for file in files:
        if isinstance(file, Refusal):
            refuse(file)
            continue
        try:
            kind_of(file.suffix)
            body = body_of(file, limits)
            digest = hashlib.sha256(body).hexdigest()
            opened = Opened(file=file, body=body, caption=caption_of(file), access=access_of(file), sha256=digest)
        except UnreadableError as error:
            refuse(Refusal(source=file.source, reason=str(error)))
            continue
        first = seen.setdefault(opened.fingerprint, file.source)
        if first == file.source:
            yield opened
        else:
            refuse(Refusal(source=file.source, reason=f"has the same content as {first}, under which it is found", is_duplicate=True))


def prepare(opened: Opened, reader: IsolatedReader) -> Prepared:
    """Parse and cut a document; its id is its path. A large or dangerous one is read by `reader`."""
    file, caption, fingerprint = opened.file, opened.caption, opened.fingerprint
    if kind_of(file.suffix).isolated or len(opened.body) > _READ_HERE_MIB * MIB:
        parsed = reader.read(file.path, file.suffix, caption, opened.sha256)
    else:
        parsed = read(opened.body, file.suffix, caption)
    common: dict[str, Any] = {
        "title": parsed.title or PurePosixPath(file.source).stem,
        "language": file.language,
        "source": file.source,
        "sha256": opened.sha256,
        "access": opened.access,
    }
    texts = [(section, text) for section in parsed.sections for text in chunks_of(section)]
    chunks = (
        Chunk(
            document_id=file.source,
            section=section.heading[:_HEADING_CHARACTERS],
            text=text,
            page=section.page,
            time_code=section.time_code,
            position=position,
            fingerprint=fingerprint,
            siblings=len(texts),
            **common,
        )
        for position, (section, text) in enumerate(texts)
    )
    return Prepared(document=Document(id=file.source, body=opened.body, **common), chunks=tuple(chunks), notes=parsed.notes)


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
