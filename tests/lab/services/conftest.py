"""The two services, really served on loopback, and the model loaded once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from lab.services.embedder import EmbeddingModel, embedder
from lab.services.reader import reader

_START_S = 30


@contextmanager
def served(app: ASGIApp) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + _START_S
        while not server.started:
            assert thread.is_alive(), "the server ended before it began: see its exception above"
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=500) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def model() -> EmbeddingModel:
    return EmbeddingModel()


@pytest.fixture(scope="session")
def embedding(model: EmbeddingModel) -> Iterator[httpx.Client]:
    with served(embedder(model)) as client:
        yield client


@pytest.fixture(scope="session")
def reading() -> Iterator[httpx.Client]:
    with served(reader()) as client:
        yield client
