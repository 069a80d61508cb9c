"""What a document becomes: sections as its reader found them, then chunks with all that a filter or a citation needs. Plain data."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Section:
    """A piece of a document that stands for itself, in reading order."""

    path: tuple[str, ...] = ()  # the headings that it stands under, the outermost first
    paragraphs: tuple[str, ...]  # paragraphs, list items, blocks of code, or table rows with ` | ` between the cells
    page: int = 0  # page or slide, from 1; 0 where there are none
    time_code: str = ""  # when it is said, in recordings; "" elsewhere
    tables: tuple[tuple[int, int], ...] = ()  # first and last paragraph of each table; the first one names its columns

    @property
    def heading(self) -> str:
        """The nearest heading; "" above the first one."""
        return self.path[-1] if self.path else ""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A document's title and sections, and what of it could not be read."""

    title: str  # "" where it names none
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()  # what is not in the sections, or may be wrong in them, with its place and count
    pages: int = 0  # pages or slides that the original has; 0 where there are none


@dataclass(frozen=True, kw_only=True)
class Document:
    """One original: where it is, what it is, and what it was when it was read."""

    id: str
    title: str
    language: str
    source: str  # path below the corpus directory, with forward slashes
    sha256: str
    body: bytes
    access: str = ""  # who may read it: a label for filters; see docs/ingest.md


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage with the metadata that a filter or a citation needs."""

    document_id: str
    title: str
    section: str
    language: str
    source: str
    sha256: str  # of the whole document
    text: str
    generated: bool = False
    page: int = 0
    time_code: str = ""
    access: str = ""
    position: int = 0  # number of the chunk in its document, from 0
    fingerprint: str = ""  # of everything that its document's chunks are made from; "" where nothing is compared with it
    siblings: int = 0  # how many chunks its document has
    object_key: str = ""  # where the original is kept in the documents bucket; "" until it is stored
    version_id: str = ""  # which of the stored versions this was read from
    notes: str = ""  # what of its document is not in the chunks, a line each; on the first chunk alone

    @property
    def passage(self) -> str:
        """What is embedded: the text below its title and heading, without which a short chunk says too little."""
        return "\n".join(part for part in dict.fromkeys((self.title, self.section, self.text)) if part)

    @property
    def stable_id(self) -> int:
        """63 bits of the sha256 over source, position and text: the same chunk has the same id in every run, on every machine."""
        return int.from_bytes(hashlib.sha256(f"{self.source}\0{self.position}\0{self.text}".encode()).digest()[:8]) >> 1


def quoted(value: str) -> str:
    """Return a text as a string of Milvus's filters: a value is data, and must never become a condition."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
