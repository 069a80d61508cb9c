"""What the tests of the preflight share: a certificate authority, and a way to run the preflight in this process."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components import stores
from components.stores.s3 import S3Server as Administrator
from tests import certificates, s3_server
from tests.certificates import Made
from tests.s3_server import ADMIN_KEY, PROFILE, Server
from validation.checks.registry import Check
from validation.checks.storage.aim import Options, Wal
from validation.checks.storage.bucket import identity
from validation.checks.storage.connection import clock, endpoint, tls
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import Finding, PreflightRecord
from validation.judge.errors import Outcome
from validation.run.record import Reporter
from validation.suites import preflight as suite

FIRST = (endpoint, tls, clock, identity)
QUICK: dict[str, Any] = {"timeout_s": 2, "patience_s": 1}
PATIENT = QUICK | {"timeout_s": 20}
"""Of a server that does answer, only not at once on a busy machine."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Preflight:
    """Runs it with options of its own, on top of those that fit the test's store."""

    options: Options
    directory: Path

    def __call__(self, *questions: Check[StoreContext], now: Callable[[], datetime] = _now, **changes: Any) -> PreflightRecord:
        """Ask these questions after those about the connection and the key; all when none is named."""
        overrides = suite.Overrides(now=now, checks=[*FIRST, *questions] if questions else STORE.ordered())
        return suite.execute(replace(self.options, **changes), Reporter(quiet=True), self.directory / "report.json", overrides)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "report.json").read_text())
        return found


def key_files(directory: Path, access_key: str, secret_key: str) -> Path:
    """Write a key as a pod mounts a Secret."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "access_key").write_text(access_key)
    (directory / "secret_key").write_text(f"{secret_key}\n")
    return directory


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("authority"), "ca", hosts=("authority.example",))


@pytest.fixture
def preflight(tmp_path: Path) -> Preflight:
    """Return a preflight without performance, with a made-up key and no endpoint yet."""
    key = key_files(tmp_path / "key", "AKIDEXAMPLE", "made-up-secret")
    return Preflight(
        Options(bucket="rag-milvus", credential_dir=key, performance=False, wal=Wal.WOODPECKER, installed=False, **QUICK), tmp_path
    )


BUCKET, DOCUMENTS, VERSIONED, LOCKED = "rag-milvus", "rag-documents", "versioned", "locked"
READS = stores.Permissions(bucket_actions=("s3:ListBucket",), object_actions=("s3:GetObject",))
NO_LIST = replace(stores.MILVUS, bucket_actions=("s3:GetBucketLocation",))


@dataclass(frozen=True)
class Site:
    """A server with buckets of every kind, and a key for each kind of user, as files."""

    server: Server
    admin: Administrator
    keys: dict[str, Path]
    ca_file: Path


def _make_key(admin: Administrator, user: str, bucket: str, permissions: stores.Permissions, directory: Path) -> Path:
    with admin.iam() as iam:
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="one-bucket", PolicyDocument=stores.document(bucket, permissions))
        made = iam.create_access_key(UserName=user)["AccessKey"]
    return key_files(directory, made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start the server, and make buckets and users."""
    s3_server.require()
    root = tmp_path_factory.mktemp("preflight")
    tls = certificates.make(root)
    s3_server.credentials(root / "credentials", PROFILE, ADMIN_KEY)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(root / "credentials"))
        server = s3_server.start(stack, root, tls, gateway=["--virtual-domain", "localhost"])
        admin = Administrator(
            endpoint=server.endpoint, iam_endpoint=server.iam_endpoint, region="us-east-1", ca_pem=server.ca_pem, admin_profile=PROFILE
        )
        with admin.s3() as s3:
            for bucket in (BUCKET, DOCUMENTS, VERSIONED):
                s3.create_bucket(Bucket=bucket)
            s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
            s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        users = {
            "milvus": (BUCKET, stores.MILVUS),
            "tenant": (DOCUMENTS, stores.MILVUS),
            "reader": (BUCKET, READS),
            "no-list": (BUCKET, NO_LIST),
            "versioned": (VERSIONED, stores.MILVUS),
            "locked": (LOCKED, stores.MILVUS),
        }
        keys = {user: _make_key(admin, user, bucket, allowed, root / "keys" / user) for user, (bucket, allowed) in users.items()}
        yield Site(server, admin, keys, tls.crt_file)


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Preflight:
    """Return a preflight that is green."""
    options = Options(
        endpoint=site.server.endpoint,
        bucket=BUCKET,
        ca_file=site.ca_file,
        credential_dir=site.keys["milvus"],
        admin_profile=PROFILE,
        other_bucket=DOCUMENTS,
        performance=False,
        wal=Wal.WOODPECKER,
        **PATIENT,
    )
    return Preflight(options, tmp_path)


def keys_in(site: Site, bucket: str = BUCKET) -> list[str]:
    with site.admin.s3() as s3:
        return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def found(record: PreflightRecord, name: str) -> Finding:
    return next(one for one in record.findings if one.name == name)


def red(record: PreflightRecord) -> list[str]:
    return [one.name for one in record.findings if one.outcome not in {Outcome.PASS, None}]
