"""From a citation to the original: fetches the very version that an answer cites, and hands it out only if its sha256 is the cited one.

Exit codes: 0 it is the cited original, 1 it is not (altered, or that version is gone), 2 wrong usage, 4 the store does not answer.
"""

import hashlib
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from validation.clients import kube, network, target
from validation.clients.connect import Connector
from validation.corpus import citation
from validation.corpus.citation import Citation
from validation.judge.errors import GateError, InvalidRunError, UsageError
from validation.judge.outcome import Outcome, exit_code

HELP = """Fetch the original that an answer cites, in the very version that was read, and check its sha256.

CITATION is s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST, as the check `originals` of a report.json lists them for each question.
The bytes go to --out, or to standard output; bytes whose sha256 is another one are not handed out.

Exit codes: 0 it is the cited original, 1 it is not (altered, or that version is gone), 2 wrong usage or configuration, 4 UNREACHABLE.

Example:

    python -m validation original 's3://rag-documents/corpus/.../handbook.html?versionId=01J...#sha256=...' --stack lab --out handbook.html
"""


def original(
    cited: Annotated[str, typer.Argument(metavar="CITATION", help="s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST")],
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack whose documents bucket it is in.")] = None,
    target_file: Annotated[Path | None, typer.Option("--target", help="File with the same outputs as JSON, instead of --stack.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output")] = None,
) -> None:
    """Fetch one version of one original."""
    try:
        wanted = citation.parse(cited)
        body = _fetch(wanted, _aim(stack, target_file))
        _hand_out(body, out)
    except InvalidRunError as error:
        print(f"RESULT: FAIL {error} (exit 1)", file=sys.stderr)
        raise typer.Exit(1) from None
    except GateError as error:
        print(f"RESULT: {error.outcome} {error} (exit {exit_code(error.outcome, strict=False)})", file=sys.stderr)
        raise typer.Exit(exit_code(error.outcome, strict=False)) from None
    print(f"RESULT: {Outcome.PASS} {len(body):,} bytes, version {wanted.version_id}, sha256 as cited (exit 0)", file=sys.stderr)


def _aim(stack: str | None, target_file: Path | None) -> target.Target:
    if (stack is None) == (target_file is None):
        raise UsageError("say where the documents are: give either --stack NAME or --target FILE")
    return target.from_stack(stack) if stack is not None else target.from_file(target_file or Path())


def _fetch(wanted: Citation, aim: target.Target) -> bytes:
    """InvalidRunError when what is stored is not what was cited."""
    if wanted.bucket != aim.documents_bucket:
        raise UsageError(f"the citation names the bucket {wanted.bucket!r}, the documents of this stack are in {aim.documents_bucket!r}")
    with ExitStack() as closing:
        kubernetes = kube.connect()
        closing.callback(kubernetes.close)
        network.bypass_proxies([kubernetes.address(aim.object_store_endpoint)])
        store = Connector(target=aim, kubernetes=kubernetes, closing=closing, secrets=[]).documents()
        body = store.read_version(wanted.key, wanted.version_id)
    found = hashlib.sha256(body).hexdigest()
    if found != wanted.sha256:
        raise InvalidRunError(f"{wanted.key} was altered in the store: its {len(body):,} bytes have the sha256 {found}, not the cited one")
    return body


def _hand_out(body: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
        return
    try:
        out.write_bytes(body)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}); name another file with --out") from None
