"""The documents bucket: originals go in once, are read back, and stay: chunks name them as their source."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.credentials import EnvProvider, SharedCredentialProvider
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, FlexibleChecksumError, SSLError

from validation.judge.errors import GateError, InvalidRunError, UnreachableError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any  # the package holds types alone, and is not there at run time

__all__ = ["S3Client"]  # of that package, for whoever is given a client
_TIMEOUT_S = 10
_TOTAL_S = 120.0  # for one object, whatever its size: botocore's own time-outs begin anew with every byte

_Returned = TypeVar("_Returned")


class ClockSkewError(InvalidRunError):
    """The store refuses what this machine signs, since their clocks differ: nothing is known of what it holds."""

    code = "store.clock_skew"


def within(seconds: float, what: str, call: Callable[[], _Returned]) -> _Returned:
    """Return what `call` returns; UnreachableError after so many seconds, when it is left to a thread that nobody waits for."""
    future = Future[_Returned]()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        raise UnreachableError(f"{what} did not end within {seconds:g} s: bytes come, but too slowly; is the store overloaded?") from None


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An access key pair; it never shows in a repr."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def credential_in(directory: Path) -> Credential:
    """Return the key in the files `access_key` and `secret_key`."""
    option = f"--credential-dir {directory}"
    try:
        access_key, secret_key = ((directory / name).read_text(encoding="utf-8").strip() for name in ("access_key", "secret_key"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: {error}; it must hold the files access_key and secret_key, as a pod mounts the Secret") from None
    if not access_key or not secret_key:
        raise UsageError(f"{option}: access_key or secret_key is empty; deploy the Secret again: pulumi up")
    return Credential(access_key=access_key, secret_key=secret_key)


_TALK = Config(
    connect_timeout=_TIMEOUT_S,
    read_timeout=_TIMEOUT_S,
    retries={"total_max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    signature_version="s3v4",
)


def s3_client(endpoint: str, region: str, credential: Credential, ca_file: Path | None, more: Config = _TALK) -> S3Client:
    """Return a client of the store that talks as the gate does, with what `more` adds or changes; it is the caller's to close."""
    keys: dict[str, Any] = {"aws_access_key_id": credential.access_key, "aws_secret_access_key": credential.secret_key}
    place: dict[str, Any] = {"endpoint_url": endpoint, "region_name": region, "verify": str(ca_file) if ca_file else None}
    # not the default session, which keeps the profiles that it once read
    return boto3.Session().client("s3", config=_TALK.merge(more), **place, **keys)


@dataclass(frozen=True, kw_only=True)
class Original:
    """Where one original is kept."""

    key: str
    version_id: str  # "" where the bucket keeps no versions
    written: bool  # whether it was not there before


class DocumentStore:
    """One bucket, seen with one credential."""

    def __init__(self, *, endpoint: str, region: str, bucket: str, credential: Credential, ca_file: Path | None) -> None:
        self._endpoint, self._region, self.bucket, self._ca_file = endpoint, region, bucket, ca_file
        self._s3 = s3_client(endpoint, region, credential, ca_file)

    def close(self) -> None:
        """Close its connections."""
        self._s3.close()

    def check(self) -> None:
        """Refuse a bucket that cannot be reached or seen."""
        self._ask("see", lambda: self._s3.head_bucket(Bucket=self.bucket))

    def usage(self) -> tuple[int, int]:
        """Return how many objects it holds, and their bytes."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        sizes = self._ask("list", lambda: [each["Size"] for page in pages for each in page.get("Contents", ())])
        return len(sizes), sum(sizes)

    def date(self) -> str:
        """Return the header `Date` of an answer, "" where there is none."""
        answer = self._ask("see", lambda: self._s3.head_bucket(Bucket=self.bucket))
        return str(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))

    def store(self, key: str, body: bytes, media_type: str) -> Original:
        """Make sure that `key` holds exactly `body`, by reading the version back that the store says it is."""
        latest, version = self._ask(f"read {key} from", lambda: self._latest(key))
        if latest == body:
            return Original(key=key, version_id=version, written=False)

        def write() -> tuple[str, bytes | None]:
            digest = hashlib.sha256(body).hexdigest()
            put = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=media_type, Metadata={"sha256": digest})
            new = put.get("VersionId", "")
            return new, self._version(key, new) if new else self._latest(key)[0]

        version, kept = self._ask(f"write {key} to", write)
        if kept != body:
            raise InvalidRunError(f"bucket {self.bucket} answered the write of {key} with success, but reads back other bytes")
        return Original(key=key, version_id=version, written=True)

    def read_version(self, key: str, version_id: str) -> bytes:
        """Return one version of an object, whatever came after it."""
        return self._ask(f"read {key}, version {version_id}, from", lambda: self._version(key, version_id))

    def link(self, key: str, version_id: str, seconds: int) -> str:
        """Return an address that opens one version for so many seconds, to whoever has it."""
        asked = {"Bucket": self.bucket, "Key": key, "VersionId": version_id}
        return self._s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    def remove(self, key: str) -> int:
        """Delete every version of an object, and return how many there were; as whoever types the command, where the services may not."""
        try:
            return self._remove_as(self._s3, key)
        except InvalidRunError:
            file, profile = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), os.environ.get("AWS_PROFILE", "default")
            there = EnvProvider().load() or SharedCredentialProvider(file, profile).load()  # where AWS's own tools look for it
            if there is None:
                raise
            own = Credential(access_key=there.access_key, secret_key=there.secret_key)
            with closing(s3_client(self._endpoint, self._region, own, self._ca_file)) as client:
                return self._remove_as(client, key)

    def _remove_as(self, client: S3Client, key: str) -> int:
        def delete() -> int:
            pages = client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
            entries = (each for page in pages for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())))
            versions = [each for each in entries if each["Key"] == key]
            for version in versions:
                client.delete_object(Bucket=self.bucket, Key=key, VersionId=version["VersionId"])
            return len(versions)

        return self._ask(f"delete {key} from", delete)

    def _ask(self, doing: str, call: Callable[[], _Returned]) -> _Returned:
        try:
            return within(_TOTAL_S, f"bucket {self.bucket} at {self._endpoint}: what should {doing} it", call)
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, doing) from error

    def _version(self, key: str, version_id: str) -> bytes:
        return self._s3.get_object(Bucket=self.bucket, Key=key, VersionId=version_id)["Body"].read()

    def _latest(self, key: str) -> tuple[bytes | None, str]:
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None, ""
        return answer["Body"].read(), answer.get("VersionId", "")

    def _explain(self, error: ClientError | BotoCoreError, doing: str) -> GateError:
        failed = f"cannot {doing} bucket {self.bucket} at {self._endpoint}"
        if isinstance(error, SSLError):
            return UnreachableError(f"{failed}: its certificate is not trusted ({error}); object_store.ca_file must hold its CA")
        if isinstance(error, FlexibleChecksumError):
            return InvalidRunError(f"{failed}: its bytes do not fit their checksum; they were altered in the store")
        if not isinstance(error, ClientError):
            hint = "is the object store up?" if isinstance(error, EndpointConnectionError) else "try again"
            return UnreachableError(f"{failed} ({type(error).__name__}); {hint}")
        code = error.response.get("Error", {}).get("Code", "?")
        if code in {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}:
            cure = "let chrony or another NTP client keep this machine's clock; nothing in the store was altered"
            return ClockSkewError(f"{failed}: the store answered {code}; {cure}")
        cure = "the documents credential must allow list, get and put; to delete set AWS_PROFILE"
        return InvalidRunError(f"{failed}: the store answered {code}; {cure}")
