"""Follows every citation of the judged answers to the version of the original that it names, and compares the sha256.

What is followed is what Milvus holds with the cited chunk, not what the gate remembers: a lost or wrong piece of metadata is found too.
Generated chunks are noise without an original; an answer that cites one is wrong, and that is counted elsewhere (`citation_share`).
"""

import hashlib
from collections.abc import Sequence

from validation.checks.answer import Graded
from validation.checks.bench import Bench, Loaded, Services
from validation.clients.documents import DocumentStore
from validation.corpus.citation import Citation
from validation.judge.errors import InvalidRunError

QUESTION = "Does every citation lead to the very version of the original that was read?"


def run(bench: Bench, services: Services, loaded: Loaded, graded: Sequence[Graded]) -> None:
    """Fetch each cited version once; the share counts citations, not versions."""
    with bench.record.check("originals", QUESTION) as check:
        ids = {row.chunk: row.id for row in loaded.rows}
        asked = {one.question.id: [ids[chunk] for chunk in one.cited_chunks if not chunk.generated] for one in graded}
        rows = sorted({row for cited in asked.values() for row in cited})
        kept = loaded.collection.read(rows) if rows else {}
        citations = {row: citation_of(kept.get(row, {}), bench.target.documents_bucket) for row in rows}
        broken = {str(citation): why for citation in set(citations.values()) if (why := problem(services.documents, citation))}
        check.facts["citations"] = {question: [str(citations[row]) for row in cited] for question, cited in asked.items()}
        check.facts["broken"] = broken
        follows = [str(citations[row]) not in broken for cited in asked.values() for row in cited]
        bench.record.measure("original_share", sum(follows) / len(follows) if follows else None, len(follows))


def citation_of(fields: dict[str, object], bucket: str) -> Citation:
    """Return what a stored chunk says about its original."""
    key, version, sha256 = (str(fields.get(name, "")) for name in ("object_key", "version_id", "sha256"))
    return Citation(bucket=bucket, key=key, version_id=version, sha256=sha256)


def problem(documents: DocumentStore, citation: Citation) -> str:
    """Why a citation does not lead to what was read; "" when it does."""
    if not citation.key or not citation.sha256:
        return "the chunk does not say where its original is"
    if not citation.is_versioned:
        return "the bucket keeps no versions: what is there tomorrow may be another document"
    try:
        body = documents.read_version(citation.key, citation.version_id)
    except InvalidRunError as error:
        return str(error)
    found = hashlib.sha256(body).hexdigest()
    return "" if found == citation.sha256 else f"its {len(body):,} bytes have the sha256 {found}: they were altered in the store"
