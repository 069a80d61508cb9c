"""Stores the corpus, and proves that everything that was sent is complete, readable and indexed before anything is timed.

Count and content are both compared: a stale collection of equal size passes a count. Flushed once, since Milvus limits flushes.
"""

import os
import random
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from validation.checks.context import GATE, Loaded, RunContext
from validation.clients.documents import Original
from validation.clients.milvus import Collection, Row
from validation.clients.retrieval_models import FOLDER_VARIABLE, KeptVectors
from validation.clients.vectors import Matrix
from validation.corpus.generator import Generated, embedded_count, generate_chunks, make_vectors
from validation.corpus.reading.read import kind_of
from validation.judge.errors import InvalidRunError, text_of
from validation.run.record import Facts

_BATCH = 500


@GATE.check(after="reachable", writes="stores rows")
def ingest(run: RunContext, facts: Facts) -> None:
    """Is everything that was sent stored, complete and readable?"""
    # store originals and chunks; InvalidRunError when what can be read is not what was sent
    others = run.services.milvus.collections_of_gates()
    facts["collections of other runs"] = others
    if others:
        drop = " ".join(f"--drop {name}" for name in others)
        run.reporter.say(text_of("gate.other_runs", names=", ".join(others), drop=drop))
    originals = _store_originals(run, facts)
    rows, generated = _rows(run, originals)
    with ThreadPoolExecutor(1) as meanwhile:  # Milvus takes seconds to load an empty collection, and embedding does not need it
        making = meanwhile.submit(run.make_collection)
        matrix = _embed(run, rows, facts)
        collection = making.result()
    facts["collection"] = collection.name
    delivered = run.overrides.delivered(rows)
    begin = last_sent = time.perf_counter()
    with run.reporter.track("ingest", len(delivered)) as advance:
        for first in range(0, len(delivered), _BATCH):
            last_sent = time.perf_counter()
            collection.insert(delivered[first : first + _BATCH], matrix)
            advance(min(first + _BATCH, len(delivered)))
    run.record.measure("ingest_rate", len(delivered) / (time.perf_counter() - begin), len(delivered))
    last = delivered[-1]
    collection.wait_until_found(last, matrix[last.id], run.profile.patience.searchable_s)
    run.record.measure("searchable_s", time.perf_counter() - last_sent)
    compare_count(run, collection, len(rows))
    compare_content(run, collection, rows, matrix)
    run.loaded = Loaded(collection=collection, rows=rows, matrix=matrix, generated=generated)


def _embed(run: RunContext, rows: list[Row], facts: Facts) -> Matrix:
    """Embed the sample and some generated chunks, but for what is kept from earlier runs, and make the vectors of the others."""
    sample, generated = ([row.chunk for row in rows if row.chunk.generated is wanted] for wanted in (False, True))
    chunks = [*sample, *generated[: embedded_count(len(generated))]]
    folder = "" if "embedding_rate" in run.profile.objectives else os.environ.get(FOLDER_VARIABLE, "")
    kept = KeptVectors(folder, f"{run.target.passage_model}, {run.target.embedding_dimension} dimensions")
    begin = time.perf_counter()
    with run.reporter.track("embed", len(chunks)) as advance:
        real = kept.embed(chunks, lambda chosen: run.services.embedding.embed_passages(chosen, advance))
    run.record.measure("embedding_rate", kept.embedded / (time.perf_counter() - begin), kept.embedded)
    facts["vectors"] = {"embedded": kept.embedded, "kept from earlier runs": len(chunks) - kept.embedded, "made": len(rows) - len(chunks)}
    return np.concatenate([real[: len(sample)], make_vectors(generated, real[len(sample) :], run.seed)])


def _store_originals(run: RunContext, facts: Facts) -> dict[str, Original]:
    """Return where each document is kept, and as which version, by its source."""
    prefix, store = f"corpus/{run.corpus.sha256[:16]}", run.services.documents.store
    types = {each.source: kind_of(PurePosixPath(each.source).suffix).media_type for each in run.corpus.documents}
    kept = {each.source: store(f"{prefix}/{each.source}", each.body, types[each.source]) for each in run.corpus.documents}
    written = sum(original.written for original in kept.values())
    facts["originals"] = {"prefix": prefix, "written": written, "already there": len(kept) - written}
    facts["not read"] = [str(refused) for refused in run.corpus.refused]
    for refused in run.corpus.refused:
        run.reporter.say(f"not read: {refused}")
    run.record.measure("documents", len(run.corpus.documents))
    run.record.measure("chunks", len(run.corpus.chunks))
    return kept


def _rows(run: RunContext, originals: Mapping[str, Original]) -> tuple[list[Row], list[Generated]]:
    """Return the sample's chunks, each with the version of its original, and as many generated ones as the promise needs."""
    kept = [(chunk, originals[chunk.source]) for chunk in run.corpus.chunks]
    sample = [replace(chunk, object_key=original.key, version_id=original.version_id) for chunk, original in kept]
    chunks, documents = generate_chunks(run.seed, max(run.profile.vectors.value - len(sample), 1))
    rows = [Row(id=number, bucket=zlib.crc32(str(number).encode()) % 100, chunk=chunk) for number, chunk in enumerate([*sample, *chunks])]
    return rows, documents


def compare_count(run: RunContext, collection: Collection, sent: int) -> None:
    """Count, and refuse to go on with another number than was sent."""
    run.record.measure("vectors", counted := collection.count())
    if counted != sent:
        raise InvalidRunError.of("gate.half", name=collection.name, counted=counted, sent=sent)


def compare_content(run: RunContext, collection: Collection, rows: list[Row], matrix: Matrix) -> None:
    """Read a sample back, and refuse to go on with other rows than were sent."""
    chosen = random.Random(run.seed).sample(rows, min(200, len(rows)))  # noqa: S311 - which rows to look at, nothing secret
    kept = collection.read([row.id for row in chosen])

    def same(row: Row, entity: dict[str, Any]) -> bool:
        is_kept = all(entity.get(field) == value for field, value in row.fields().items())
        return is_kept and np.allclose(np.asarray(entity["vector"], dtype=np.float32), matrix[row.id], atol=1e-5)

    if wrong := [row.id for row in chosen if not same(row, kept.get(row.id, {}))]:
        raise InvalidRunError.of("gate.read_back", number=len(wrong), of=len(chosen), name=collection.name, first=wrong[0])
