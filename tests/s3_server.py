"""A real S3 server, with its IAM API, over TLS on the loopback; only where `versitygw` is on PATH."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from tests.certificates import Made

ADMIN_KEY = "made-up-administrator"
PROFILE = "test-admin"
"""Access key of the administrator, and name of its AWS profile."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs."""

    endpoint: str
    iam_endpoint: str
    ca_pem: str
    buckets: Path
    """Directory in which each bucket is a directory."""


def require() -> None:
    """Skip the test where there is no server to start."""
    if shutil.which("versitygw") is None:
        pytest.skip('versitygw is not on PATH; a shell of the lab has it: eval "$(./rag env)"')


def start(stack: ExitStack, root: Path, tls: Made, *, gateway: Sequence[str] = (), posix: Sequence[str] | None = None) -> Server:
    """Start both; `gateway` are more options of the S3 API, `posix` those of its backend instead of versioning."""
    s3_port, iam_port = free_port(), free_port()
    for directory in ("data", "versions", "iam"):
        (root / directory).mkdir(parents=True)
    certificate = ["--cert", str(tls.crt_file), "--key", str(tls.key_file)]
    iam = ["iam", "--dir", str(root / "iam"), "--private-ports", str(root / "iam.sock")]
    options = ["--iam-standalone-endpoint", str(root / "iam.sock"), "--iam-cache-disable", *gateway]
    backend = ["posix", *(["--versioning-dir", str(root / "versions")] if posix is None else posix), str(root / "data")]
    for port, arguments in ((iam_port, iam), (s3_port, [*options, *backend])):
        stack.enter_context(running(["versitygw", "--quiet", "--port", f"127.0.0.1:{port}", *certificate, *arguments]))
        wait_for(port, tls.pem)
    return Server(
        endpoint=f"https://127.0.0.1:{s3_port}",
        iam_endpoint=f"https://127.0.0.1:{iam_port}",
        ca_pem=tls.pem,
        buckets=root / "data",
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
