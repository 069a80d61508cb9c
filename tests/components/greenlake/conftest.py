"""The lab's GreenLake emulator over TLS, on the real S3 and IAM server of the other tests."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import uvicorn

from components.stores.greenlake.system import GreenLakeSystem
from components.stores.s3 import S3Server
from lab.greenlake.app import Emulator
from lab.greenlake.backend import Backend, Servers
from lab.greenlake.faults import Fault
from lab.greenlake.tokens import Tokens
from tests.s3_server import ADMIN_KEY, PROFILE

CLIENT_ID, CLIENT_SECRET = "an-api-client", "a-secret-of-the-client"
SYSTEM = "8UW0002928"


@dataclass
class Served:
    """The emulator, how to reach it, and what it was asked."""

    emulator: Emulator
    system: GreenLakeSystem
    asked: list[str] = field(default_factory=list)

    def misbehave(self, **fault: Any) -> None:
        self.emulator.order(Fault(**fault))

    def names(self, collection: str) -> list[str]:
        backend = self.emulator.operations.backend
        listing = {"users": backend.users, "policies": backend.policies, "buckets": backend.buckets}
        return sorted(listing[collection]())


@pytest.fixture(scope="session")
def served(store: S3Server, store_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    ca_file = store_home / "tls.crt"
    servers = Servers(
        s3=store.endpoint, iam=store.iam_endpoint, ca_file=ca_file, administrator=(PROFILE, ADMIN_KEY), iam_folder=store_home / "iam"
    )
    emulator = Emulator(Backend(servers, tmp_path_factory.mktemp("greenlake")), Tokens(CLIENT_ID, CLIENT_SECRET), SYSTEM, polling_s=0)
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        recorded(emulator.application(), asked),
        ssl_certfile=str(ca_file),
        ssl_keyfile=str(store_home / "tls.key"),
        log_level="critical",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.02)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    yield Served(emulator, system_at(url, store), asked)
    server.should_exit = True
    thread.join()
    listener.close()


def recorded(app: Any, asked: list[str]) -> Any:
    """Write down method and path of every request."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        asked.append(f"{scope['method']} {scope['path'].partition(SYSTEM)[2] or scope['path']}")
        await app(scope, receive, send)

    return wrapped


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
    served.emulator.behave()


@pytest.fixture
def bucket() -> str:
    return f"gl-{uuid4().hex[:12]}"


def s3_with(system: GreenLakeSystem, ca_file: Path, outputs: dict[str, Any]) -> Any:
    """Return a client that signs with a key that the driver made."""
    session = boto3.Session(outputs["access_key"], outputs["secret_key"], region_name="us-east-1")
    return session.client("s3", endpoint_url=system.endpoint, verify=str(ca_file))
