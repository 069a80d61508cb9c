"""Writes as Milvus writes, without asking for encryption, and looks at what the store says it did: the effect, never the status."""

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.options import Encryption
from validation.run.record import Facts


@STORE.check("encryption", "Is an object encrypted at rest as the store is configured to do it?", after="checksums")
def encryption(run: StoreContext, _facts: Facts) -> None:
    """Add what HEAD and GET say of one object."""
    bucket, key = run.aim.bucket, run.put("encryption", b"x")
    head = run.store.ask(lambda s3: s3.head_object(Bucket=bucket, Key=key))
    get = run.store.ask(lambda s3: s3.get_object(Bucket=bucket, Key=key))
    get["Body"].close()
    found = {str(answer.get("ServerSideEncryption") or "none") for answer in (head, get)}
    said, wanted = " and ".join(sorted(found)), run.aim.encryption
    if wanted is Encryption.ANY:
        run.record.ok("encryption", f"{said}, as HEAD and GET tell it; nothing was promised (--encryption)")
    elif found == {wanted.value}:
        run.record.ok("encryption", f"{said}, as promised")
    else:
        run.record.fail(
            "encryption",
            f"promised is {wanted}, HEAD and GET tell {said}",
            "vectors and documents lie on disks in another way than was promised"
            + ("; a store may answer requests for encryption with success and ignore them" if wanted is not Encryption.NONE else ""),
            "set the bucket's default encryption in the store, or correct --encryption",
        )
