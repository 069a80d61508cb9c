"""The documents bucket: originals go in once, are read back, and stay: chunks name them as their source."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, FlexibleChecksumError, SSLError

from validation.judge.errors import GateError, InvalidRunError, UnreachableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client  # stubs only; nothing to import at run time

_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An access key pair; the secret half never shows in a repr."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "Credential(...)"


_TALK = Config(
    connect_timeout=_TIMEOUT_S,
    read_timeout=_TIMEOUT_S,
    retries={"total_max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    signature_version="s3v4",
)


def s3_client(endpoint: str, region: str, credential: Credential, ca_file: Path | None, more: Config = _TALK) -> "S3Client":
    """Return a client of the store that talks as the gate does, with what `more` adds or changes; it is the caller's to close."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=credential.access_key,
        aws_secret_access_key=credential.secret_key,
        verify=str(ca_file) if ca_file else None,
        config=_TALK.merge(more),
    )


@dataclass(frozen=True, kw_only=True)
class Original:
    """Where one original is kept."""

    key: str
    version_id: str
    """"" where the bucket keeps no versions."""
    written: bool
    """Whether it was not there before."""


class DocumentStore:
    """One bucket, seen with one credential."""

    def __init__(self, *, endpoint: str, region: str, bucket: str, credential: Credential, ca_file: Path | None) -> None:
        self._endpoint = endpoint
        self.bucket = bucket
        self._s3 = s3_client(endpoint, region, credential, ca_file)

    def close(self) -> None:
        """Close its connections."""
        self._s3.close()

    def check(self) -> None:
        """Refuse a bucket that cannot be reached or seen."""
        try:
            self._s3.head_bucket(Bucket=self.bucket)
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, "see") from error

    def store(self, key: str, body: bytes, media_type: str) -> Original:
        """Make sure that `key` holds exactly `body`, by reading the version back that the store says it is."""
        try:
            latest, version = self._latest(key)
            if latest == body:
                return Original(key=key, version_id=version, written=False)
            digest = hashlib.sha256(body).hexdigest()
            put = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=media_type, Metadata={"sha256": digest})
            version = put.get("VersionId", "")
            kept = self._version(key, version) if version else self._latest(key)[0]
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"write {key} to") from error
        if kept != body:
            raise InvalidRunError(f"bucket {self.bucket} answered the write of {key} with success, but reads back other bytes")
        return Original(key=key, version_id=version, written=True)

    def read_version(self, key: str, version_id: str) -> bytes:
        """Return one version of an object, whatever came after it."""
        try:
            return self._version(key, version_id)
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"read {key}, version {version_id}, from") from error

    def link(self, key: str, version_id: str, seconds: int) -> str:
        """Return an address that opens one version for so many seconds, to whoever has it."""
        asked = {"Bucket": self.bucket, "Key": key, "VersionId": version_id}
        return self._s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    def remove(self, key: str) -> int:
        """Delete every version of an object, and return how many there were."""
        try:
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
            versions = [
                each for page in pages for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())) if each["Key"] == key
            ]
            for version in versions:
                self._s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version["VersionId"])
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"delete {key} from") from error
        return len(versions)

    def _version(self, key: str, version_id: str) -> bytes:
        return self._s3.get_object(Bucket=self.bucket, Key=key, VersionId=version_id)["Body"].read()

    def _latest(self, key: str) -> tuple[bytes | None, str]:
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None, ""
        return answer["Body"].read(), answer.get("VersionId", "")

    def _explain(self, error: ClientError | BotoCoreError, doing: str) -> GateError:
        kind: type[GateError] = InvalidRunError
        if isinstance(error, SSLError):
            reason = f": its certificate is not trusted ({error}); the stack's object_store.ca_file must hold its CA"
            kind = UnreachableError
        elif isinstance(error, FlexibleChecksumError):
            reason = ": its bytes do not fit their checksum; they were altered in the store"
        elif isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "?")
            reason = f": the store answered {code}; the documents credential must allow list, get and put; --remove also delete"
        else:
            hint = "is the object store up?" if isinstance(error, EndpointConnectionError) else "try again"
            reason, kind = f" ({type(error).__name__}); {hint}", UnreachableError
        return kind(f"cannot {doing} bucket {self.bucket} at {self._endpoint}{reason}")
