"""The sample corpus: documents, their chunks with metadata, judged questions, and one sha256 over all of it.

The layout is `documents/<language>/<id>.md|.html` and `questions.jsonl`. A question that could not be judged (unknown document, no
grade above 0) is refused with its line: it would count as a miss of the system under test.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.chunking import chunks_of, parse_html, parse_markdown
from validation.errors import UsageError

_PARSERS = {".md": parse_markdown, ".html": parse_html}
MEDIA_TYPES = {".md": "text/markdown; charset=utf-8", ".html": "text/html; charset=utf-8"}


class Question(BaseModel):
    """A question, the documents that answer it (0 no .. 3 fully) and the words that a right answer must contain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=3)]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,8}$")]
    relevance: dict[str, Annotated[int, Field(ge=0, le=3)]]
    fact: Annotated[str, Field(min_length=1)]
    kind: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Document:
    """One original: where it is, what it is, and what it was when it was read."""

    id: str
    title: str
    language: str
    source: str
    """Path below the corpus directory, with forward slashes."""
    sha256: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage with the metadata that a filter or a citation needs."""

    document_id: str
    title: str
    section: str
    language: str
    source: str
    sha256: str
    """Of the whole document."""
    text: str
    generated: bool = False
    object_key: str = ""
    """Where the original is kept in the documents bucket; "" until it is stored."""
    version_id: str = ""
    """Which of the stored versions this was read from."""

    @property
    def passage(self) -> str:
        """What is embedded: the text below its title and heading, without which a short chunk says too little."""
        return "\n".join(part for part in dict.fromkeys((self.title, self.section, self.text)) if part)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Everything below one corpus directory."""

    documents: tuple[Document, ...]
    chunks: tuple[Chunk, ...]
    questions: tuple[Question, ...]
    sha256: str
    """Over the paths and contents of all documents and the questions."""


def read_corpus(root: Path) -> Corpus:
    """Read and check the corpus below `root`; UsageError names the file, and the line of a bad question."""
    documents, chunks = [], []
    for path in _document_paths(root):
        document = _document(root, path)
        found = list(_chunks(document, path.suffix))
        if not found:
            raise UsageError(f"{path}: holds no text; an empty document can never be found")
        documents.append(document)
        chunks.extend(found)
    _refuse_twins(documents)
    questions = read_questions(root / "questions.jsonl", {document.id for document in documents})
    digest = _digest(documents, root / "questions.jsonl")
    return Corpus(documents=tuple(documents), chunks=tuple(chunks), questions=questions, sha256=digest)


def read_questions(path: Path, document_ids: set[str]) -> tuple[Question, ...]:
    """Return the questions in `path`, one JSON object per line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); name the corpus with --corpus DIR") from None
    questions = tuple(_question(path, number, line, document_ids) for number, line in enumerate(lines, 1) if line.strip())
    if not questions:
        raise UsageError(f"{path}: holds no questions; retrieval quality cannot be measured")
    repeated = {question.id for question in questions if sum(other.id == question.id for other in questions) > 1}
    if repeated:
        raise UsageError(f"{path}: question ids stand here more than once: {', '.join(sorted(repeated))}")
    return questions


def _question(path: Path, number: int, line: str, document_ids: set[str]) -> Question:
    try:
        question = Question.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{number}: not JSON: {error.msg} at column {error.colno}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise UsageError(f"{path}:{number}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    unknown = sorted(set(question.relevance) - document_ids)
    if unknown:
        raise UsageError(f"{path}:{number}: relevance names documents that the corpus lacks: {', '.join(unknown)}")
    if not any(question.relevance.values()):
        raise UsageError(f"{path}:{number}: no document has a grade above 0; every search would count as a miss")
    return question


def _document_paths(root: Path) -> list[Path]:
    paths = sorted(path for path in (root / "documents").glob("*/*") if path.suffix in _PARSERS)
    if not paths:
        raise UsageError(f"{root}: no documents/<language>/*.md or *.html below it; name the corpus with --corpus DIR")
    return paths


def _document(root: Path, path: Path) -> Document:
    body = path.read_bytes()
    try:
        title = _PARSERS[path.suffix](body.decode("utf-8")).title
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error})") from None
    source = path.relative_to(root).as_posix()
    digest = hashlib.sha256(body).hexdigest()
    return Document(id=path.stem, title=title or path.stem, language=path.parent.name, source=source, sha256=digest, body=body)


def _chunks(document: Document, suffix: str) -> Iterator[Chunk]:
    for section in _PARSERS[suffix](document.body.decode("utf-8")).sections:
        for text in chunks_of(section):
            yield Chunk(
                document_id=document.id,
                title=document.title,
                section=section.heading,
                language=document.language,
                source=document.source,
                sha256=document.sha256,
                text=text,
            )


def _refuse_twins(documents: list[Document]) -> None:
    ids = [document.id for document in documents]
    twins = sorted({one for one in ids if ids.count(one) > 1})
    if twins:
        raise UsageError(
            f"two files have the same document id (the name without its ending): {', '.join(twins)}; a citation could mean either"
        )


def _digest(documents: list[Document], questions: Path) -> str:
    total = hashlib.sha256()
    for document in documents:
        total.update(f"{document.source}\0{document.sha256}\n".encode())
    total.update(questions.read_bytes())
    return total.hexdigest()
