"""Follows every citation of the judged answers to the version of the original that it names, and compares the sha256.

What is followed is what Milvus holds with the cited chunk, not what the gate remembers: a lost or wrong piece of metadata is found too.
Generated chunks are noise without an original; an answer that cites one is wrong, and that is counted elsewhere (`citation_share`).
"""

import hashlib

from validation.checks.context import GATE, RunContext
from validation.clients.documents import DocumentStore
from validation.corpus.citation import Citation
from validation.judge.errors import InvalidRunError
from validation.judge.measures import higher
from validation.run.record import Facts


@GATE.check(
    "originals",
    "Does every citation lead to the very version of the original that was read?",
    after="answer",
    measures=[higher("original_share", "share", "Citations whose very version of the original reads back with the sha256 of the chunk")],
)
def originals(run: RunContext, facts: Facts) -> None:
    """Fetch each cited version once; the share counts citations, not versions."""
    ids = {row.chunk: row.id for row in run.loaded.rows}
    asked = {one.question.id: [ids[chunk] for chunk in one.cited_chunks if not chunk.generated] for one in run.graded}
    rows = sorted({row for cited in asked.values() for row in cited})
    kept = run.loaded.collection.read(rows) if rows else {}
    citations = {row: citation_of(kept.get(row, {}), run.target.documents_bucket) for row in rows}
    broken = {str(citation): why for citation in set(citations.values()) if (why := problem(run.services.documents, citation))}
    facts["citations"] = {question: [str(citations[row]) for row in cited] for question, cited in asked.items()}
    facts["broken"] = broken
    follows = [str(citations[row]) not in broken for cited in asked.values() for row in cited]
    run.record.measure("original_share", sum(follows) / len(follows) if follows else None, len(follows))


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
