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
from lab.services.model import EmbeddingModel

REPOSITORY = Path(__file__).parents[3]
_START_S = 60


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Path:
    root = tmp_path_factory.mktemp("app")
    shutil.copytree(REPOSITORY / "lab" / "services", root / "services", ignore=shutil.ignore_patterns("__pycache__"))
    model.save(root / "model.npz")
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


@pytest.mark.parametrize("service", ["embedder", "reader"])
def test_a_service_starts_answers_and_ends_on_sigterm_with_clients_connected(image: Path, service: str) -> None:
    options: list[str | Path] = ["--model", image / "model.npz"] if service == "embedder" else []
    with running(image, service, *options) as (process, client):
        assert client.get("/v1/models").json()["data"][0]["owned_by"] == "lab stand-in"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "GET /v1/models 200" in output
    assert "Traceback" not in output


def test_fit_writes_a_model_and_prints_its_card(passages_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(passages_file), str(tmp_path / "fitted.npz"), "--dimension", "64"]) == 0
    assert "lab-char-svd-64" in capsys.readouterr().out
    assert EmbeddingModel.load(tmp_path / "fitted.npz").card.dimension == 64


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["embedder", "--model", "missing.npz"], "make it with: python3 -m services fit"),
        (["fit", "nowhere", "out.npz"], "make it with: python -m validation passages"),
        (["fit", "PASSAGES", "out.npz", "--dimension", "100000"], "or use --dimension"),
        (["fit", "PASSAGES", "no/such/directory/out.npz", "--dimension", "8"], "no/such/directory"),
    ],
)
def test_what_cannot_work_ends_with_code_2_and_one_line_that_helps(
    arguments: list[str], cure: str, passages_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = passages_file.parent / "empty"
    empty.mkdir(exist_ok=True)
    monkeypatch.chdir(empty)
    assert main([str(passages_file) if one == "PASSAGES" else one for one in arguments]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert cure in complaint
    assert not list(empty.iterdir())
