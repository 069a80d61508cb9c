"""The lab's GreenLake emulator over TLS, which misbehaves on request, on the real S3 and IAM server of the other tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from components.stores.greenlake import GreenLakeSystem
from components.stores.s3 import S3Server
from tests.emulators.greenlake.backend import Servers
from tests.emulators.misbehaving_greenlake import Misbehaving
from tests.emulators.misbehaving_greenlake import served as serving
from tests.s3_server import ADMIN_KEY, PROFILE

CLIENT_ID, CLIENT_SECRET = "an-api-client", "a-secret-of-the-client"
SYSTEM = "8UW0002928"


@dataclass
class Served:
    """The emulator, and how to reach it."""

    api: Misbehaving
    system: GreenLakeSystem

    def misbehave(self, **fault: Any) -> None:
        self.api.misbehave(**fault)

    @property
    def asked(self) -> list[str]:
        return self.api.asked

    def names(self, collection: str) -> list[str]:
        backend = self.api.backend
        listing = {"users": backend.users, "policies": backend.policies, "buckets": backend.buckets}
        return sorted(listing[collection]())


@pytest.fixture(scope="session")
def served(store: S3Server, store_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ca_file = store_home / "tls.crt"
    servers = Servers(
        s3=store.endpoint, iam=store.iam_endpoint, ca_file=ca_file, administrator=(PROFILE, ADMIN_KEY), iam_folder=store_home / "iam"
    )
    api = Misbehaving(servers, tmp_path_factory.mktemp("greenlake"), (CLIENT_ID, CLIENT_SECRET), SYSTEM)
    with serving(api, ca_file, store_home / "tls.key") as url:
        yield Served(api, system_at(url, store))


def system_at(url: str, store: S3Server) -> GreenLakeSystem:
    return GreenLakeSystem(
        api_endpoint=url,
        token_url=f"{url}/as/token.oauth2",
        system_id=SYSTEM,
        client_profile="default",
        api_ca_pem=store.ca_pem,
        endpoint=store.endpoint,
        region=store.region,
        ca_pem=store.ca_pem,
    )


@pytest.fixture
def greenlake(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Behaves, until a test lets it misbehave; the API client is in a file."""
    for name in ("GREENLAKE_CLIENT_ID", "GREENLAKE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "greenlake").write_text(f"[default]\nclient_id = {CLIENT_ID}\nclient_secret = {CLIENT_SECRET}\n")
    monkeypatch.setenv("GREENLAKE_CREDENTIALS_FILE", str(tmp_path / "greenlake"))
    served.asked.clear()
    yield served
    served.api.behave()


@pytest.fixture
def bucket() -> str:
    return f"gl-{uuid4().hex[:12]}"
