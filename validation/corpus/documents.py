"""The sample corpus: documents, their chunks with metadata, judged questions, and one sha256 over all of it.

The layout is `documents/<language>/...` and `questions.jsonl`. A question that could not be judged (unknown document, no grade above 0) is
refused with its line: it would count as a miss of the system under test. A document that cannot be read is listed; it stops nothing,
unless a question needs it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from validation.clients.passages import Chunk, Document
from validation.corpus.ingest.folder import Refusal, walk
from validation.corpus.ingest.prepare import Prepared, distinct, names_of, prepare, short_ids
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader
from validation.judge.errors import UsageError

UNANSWERABLE = "unanswerable"


class Question(BaseModel):
    """A question, the documents that answer it (0 no .. 3 fully) and the words of a right answer; an `unanswerable` one has neither."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=3)]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,8}$")]
    relevance: dict[str, Annotated[int, Field(ge=0, le=3)]]
    fact: Annotated[str, Field(min_length=1)] | None
    kind: Annotated[str, Field(min_length=1)]
    as_of: date | None = None  # the day on which it is asked, where the answer depends on it

    @property
    def is_answerable(self) -> bool:
        """Whether the documents hold an answer."""
        return self.kind != UNANSWERABLE

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.is_answerable and (self.relevance or self.fact is not None):
            raise ValueError('a question of the kind "unanswerable" has "relevance": {} and "fact": null')
        if self.is_answerable and self.fact is None:
            raise ValueError('no fact, so no answer could be judged; where the documents hold none, the kind is "unanswerable"')
        if self.is_answerable and not any(self.relevance.values()):
            raise ValueError("no document has a grade above 0; every search would count as a miss")
        return self


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Everything below one corpus directory."""

    documents: tuple[Document, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    questions: tuple[Question, ...] = ()
    sha256: str = ""  # over the paths and contents of all documents and the questions
    refused: tuple[Refusal, ...] = ()  # files, or parts of them, that could not be read, and why
    root: Path = Path()  # the directory that was named


def read_corpus(root: Path, limits: Limits | None = None) -> Corpus:
    """Read and check the corpus below `root`; UsageError names the line of a bad question, or that there is nothing to read."""
    prepared, refused, bounds = list[Prepared](), list[Refusal](), limits or Limits()
    with IsolatedReader(bounds) as reader:
        for opened in distinct(walk(root), bounds, refused.append):
            try:
                prepared.append(prepare(opened, reader))
                refused += [Refusal(source=opened.file.source, reason=note, is_note=True) for note in prepared[-1].notes]
            except UnreadableError as error:
                refused.append(Refusal(source=opened.file.source, reason=str(error)))
    if not prepared:
        first = f" ({refused[0]})" if refused else ""
        raise UsageError(f"{root}: no document below it can be read{first}; name the corpus with --corpus DIR")
    prepared.sort(key=lambda each: each.document.source)
    sources = [each.document.source for each in prepared]
    ids = short_ids(sources)
    names, questions = {name: ids[source] for name, source in names_of(sources)}, root / "questions.jsonl"
    return Corpus(
        documents=tuple(replace(each.document, id=ids[each.document.source]) for each in prepared),
        chunks=tuple(replace(chunk, document_id=ids[chunk.source]) for each in prepared for chunk in each.chunks),
        questions=read_questions(questions, names, refused),
        sha256=digest(((each.document.source, each.document.sha256) for each in prepared), questions),
        refused=tuple(refused),
        root=root,
    )


def read_questions(path: Path, names: Mapping[str, str] | None, refused: Sequence[Refusal] = ()) -> tuple[Question, ...]:
    """Return the questions in `path`, a JSON object a line, with an id for each of `names`; without those they wait for `resolved`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); name the corpus with --corpus DIR") from None
    questions = list[Question]()
    for place, line in ((f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()):
        try:
            question = Question.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise UsageError(f"{place}: not JSON: {error.msg} at column {error.colno}") from None
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "question"
            raise UsageError(f"{place}: {where}: {problem['msg'].removeprefix('Value error, ')}") from None
        questions.append(question if names is None else resolved(place, question, names, refused))
    if not any(question.is_answerable for question in questions):
        raise UsageError(f"{path}: holds no questions that have an answer; retrieval quality cannot be measured")
    if repeated := sorted(name for name, times in Counter(question.id for question in questions).items() if times > 1):
        raise UsageError(f"{path}: question ids stand here more than once: {', '.join(repeated)}")
    return tuple(questions)


def resolved(place: str, question: Question, names: Mapping[str, str], refused: Sequence[Refusal] = ()) -> Question:
    """Return the question with document ids in the place of names; UsageError where there is no such document."""
    if unknown := sorted(set(question.relevance) - set(names)):
        reasons = [f" ({refusal})" for refusal in refused if unknown[0] in refusal.source]
        raise UsageError(f"{place}: relevance names documents that the corpus lacks: {', '.join(unknown)}{''.join(reasons[:1])}")
    return question.model_copy(update={"relevance": {names[name]: grade for name, grade in question.relevance.items()}})


def digest(documents: Iterable[tuple[str, str]], questions: Path) -> str:
    """Return the sha256 over source and sha256 of all documents, in the order of sources, and the questions."""
    lines = (f"{source}\0{sha256}\n".encode() for source, sha256 in documents)
    return hashlib.sha256(b"".join([*lines, questions.read_bytes()])).hexdigest()
