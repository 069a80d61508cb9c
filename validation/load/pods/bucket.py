"""The gate's side of the bucket through which a load from pods goes: read and written with its own key.

It hands out addresses that open one object each, for a while.

It is Milvus's bucket, beside Milvus's root path, since that one keeps no versions: in the documents' bucket every status would stay for
ever. Milvus's key is read by the gate, as the preflight reads it, and reaches no generator.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from validation.clients.documents import Credential, s3_client
from validation.judge.errors import InvalidRunError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client  # stubs only; nothing to import at run time

PREFIX = "gate-load/"
_STALE = timedelta(hours=4)
"""Longer than any address or Job of a run lives."""
_Answer = TypeVar("_Answer")


class LoadBucket:
    """The objects of one run, below a prefix of its own."""

    def __init__(self, *, bucket: str, run: str, ours: "S3Client", theirs: "S3Client") -> None:
        self._bucket, self._prefix = bucket, f"{PREFIX}{run}/"
        self._ours, self._theirs = ours, theirs
        self._written: set[str] = set()

    def put(self, name: str, body: bytes) -> str:
        """Write one object; return the header `Date` of the store's answer."""
        key = self._key(name)
        answer = self._ask(f"write {key} to", lambda: self._ours.put_object(Bucket=self._bucket, Key=key, Body=body))
        return answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")

    def get(self, name: str) -> bytes | None:
        """Return one object, None as long as nobody wrote it."""
        key = self._key(name)

        def read() -> bytes | None:
            try:
                return self._ours.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except self._ours.exceptions.NoSuchKey:
                return None

        return self._ask(f"read {key} from", read)

    def address(self, name: str, method: str, seconds: float) -> str:
        """Return an address, as pods reach the store, with which this one object can be read (`get`) or written (`put`)."""
        parameters = {"Bucket": self._bucket, "Key": self._key(name)}
        return self._theirs.generate_presigned_url(f"{method}_object", Params=parameters, ExpiresIn=int(seconds))

    def clear(self) -> None:
        """Remove everything of this run."""
        for key in sorted(self._written):
            self._ask(f"delete {key} from", lambda key=key: self._ours.delete_object(Bucket=self._bucket, Key=key))  # type: ignore[misc]

    def clear_stale(self, now: datetime | None = None) -> int:
        """Remove what killed runs left behind, once nobody can be using it any more; return how many objects."""
        before = (now or datetime.now(UTC)) - _STALE
        stale = self._ask("list", lambda: [key for key, written in self._listed() if written < before])
        for key in stale:
            self._ask(f"delete {key} from", lambda key=key: self._ours.delete_object(Bucket=self._bucket, Key=key))  # type: ignore[misc]
        return len(stale)

    def close(self) -> None:
        """Close the connections."""
        self._ours.close()
        self._theirs.close()

    def _listed(self) -> Iterator[tuple[str, datetime]]:
        for page in self._ours.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=PREFIX):
            yield from ((one["Key"], one["LastModified"]) for one in page.get("Contents", []))

    def _key(self, name: str) -> str:
        key = f"{self._prefix}{name}"
        self._written.add(key)
        return key

    def _ask(self, doing: str, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except (ClientError, BotoCoreError) as error:
            raise InvalidRunError(
                f"the load generators cannot be led: could not {doing} bucket {self._bucket} ({error}); look at the store with: "
                "python -m validation preflight --stack NAME"
            ) from error


def connect(endpoint: str, region: str, credential: Credential, ca_file: Path | None) -> "S3Client":
    """Return a client of the store; presigning with it sends nothing."""
    # an address that asks for a checksum could not be used by a plain client
    plain = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    return s3_client(endpoint, region, credential, ca_file, plain)
