"""The two services, really served on loopback, and the model fitted once."""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from lab.services.embedder import embedder
from lab.services.fit import fit
from lab.services.model import EmbeddingModel
from lab.services.reader import reader
from validation.corpus.documents import write_passages

CORPUS = Path(__file__).parents[3] / "corpus"
_START_S = 30


@contextmanager
def served(app: ASGIApp) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + _START_S
        while not server.started:
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def passages_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "passages.jsonl"
    write_passages(CORPUS, path)
    return path


@pytest.fixture(scope="session")
def model(passages_file: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> EmbeddingModel:
    """Fit it in one of the processes that run tests, and read what that one wrote in the others."""
    if worker_id == "master":
        return fit(passages_file, 512)
    written = tmp_path_factory.getbasetemp().parent / "model.npz"
    with written.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not written.exists():
            fit(passages_file, 512).save(written)
        return EmbeddingModel.load(written)


@pytest.fixture(scope="session")
def embedding(model: EmbeddingModel) -> Iterator[httpx.Client]:
    with served(embedder(model)) as client:
        yield client


@pytest.fixture(scope="session")
def reading() -> Iterator[httpx.Client]:
    with served(reader()) as client:
        yield client
