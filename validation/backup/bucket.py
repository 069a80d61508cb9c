"""The bucket of the backups, and what one backup is: a manifest that names parts by the hash of what they hold.

Below `PREFIX/NAMESPACE/DATABASE/` lie `runs/ID.json`, written last, and `parts/HASH.jsonl.gz`, shared by all runs. What has no manifest is
no backup. Only objects with such names are ever deleted.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, ValidationError

from validation.backup.content import Key, Line, Shape, digest_of
from validation.clients.documents import Credential, DocumentStore
from validation.clients.target import Part
from validation.judge.errors import GateError, InvalidRunError, UnreachableError, UsageError

PREFIX = "milvus-x10000"
_PART = re.compile(r"parts/[0-9a-f]{64}\.jsonl\.gz")
_RUN = re.compile(r"runs/([0-9]{8}_[0-9]{6}_[0-9a-f]{6})\.json")
_YOUNG = timedelta(days=1)  # a part that no manifest names may belong to a backup that is still being written
_Returned = TypeVar("_Returned")
_FULL = {"QuotaExceeded", "EntityTooLarge", "StorageFull", "XMinioStorageFull", "InsufficientStorage", "ServiceQuotaExceeded", "507"}


class PartEntry(Part):
    """One part: `digest` of its lines, `sha256` and `bytes` of the object that holds them."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    sha256: str
    bytes: int
    rows: int
    first: Key
    last: Key

    @property
    def name(self) -> str:
        """Its object, below the root of the backups."""
        return f"parts/{self.digest}.jsonl.gz"


class CollectionEntry(Part):
    """One collection."""

    name: str
    rows: int
    shape: Shape
    parts: dict[str, tuple[PartEntry, ...]]  # by partition


class Manifest(Part):
    """One backup."""

    schema_name: Literal["milvus-x10000/backup"] = Field(default="milvus-x10000/backup", alias="schema")
    schema_version: Literal[1] = 1
    id: str
    label: str = ""
    started_at: datetime
    ended_at: datetime
    milvus: str
    namespace: str
    database: str
    collections: tuple[CollectionEntry, ...]
    access: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, PartEntry]:
        """All parts by name."""
        return {part.name: part for entry in self.collections for parts in entry.parts.values() for part in parts}

    def collection(self, name: str) -> CollectionEntry:
        """Return one collection; "" for the only one there is."""
        chosen = [entry for entry in self.collections if name in {"", entry.name}]
        if len(chosen) == 1:
            return chosen[0]
        names = ", ".join(entry.name for entry in self.collections) or "none"
        raise UsageError(f"backup {self.id} holds the collections {names}; name one of them with --collection")


class Kept(NamedTuple):
    """An object as the bucket lists it."""

    bytes: int
    modified: datetime


def same_bucket(endpoint: str, bucket: str, other_endpoint: str, other_bucket: str) -> bool:
    """Whether both are one bucket of one store, as far as addresses tell."""
    first, second = ((url.hostname, url.port or {"http": 80}.get(url.scheme, 443)) for url in map(urlsplit, (endpoint, other_endpoint)))
    return bucket == other_bucket and first == second


class BackupBucket(DocumentStore):
    """The backups of one database of one environment."""

    def __init__(self, *, endpoint: str, region: str, bucket: str, credential: Credential, ca_file: Path | None, root: str) -> None:
        super().__init__(endpoint=endpoint, region=region, bucket=bucket, credential=credential, ca_file=ca_file)
        self.root = f"{PREFIX}/{root}/"

    def protection(self) -> str:
        """Say what protects what is written from whoever has its key."""
        versions = self._call("ask for the versioning of", lambda: self._s3.get_bucket_versioning(Bucket=self.bucket).get("Status", "no"))
        try:
            held = self._s3.get_object_lock_configuration(Bucket=self.bucket).get("ObjectLockConfiguration", {})
        except (ClientError, BotoCoreError):
            held = {}
        versioning = f"versioning {versions.lower()}"
        if not (rule := held.get("Rule", {}).get("DefaultRetention", {})):
            return f"no object lock, {versioning}: whoever holds this key can delete all backups"
        period = f"{rule['Days']} days" if rule.get("Days") else f"{rule.get('Years')} years"
        return f"object lock {rule['Mode']}, {period}, {versioning}"

    def manifests(self) -> list[Manifest]:
        """Return all backups, newest first; one that cannot be read is InvalidRunError."""
        return [self._manifest(name) for name in sorted(self.listing("runs/"), reverse=True) if _RUN.fullmatch(name)]

    def manifest(self, run: str) -> Manifest:
        """Return one backup, "" for the newest."""
        runs = sorted(match[1] for name in self.listing("runs/") if (match := _RUN.fullmatch(name)))
        if not runs or (run and run not in runs):
            raise UsageError.of("backup.none", bucket=self.bucket, run=run or "at all", root=self.root, there=", ".join(runs) or "none")
        return self._manifest(f"runs/{run or runs[-1]}.json")

    def _manifest(self, name: str) -> Manifest:
        try:
            return Manifest.model_validate_json(self.read(name))
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            raise InvalidRunError(f"{self.root}{name} is no manifest of this version ({reason}); choose another with --backup") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write it, last of all, so that a backup that has one is whole; InvalidRunError where a part went missing meanwhile."""
        there = self.listing("parts/")
        gone = [part.name for part in manifest.parts.values() if part.name not in there or there[part.name].bytes != part.bytes]
        if gone:
            raise InvalidRunError.of("backup.parts_gone", number=len(gone), bucket=self.bucket, first=gone[0])
        self.put(f"runs/{manifest.id}.json", manifest.model_dump_json(by_alias=True, indent=1).encode())

    def put(self, name: str, body: bytes) -> None:
        """Write one object."""
        digest = {"sha256": hashlib.sha256(body).hexdigest()}
        put = partial(self._s3.put_object, Bucket=self.bucket, Key=self.root + name, Body=body, Metadata=digest)
        self._call(f"write {name} to", put)

    def read(self, name: str) -> bytes:
        """Return one object; InvalidRunError where it is not there."""
        key = self.root + name
        return self._call(f"read {name} from", lambda: bytes(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()))

    def listing(self, below: str) -> dict[str, Kept]:
        """Return what lies below the root, by name."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.root + below)
        listed = self._call("list", lambda: [each for page in pages for each in page.get("Contents", ())])
        return {each["Key"].removeprefix(self.root): Kept(each["Size"], each["LastModified"]) for each in listed}

    def write_part(self, lines: Sequence[Line], known: dict[str, PartEntry]) -> tuple[PartEntry, bool]:
        """Write a part unless an earlier backup has it, and return it, and whether it was written."""
        digest = digest_of(lines)
        if (same := known.get(f"parts/{digest}.jsonl.gz")) is not None:
            return same, False
        body = gzip.compress(b"".join(line.text for line in lines), compresslevel=1, mtime=0)
        sha256, ends = hashlib.sha256(body).hexdigest(), {"first": lines[0].key, "last": lines[-1].key}
        entry = PartEntry(digest=digest, sha256=sha256, bytes=len(body), rows=len(lines), **ends)
        self.put(entry.name, body)
        return entry, True

    def read_part(self, part: PartEntry, shape: Shape) -> list[Line]:
        """Return the rows of a part; InvalidRunError where it is damaged or not there."""
        body = self.read(part.name)
        if hashlib.sha256(body).hexdigest() != part.sha256:
            raise InvalidRunError(f"{self.root}{part.name} is damaged: its {len(body):,} bytes have another sha256 than the manifest says")
        lines = [Line(json.loads(text)[shape.key.name], text) for text in gzip.decompress(body).splitlines(keepends=True)]
        if digest_of(lines) != part.digest:
            raise InvalidRunError(f"{self.root}{part.name} holds other rows than the manifest says")
        return lines

    def retain(self, keep: int) -> tuple[list[str], int]:
        """Delete all backups but the newest, and parts that none needs; return the backups, and how many parts stay locked by the store."""
        every = self.manifests()
        needed = {name for manifest in every[:keep] for name in manifest.parts}
        old = datetime.now(UTC) - _YOUNG
        owned = {name for manifest in every[keep:] for name in manifest.parts}
        loose = {name for name, kept in self.listing("parts/").items() if _PART.fullmatch(name) and kept.modified < old}
        gone = [manifest.id for manifest in every[keep:]]
        locked = 0
        for name in [*(f"runs/{run}.json" for run in gone), *sorted((owned | loose) - needed)]:
            try:
                self.remove(self.root + name)
            except InvalidRunError:
                locked += 1
        return gone, locked

    def _call(self, doing: str, call: Callable[[], _Returned]) -> _Returned:
        """Return what the store answers; unlike a document, a part may take as long as it takes."""
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, doing) from error

    def _explain(self, error: ClientError | BotoCoreError, doing: str) -> GateError:
        if not isinstance(error, ClientError):
            return super()._explain(error, doing)
        code = str(error.response.get("Error", {}).get("Code", "?"))
        cures = {
            "NoSuchKey": "it is not there; a rule of the bucket may expire objects; choose another backup with --backup",
            "NoSuchBucket": "there is no such bucket; make it, with object lock where the store has it",
            "AccessDenied": "the credential of the backups must allow list, get, put, and for --keep delete",
        }
        full = "it is full, or over its quota: make room, or keep fewer backups with --keep"
        cure = full if code in _FULL else cures.get(code, "see the store's log")
        kind = UnreachableError if code in {"503", "SlowDown", "ServiceUnavailable"} else InvalidRunError
        return kind(f"cannot {doing} bucket {self.bucket} at {self._endpoint}: the store answered {code}: {cure}")
