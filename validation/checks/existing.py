"""Judges a collection that is there already: everything is read, nothing is written, loaded, released or dropped.

Exact answers need every vector in memory, so a collection of more than that is refused with its size. It must have the fields that `ingest`
and the gate give theirs: which document a chunk is of, and what it says.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from validation.checks.context import GATE, Loaded, RunContext
from validation.clients.milvus import SCALARS, Row, failures_named, pages
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.documents import Corpus, Question, digest, read_questions, resolved
from validation.corpus.ingest.prepare import names_of
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.measures import CATALOGUE
from validation.judge.profile import Filter, Profile, Queries
from validation.run.record import Facts, Record

_TIMEOUT_S = 60.0
_MOST_BYTES = 2 * 1024**3
_PAGE_BYTES = 8 * 1024**2
_ROW_BYTES = 6 * 1024
FEW_ROWS = 1_000  # of fewer, a filter for a twentieth leaves no fifty rows, which are searched one by one


def judgeable(profile: Profile, record: Record) -> Profile:
    """Leave out, and name, what cannot be measured without writing; no query is about generated documents, since there are none."""
    writing = {measure.name for check in GATE.writing() for measure in check.measures}
    left_out = [name for name in profile.objectives if name in writing]
    record.skipped |= {check.name: f"{check.writes}, and this run only reads" for check in GATE.writing()}
    record.skipped |= dict.fromkeys(left_out, "cannot be measured without writing")
    queries, search = profile.search.queries, profile.search
    rest = queries.judged + queries.planted
    shares = Queries(judged=queries.judged / rest, generated=0, planted=queries.planted / rest)
    objectives = {name: objective for name, objective in profile.objectives.items() if name not in left_out}
    return profile.model_copy(update={"objectives": objectives, "search": search.model_copy(update={"queries": shares})})


def scaled(profile: Profile, rows: int, questions: Sequence[Question], record: Record) -> Profile:
    """Fit the promises to what is there: as many vectors, no filters on few rows, no number that rests on too few questions."""
    answerable = sum(question.is_answerable for question in questions)
    each_asks_one = [check for check in GATE.ordered() if check.name in {"quality", "sources", "answer"}]
    rests = {measure.name: measure.min_samples for check in each_asks_one for measure in check.measures if measure.name != "refusal_share"}
    asked = {name: answerable for name, least in rests.items() if least > answerable}
    asked |= {"refusal_share": len(questions) - answerable} if len(questions) - answerable < CATALOGUE["refusal_share"].min_samples else {}
    left_out = {name: count for name, count in asked.items() if name in profile.objectives}
    for name, count in left_out.items():
        record.skipped[name] = f"rests on {CATALOGUE[name].min_samples} questions, and questions.jsonl has {count} of that kind"
    filters = profile.search.filters
    if rows < FEW_ROWS:
        why = f"of {rows} chunks a filter leaves too few to compare; from {FEW_ROWS:,} on it is measured"
        few = {"filters": why, **{name: why for name in profile.objectives if name.startswith("filter_")}}
        record.skipped |= few
        left_out, filters = {**left_out, **dict.fromkeys(few, 0)}, [Filter(share=1)]
    changes = {
        "vectors": profile.vectors.model_copy(update={"value": min(profile.vectors.value, rows)}),
        "search": profile.search.model_copy(update={"filters": filters}),
        "objectives": {name: objective for name, objective in profile.objectives.items() if name not in left_out},
    }
    fitted = profile.model_copy(update=changes)
    record.inputs["profile"] = fitted.model_dump(mode="json")
    return fitted


def questions_only(root: Path) -> Corpus:
    """Read the questions beside the documents; what documents there are, the collection says."""
    return Corpus(questions=read_questions(root / "questions.jsonl", None), root=root)


@GATE.check(after="reachable", only_reading=True)
def existing(run: RunContext, facts: Facts) -> None:
    """What is in the collection, and can it be judged?"""
    about = _described(run)
    run.reporter.say(f"{run.collection}: reading every row, to compute exact answers")
    rows, matrix = _read(run)
    run.record.measure("vectors", len(rows))
    documents = dict(sorted({row.chunk.source: row.chunk for row in rows}.items()))
    facts |= {"collection": run.collection, "description": about.get("description", ""), "rows": len(rows)}
    facts |= {"documents": len(documents), "languages": sorted({row.chunk.language for row in rows})}
    collection, places = run.services.milvus.collection(run.collection), {row.id: place for place, row in enumerate(rows)}
    run.loaded = Loaded(collection=collection, rows=rows, matrix=matrix, generated=[], places=places)
    names = {name: documents[source].document_id for name, source in names_of(list(documents))}
    names |= {chunk.document_id: chunk.document_id for chunk in documents.values()}
    path = run.corpus.root / "questions.jsonl"
    questions = tuple(resolved(f"{path}: {question.id}", question, names) for question in run.corpus.questions)
    sha256 = digest(((source, chunk.sha256) for source, chunk in documents.items()), path)
    run.record.inputs |= {"corpus_sha256": sha256, "content": _content(rows, matrix)}
    run.corpus = replace(run.corpus, questions=questions, sha256=sha256)
    if run.is_scaled:
        run.profile = scaled(run.profile, len(rows), questions, run.record)


def _content(rows: list[Row], matrix: Matrix) -> str:
    """Return the number of rows, and a hash of every id, text and vector."""
    sha256 = hashlib.sha256()
    for row, vector in sorted(zip(rows, matrix, strict=True), key=lambda pair: pair[0].id):
        sha256.update(f"{row.id} {row.chunk.text}".encode() + vector.tobytes())
    return f"{len(rows)} rows, {sha256.hexdigest()}"


def _described(run: RunContext) -> dict[str, Any]:
    """Refuse a collection that is not there, has other fields or vectors of another length, or is not loaded."""
    client, name, served = run.services.milvus.clients.search, run.collection, run.target.embedding_dimension
    with failures_named(run.services.milvus.uri, f"looking at collection {name}"):
        if not client.has_collection(name, timeout=_TIMEOUT_S):
            others = ", ".join(run.services.milvus.names()) or "none"
            raise UsageError(f"there is no collection {name} in the database {run.target.milvus_database}; see what there is: {others}")
        about: dict[str, Any] = client.describe_collection(name, timeout=_TIMEOUT_S)
        state = str(client.get_load_state(name, timeout=_TIMEOUT_S).get("state", ""))
    fields = {field["name"]: field for field in about["fields"]}
    missing = [field for field in (*SCALARS, "vector") if field not in fields and field != "notes"]
    if missing:
        raise UsageError(f"collection {name} lacks the fields {', '.join(missing)}, by which answers are judged; fill one with: ingest")
    dimension = int(fields["vector"].get("params", {}).get("dim", 0))
    if dimension != served:
        raise UsageError(f"collection {name} holds vectors of dimension {dimension}, the stack serves {served}")
    if not state.endswith("Loaded"):
        raise UsageError(f"collection {name} is not loaded ({state}), and this run changes nothing; load it, then run again")
    return about


def _read(run: RunContext) -> tuple[list[Row], Matrix]:
    collection, dimension, name = run.services.milvus.collection(run.collection), run.target.embedding_dimension, run.collection
    total = collection.count()
    if not total:
        raise InvalidRunError(f"collection {name} is empty, so nothing can be judged; fill it with: ingest")
    if total * dimension * 4 > _MOST_BYTES:
        raise InvalidRunError.of("gate.too_many", name=name, total=total, dimension=dimension, size=total * dimension * 4, most=_MOST_BYTES)
    matrix, rows = np.empty((total, dimension), dtype=np.float32), list[Row]()
    at_once, fields = max(1, min(1_000, _PAGE_BYTES // (4 * dimension + _ROW_BYTES))), [*SCALARS, "vector"]
    fields.remove("notes")
    with run.reporter.track("read", total) as advance, failures_named(run.services.milvus.uri, f"reading {name}"):
        for page in pages(run.services.milvus.clients.search, name, at_once, output_fields=fields):
            if len(rows) + len(page) > total:
                break
            matrix[len(rows) : len(rows) + len(page)] = [entity["vector"] for entity in page]
            for entity in page:
                chunk = Chunk(**{name: value for name, value in entity.items() if name not in {"id", "bucket", "vector"}})
                rows.append(Row(id=int(entity["id"]), bucket=int(entity["bucket"]), chunk=chunk))
            advance(len(rows))
    if len(rows) != total or collection.count() != total:
        raise InvalidRunError(f"collection {name} was written to while it was read: run again when nobody does")
    return rows, unit(matrix)
