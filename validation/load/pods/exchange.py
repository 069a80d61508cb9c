"""What the gate and its generators in pods exchange, and the bucket through which it goes.

A generator gets no key of the store. Its order names four objects by presigned addresses: the share and the start that it reads, the status
and the result that it writes. Passwords are in none of them: the pod mounts the Secret. The bucket is Milvus's, beside Milvus's root path,
since that one keeps no versions: in the documents' bucket every status would stay for ever. Its key is read by the gate alone.
"""

import io
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from validation.clients.documents import Credential, S3Client, s3_client, within
from validation.judge.errors import InvalidRunError
from validation.judge.profile import Search
from validation.load.open_loop import Sample
from validation.load.workers import Share

VERSION = 5  # raised with every change of these messages: an image of another version is refused instead of misunderstood
PREFIX = "gate-load/"
_STALE = timedelta(hours=4)  # longer than any address or Job of a run lives
_Answer = TypeVar("_Answer")


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Order(_Message):
    """All that one generator must know."""

    version: int = VERSION
    uri: str  # Milvus, by the name of its Service
    database: str
    collection: str
    limit: int
    search: Search
    connections: int  # how many it opens to Milvus
    share_url: str
    start_url: str
    status_url: str
    result_url: str


class Start(_Message):
    """When all generators begin; written once all of them are ready."""

    at_s: float  # seconds since the epoch


class Status(_Message):
    """What a generator says of itself; it appears once it is ready."""

    state: Literal["ready", "failed"] = "ready"
    reason: str = ""
    done: int = 0  # requests sent


class Result(_Message):
    """What became of a share: every request, and what the generator knows of itself."""

    samples: tuple[Sample, ...]  # in seconds from the common start
    histogram: str  # latencies, failed requests as slow as the time-out, in HdrHistogram's own form
    delays: str  # how late requests left, in the same form
    throttled_s: float | None  # how long the pod was kept from its CPU by a limit meanwhile; None where the node does not say
    clock_ahead_s: tuple[float, float]  # between these two the pod's clock is ahead of the store's
    stepped_s: float  # by how much the wall clock was set meanwhile

    def pack(self) -> bytes:
        """Return it as one object."""
        return zlib.compress(self.model_dump_json().encode())

    @classmethod
    def unpack(cls, body: bytes) -> "Result":
        """Inverse of `pack`."""
        return cls.model_validate_json(zlib.decompress(body))


def pack_share(share: Share) -> bytes:
    """Return it as one object: the vectors as a file of numpy's, all else as JSON."""
    packed, plain = io.BytesIO(), {"numbers": [*share.numbers], "expressions": [*share.expressions], "due_s": [*share.due_s]}
    np.savez_compressed(packed, vectors=share.vectors, plain=np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8))
    return packed.getvalue()


def unpack_share(body: bytes) -> Share:
    """Inverse of `pack_share`."""
    with np.load(io.BytesIO(body), allow_pickle=False) as packed:
        return Share(vectors=packed["vectors"], **json.loads(packed["plain"].tobytes()))


class LoadBucket:
    """The objects of one run, below a prefix of its own."""

    def __init__(self, *, bucket: str, run: str, ours: S3Client, theirs: S3Client) -> None:
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
            with suppress(self._ours.exceptions.NoSuchKey):
                return self._ours.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            return None

        return self._ask(f"read {key} from", read)

    def address(self, name: str, method: str, seconds: float) -> str:
        """Return an address, as pods reach the store, with which this one object can be read (`get`) or written (`put`)."""
        parameters = {"Bucket": self._bucket, "Key": self._key(name)}
        return self._theirs.generate_presigned_url(f"{method}_object", Params=parameters, ExpiresIn=int(seconds))

    def clear(self) -> None:
        """Remove everything of this run."""
        self._delete(sorted(self._written))

    def clear_stale(self, now: datetime | None = None) -> int:
        """Remove what killed runs left behind, once nobody can be using it any more; return how many objects."""
        before = (now or datetime.now(UTC)) - _STALE

        def stale() -> list[str]:
            pages = self._ours.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=PREFIX)
            return [each["Key"] for page in pages for each in page.get("Contents", []) if each["LastModified"] < before]

        return self._delete(self._ask("list", stale))

    def _delete(self, keys: list[str]) -> int:
        for key in keys:
            self._ask(f"delete {key} from", lambda key=key: self._ours.delete_object(Bucket=self._bucket, Key=key))  # type: ignore[misc]
        return len(keys)

    def close(self) -> None:
        """Close the connections."""
        self._ours.close()
        self._theirs.close()

    def _key(self, name: str) -> str:
        key = f"{self._prefix}{name}"
        self._written.add(key)
        return key

    def _ask(self, doing: str, question: Callable[[], _Answer]) -> _Answer:
        try:
            return within(120.0, f"bucket {self._bucket}: what should {doing} it", question)
        except (ClientError, BotoCoreError) as error:
            raise InvalidRunError.of("pods.store", doing=doing, bucket=self._bucket, error=error) from error


def connect(endpoint: str, region: str, credential: Credential, ca_file: Path | None) -> S3Client:
    """Return a client of the store; presigning with it sends nothing."""
    # an address that asks for a checksum could not be used by a plain client
    plain = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    return s3_client(endpoint, region, credential, ca_file, plain)
