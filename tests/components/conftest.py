"""A real S3 server with its IAM API over TLS, for the tests of the providers; only where `versitygw` is on PATH."""

import datetime as dt
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tenacity import retry, stop_after_delay, wait_fixed

from components.s3.store import Store

ADMIN_KEY = "made-up-administrator"
PROFILE = "test-admin"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Run the server, with the profile `test-admin` for its administrator in a credentials file of its own."""
    if shutil.which("versitygw") is None:
        pytest.skip('versitygw is not on PATH; a shell of the lab has it: eval "$(make -s env)"')
    root = tmp_path_factory.mktemp("store")
    ca_pem = certificate(root)
    credentials(root / "credentials", PROFILE, ADMIN_KEY)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(root / "credentials"))
        yield start(stack, root, ca_pem)


def start(stack: ExitStack, root: Path, ca_pem: str) -> Store:
    s3_port, iam_port = free_port(), free_port()
    for directory in ("data", "versions", "iam"):
        (root / directory).mkdir()
    tls = ["--cert", str(root / "tls.crt"), "--key", str(root / "tls.key")]
    iam = ["iam", "--dir", str(root / "iam"), "--private-ports", str(root / "iam.sock")]
    gateway = ["--iam-standalone-endpoint", str(root / "iam.sock"), "--iam-cache-disable"]
    posix = ["posix", "--versioning-dir", str(root / "versions"), str(root / "data")]
    for port, arguments in ((iam_port, iam), (s3_port, [*gateway, *posix])):
        stack.enter_context(running(["versitygw", "--quiet", "--port", f"127.0.0.1:{port}", *tls, *arguments]))
        wait_for(port, ca_pem)
    return Store(
        endpoint=f"https://127.0.0.1:{s3_port}",
        iam_endpoint=f"https://127.0.0.1:{iam_port}",
        region="us-east-1",
        ca_pem=ca_pem,
        admin_profile=PROFILE,
    )


class running:  # noqa: N801  reads as a verb
    """A process that ends with the block."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def __enter__(self) -> None:
        environment = {**os.environ, "ROOT_ACCESS_KEY": PROFILE, "ROOT_SECRET_KEY": ADMIN_KEY}
        self.process = subprocess.Popen(self.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def credentials(path: Path, profile: str, secret_key: str) -> None:
    path.write_text(f"[{profile}]\naws_access_key_id = {PROFILE}\naws_secret_access_key = {secret_key}\n")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True)
def wait_for(port: int, ca_pem: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        ssl.create_default_context(cadata=ca_pem).wrap_socket(plain, server_hostname="127.0.0.1"),
    ):
        pass


def certificate(directory: Path) -> str:
    """Self-signed for the loopback: `tls.crt` and `tls.key`; gives the PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test store")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (directory / "tls.crt").write_bytes(pem)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "tls.key").write_bytes(private)
    return pem.decode()
