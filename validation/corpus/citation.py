"""From what an answer cites to the very version of the original: `s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST`.

The version says which of the stored ones is meant, the sha256 what its bytes were when they were read: together they do not depend on
anybody's good will. A citation without a version is refused, since what an unversioned bucket holds tomorrow may be another document.
`original` fetches that version, and hands it out only if its sha256 is the cited one.
"""

import hashlib
import re
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import typer

from validation.clients import target
from validation.clients.connect import open_connector
from validation.clients.documents import ClockSkewError, DocumentStore
from validation.judge.errors import GateError, InvalidRunError, Outcome, UsageError, exit_code
from validation.run.options import Target

_FORM = "s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST"


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One version of one original."""

    bucket: str
    key: str
    version_id: str
    sha256: str

    @property
    def is_versioned(self) -> bool:
        """Whether it names one version for good; S3 calls the only version of an object in an unversioned bucket `null`."""
        return self.version_id not in {"", "null"}

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{quote(self.key)}?{urlencode({'versionId': self.version_id})}#sha256={self.sha256}"


def parse(text: str) -> Citation:
    """Read a citation as the report has it; UsageError says what is missing."""
    url = urlsplit(text)
    version = parse_qs(url.query).get("versionId", [""])[0]
    key, sha256 = unquote(url.path).removeprefix("/"), url.fragment.removeprefix("sha256=")
    citation = Citation(bucket=url.hostname or "", key=key, version_id=version, sha256=sha256)
    if url.scheme != "s3" or not citation.bucket or not citation.key:
        raise UsageError(f"{text!r} is no citation, which looks like {_FORM}; copy one from the check `originals` of a report.json")
    if not citation.is_versioned:
        raise UsageError(f"{text!r} names no version, so nobody can say which document was meant; a citation looks like {_FORM}")
    if not re.fullmatch(r"[0-9a-f]{64}", citation.sha256):
        raise UsageError(f"{text!r} names no sha256, so nothing can be checked; a citation looks like {_FORM}")
    return citation


def citation_of(fields: Mapping[str, object], bucket: str) -> Citation:
    """Return what a stored chunk says about its original."""
    key, version, sha256 = (str(fields.get(name, "")) for name in ("object_key", "version_id", "sha256"))
    return Citation(bucket=bucket, key=key, version_id=version, sha256=sha256)


def citation_problem(documents: DocumentStore, citation: Citation) -> str:
    """Why a citation does not lead to what was read; "" when it does."""
    if not citation.key or not citation.sha256:
        return "the chunk does not say where its original is"
    if not citation.is_versioned:
        return "the bucket keeps no versions: what is there tomorrow may be another document"
    try:
        body = documents.read_version(citation.key, citation.version_id)
    except ClockSkewError:
        raise  # of this machine, not of the original
    except InvalidRunError as error:
        return str(error)
    sha256 = hashlib.sha256(body).hexdigest()
    return "" if sha256 == citation.sha256 else f"its {len(body):,} bytes have the sha256 {sha256}: they were altered in the store"


def original(
    stack: Target,
    cited: Annotated[str, typer.Argument(metavar="CITATION", help="s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST")],
    *,
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output")] = None,
) -> None:
    """Fetch one version of one original."""
    try:
        citation, source = parse(cited), target.read(stack)
        if citation.bucket != source.documents_bucket:
            raise UsageError.of("citation.other_bucket", bucket=citation.bucket, ours=source.documents_bucket)
        with ExitStack() as closing:
            store = open_connector(source, closing, [], source.object_store_endpoint).documents()
            body = store.read_version(citation.key, citation.version_id)
        if (digest := hashlib.sha256(body).hexdigest()) != citation.sha256:
            raise InvalidRunError.of("citation.altered", key=citation.key, size=len(body), digest=digest)
        try:
            if out is not None:
                out.write_bytes(body)
        except OSError as error:
            raise UsageError(f"{out} cannot be written ({error.strerror}); name another file with --out") from None
        if out is None:
            sys.stdout.buffer.write(body)
            sys.stdout.flush()
    except GateError as error:
        outcome = Outcome.FAIL if isinstance(error, InvalidRunError) else error.outcome
        code = exit_code(outcome, strict=False)
        print(f"RESULT: {outcome} {error} (exit {code})", file=sys.stderr)
        raise typer.Exit(code) from None
    print(f"RESULT: {Outcome.PASS} {len(body):,} bytes, version {citation.version_id}, sha256 as cited (exit 0)", file=sys.stderr)
