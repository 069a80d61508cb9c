"""Bytes that must be what they were, and lie as promised: checksums, and encryption at rest.

Each checksum is sent as a trailer of a chunked body, as newer Milvus does, and as a header that is wrong on purpose. A store that does not
know the chunked form may answer with success and keep the framing as data: the bytes are read back. One that does not verify accepts a
wrong checksum: damage would go unseen. Objects are written as Milvus writes them, without asking for encryption: the effect is judged.
"""

import base64
import hashlib
import zlib
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Literal, get_args

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.options import Encryption
from validation.checks.storage.store import answered
from validation.run.record import Facts

Algorithm = Literal["CRC32", "CRC32C", "CRC64NVME", "SHA256"]
_NATIVE = frozenset({"CRC32C", "CRC64NVME"})
"""Computed by awscrt; boto3 alone cannot."""
_BODY = bytes(range(256)) * 300


@STORE.check("checksums", "Does the store take and verify the checksums that Milvus and its libraries send?", after="consistency")
def checksums(run: StoreContext, _facts: Facts) -> None:
    """Add which trailers work, and whether wrong checksums are refused."""
    has_native = find_spec("awscrt") is not None
    good: list[str] = []
    for algorithm in get_args(Algorithm):
        if algorithm in _NATIVE and not has_native:
            run.record.skip(f"checksum_{algorithm.lower()}", "awscrt is not installed: pip install 'boto3[crt]'")
        elif problem := _trailer(run, algorithm):
            _judge(run, algorithm, problem)
        else:
            good.append(algorithm)
    if good:
        form = "as trailers of a chunked body" if run.aim.is_tls else "as headers, since trailers need TLS"
        run.record.ok("checksums", f"taken {form}, stored and given back: {', '.join(good)}")
    _wrong(run)


def _trailer(run: StoreContext, algorithm: Algorithm) -> str:
    """Return what is wrong, "" when nothing is."""
    bucket, key = run.aim.bucket, run.written.key(f"checksum/{algorithm}")
    try:
        run.store.ask(lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=_BODY, ChecksumAlgorithm=algorithm))
    except ClientError as error:
        return f"a body with a {algorithm} trailer is refused: {answered(error)}"
    if run.get(key) != _BODY:
        return f"a body with a {algorithm} trailer is accepted, but other bytes are kept: the store took the framing for data"
    head: Any = run.store.ask(lambda s3: s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"))
    if not head.get(f"Checksum{algorithm}"):
        return f"a {algorithm} checksum is accepted and not kept: HEAD does not give it back"
    return ""


def _judge(run: StoreContext, algorithm: Algorithm, problem: str) -> None:
    name = f"checksum_{algorithm.lower()}"
    if algorithm == "CRC64NVME" and run.aim.wal.is_on_the_store and "not kept" not in problem:
        run.record.fail("checksum.needed", problem, name=name)
    else:
        run.record.warn("checksum.other", problem, name=name)


def _wrong(run: StoreContext) -> None:
    """Send a checksum of other bytes."""
    accepted, other = list[str](), b"other bytes"
    wrong = {"CRC32": zlib.crc32(other).to_bytes(4, "big"), "SHA256": hashlib.sha256(other).digest()}
    for algorithm, digest in wrong.items():
        key = run.written.key(f"checksum/wrong-{algorithm}")
        checksum: Any = {f"Checksum{algorithm}": base64.b64encode(digest).decode()}
        with suppress(ClientError):
            run.store.ask(lambda s3, key=key, checksum=checksum: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=_BODY, **checksum))  # type: ignore[misc]
            accepted.append(algorithm)
    if accepted:
        run.record.warn("checksum_verified", f"a wrong {' and '.join(accepted)} is accepted")
    else:
        run.record.ok("checksum_verified", "a wrong CRC32 or SHA256 is refused")


@STORE.check("encryption", "Is an object encrypted at rest as the store is configured to do it?", after="checksums")
def encryption(run: StoreContext, _facts: Facts) -> None:
    """Add what HEAD and GET say of one object."""
    bucket, key, promised = run.aim.bucket, run.put("encryption", b"x"), run.aim.encryption
    head = run.store.ask(lambda s3: s3.head_object(Bucket=bucket, Key=key))
    get = run.store.ask(lambda s3: s3.get_object(Bucket=bucket, Key=key))
    get["Body"].close()
    kinds = {str(answer.get("ServerSideEncryption") or "none") for answer in (head, get)}
    seen = " and ".join(sorted(kinds))
    if promised is Encryption.ANY:
        run.record.ok("encryption", f"{seen}, as HEAD and GET tell it; nothing was promised (--encryption)")
    elif kinds == {promised.value}:
        run.record.ok("encryption", f"{seen}, as promised")
    else:
        key = "encryption.none" if promised is Encryption.NONE else "encryption.other"
        run.record.fail(key, f"promised is {promised}, HEAD and GET tell {seen}")
