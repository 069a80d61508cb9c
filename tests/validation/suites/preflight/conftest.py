"""What the tests of the preflight share: a certificate authority, and a way to run the preflight in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import certificates
from tests.certificates import Made
from validation.checks.registry import Check
from validation.checks.storage.connection import clock, endpoint, tls
from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.key import identity
from validation.checks.storage.options import Options, Wal
from validation.checks.storage.record import PreflightRecord
from validation.run.progress import Reporter
from validation.suites import preflight as suite

FIRST = (endpoint, tls, clock, identity)
QUICK: dict[str, Any] = {"timeout_s": 2, "patience_s": 1}


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
