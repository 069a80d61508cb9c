"""What the questions share: where to aim, the open store, what was written, and the record they add to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from validation.checks.registry import Suite
from validation.checks.storage.aim import Aim
from validation.checks.storage.litter import Litter
from validation.checks.storage.record import PreflightRecord
from validation.checks.storage.store import Store
from validation.run.progress import Reporter


@dataclass(frozen=True, kw_only=True)
class StoreContext:
    """One preflight: what it was given, and what its checks have in common."""

    aim: Aim
    record: PreflightRecord
    reporter: Reporter
    store: Store
    """With the key that Milvus will use."""
    admin: Store | None
    """With a key that may look at the bucket's settings; it is never used to write."""
    litter: Litter
    now: Callable[[], datetime]
    """This machine's clock."""

    def put(self, name: str, body: bytes) -> str:
        """Write one object below the preflight's own prefix, and return its key; what the store refuses is not there to be removed."""
        key = self.litter.key(name)
        try:
            self.store.ask(lambda s3: s3.put_object(Bucket=self.aim.bucket, Key=key, Body=body))
        except ClientError:
            self.litter.forget(key)
            raise
        return key

    def get(self, key: str) -> bytes:
        """Read one object whole."""
        return self.store.ask(lambda s3: s3.get_object(Bucket=self.aim.bucket, Key=key)["Body"].read())


STORE = Suite[StoreContext]()
"""What `python -m validation preflight` asks."""
