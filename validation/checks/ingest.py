"""Stores the corpus, and proves that everything that was sent is complete, readable and indexed before anything is timed.

Count and content are both compared: a stale collection of equal size passes a count. Flushed once, since Milvus limits flushes.
"""

import random
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from validation.checks import own_collection
from validation.checks.bench import Bench, Loaded, Services
from validation.clients.documents import Original
from validation.clients.milvus import Collection, Row
from validation.clients.vectors import Matrix
from validation.corpus.generator import Generated, generate_chunks
from validation.corpus.reading.kinds import kind_of
from validation.judge.errors import InvalidRunError
from validation.run.record import CheckRecord

QUESTION = "Is everything that was sent stored, complete and readable?"
_BATCH = 500
_SAMPLE = 200
_VECTOR_EPSILON = 1e-5


def run(bench: Bench, services: Services) -> Loaded:
    """Store originals and chunks; InvalidRunError when what can be read is not what was sent."""
    with bench.record.check("ingest", QUESTION) as check:
        _tell_of_others(bench, services, check)
        originals = _store_originals(bench, services, check)
        rows, generated = _rows(bench, originals)
        with ThreadPoolExecutor(1) as meanwhile:  # Milvus takes seconds to load an empty collection, and embedding does not need it
            making = meanwhile.submit(own_collection.make, bench, services)
            matrix = _embed(bench, services, rows)
            collection = making.result()
        check.facts["collection"] = collection.name
        _insert(bench, collection, rows, matrix)
        compare_content(bench, collection, rows, matrix)
    return Loaded(collection=collection, rows=rows, matrix=matrix, generated=generated)


def _embed(bench: Bench, services: Services, rows: list[Row]) -> Matrix:
    begin = time.perf_counter()
    with bench.reporter.track("embed", len(rows)) as advance:
        matrix = services.embedding.embed_passages([row.chunk for row in rows], advance)
    bench.record.measure("embedding_rate", len(rows) / (time.perf_counter() - begin), len(rows))
    return matrix


def _tell_of_others(bench: Bench, services: Services, check: CheckRecord) -> None:
    """Name what other runs have in Milvus; never drop it, since another gate may be at work, and a killed one looks the same."""
    others = services.milvus.collections_of_gates()
    check.facts["collections of other runs"] = others
    if others:
        user = ", user='admin', password=input()" if bench.target.milvus_admin_secret_name else ""
        client = f"MilvusClient({services.milvus.uri!r}, db_name={bench.target.milvus_database!r}{user})"
        remove = f'python -c "from pymilvus import MilvusClient; milvus = {client}; [milvus.drop_collection(name) for name in {others}]"'
        told = f"collections of other runs (kept, killed or still at work): {', '.join(others)}"
        bench.reporter.say(f"{told}; once no gate runs, remove them: {remove}")


def _store_originals(bench: Bench, services: Services, check: CheckRecord) -> dict[str, Original]:
    """Return where each document is kept, and as which version, by its source."""
    prefix = f"corpus/{bench.corpus.sha256[:16]}"
    kept = {}
    for document in bench.corpus.documents:
        media_type = kind_of(PurePosixPath(document.source).suffix).media_type
        kept[document.source] = services.documents.store(f"{prefix}/{document.source}", document.body, media_type)
    written = sum(original.written for original in kept.values())
    check.facts["originals"] = {"prefix": prefix, "written": written, "already there": len(kept) - written}
    check.facts["not read"] = [str(one) for one in bench.corpus.refused]
    for one in bench.corpus.refused:
        bench.reporter.say(f"not read: {one}")
    bench.record.measure("documents", len(bench.corpus.documents))
    bench.record.measure("chunks", len(bench.corpus.chunks))
    return kept


def _rows(bench: Bench, originals: Mapping[str, Original]) -> tuple[list[Row], list[Generated]]:
    """Return the sample's chunks, each with the version of its original, and as many generated ones as the promise needs."""
    sample = [
        replace(chunk, object_key=originals[chunk.source].key, version_id=originals[chunk.source].version_id)
        for chunk in bench.corpus.chunks
    ]
    chunks, documents = generate_chunks(bench.seed, max(bench.profile.vectors.value - len(sample), 1))
    rows = [Row(id=number, bucket=zlib.crc32(str(number).encode()) % 100, chunk=chunk) for number, chunk in enumerate([*sample, *chunks])]
    return rows, documents


def _insert(bench: Bench, collection: Collection, rows: list[Row], matrix: Matrix) -> None:
    """Insert in batches, and see when the last row is found and whether all are."""
    delivered = bench.seams.delivered(rows)
    begin = last_sent = time.perf_counter()
    with bench.reporter.track("ingest", len(delivered)) as advance:
        for first in range(0, len(delivered), _BATCH):
            last_sent = time.perf_counter()
            collection.insert(delivered[first : first + _BATCH], matrix)
            advance(min(first + _BATCH, len(delivered)))
    bench.record.measure("ingest_rate", len(delivered) / (time.perf_counter() - begin), len(delivered))
    last = delivered[-1]
    collection.wait_until_found(last, matrix[last.id], bench.profile.patience.searchable_s)
    bench.record.measure("searchable_s", time.perf_counter() - last_sent)
    compare_count(bench, collection, len(rows))


def compare_count(bench: Bench, collection: Collection, sent: int) -> None:
    """Count, and refuse to go on with another number than was sent."""
    counted = collection.count()
    bench.record.measure("vectors", counted)
    if counted != sent:
        raise InvalidRunError(
            f"collection {collection.name} holds {counted} of {sent} rows: half a collection is searched faster than a whole one"
        )


def compare_content(bench: Bench, collection: Collection, rows: list[Row], matrix: Matrix) -> None:
    """Read a sample back, and refuse to go on with other rows than were sent."""
    chosen = random.Random(bench.seed).sample(rows, min(_SAMPLE, len(rows)))  # noqa: S311 - which rows to look at, nothing secret
    kept = collection.read([row.id for row in chosen])
    wrong = [row.id for row in chosen if not _same(row, matrix[row.id], kept.get(row.id, {}))]
    if wrong:
        raise InvalidRunError(
            f"{len(wrong)} of {len(chosen)} sampled rows of {collection.name} read back otherwise than sent (first: row {wrong[0]})"
        )


def _same(row: Row, vector: Matrix, kept: dict[str, Any]) -> bool:
    if any(kept.get(field) != value for field, value in row.fields().items()):
        return False
    return np.allclose(np.asarray(kept["vector"], dtype=np.float32), vector, atol=_VECTOR_EPSILON)
