"""The service with real parts on loopback, to look at its page: the sample corpus, the lab's embedding model and reader, a small Milvus.

.venv/bin/python -m tests.page.served          serves until Ctrl-C, and prints address and key
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.services.embedder import DIMENSION, EmbeddingModel, embedder
from lab.services.embedder import MODEL as EMBEDDING
from lab.services.reader import MODEL as READER
from lab.services.reader import reader
from tests.validation.ask.stage import Kind, built, write_documents
from tests.validation.services import serving
from validation.ask.answering import Answering, bypass_proxies
from validation.ask.doors import Keys, Rate
from validation.ask.service import build
from validation.clients.connect import Connector
from validation.clients.kube import Cluster, Mounted
from validation.clients.target import Target

KEY = "key-of-the-page"
NOBODY = "http://127.0.0.1:9"
CORPUS = Path("corpus/documents")
CHOSEN = (
    "en/lynx-60-manual.html",
    "en/forklift-rules-brno.md",
    "zh/cangku-anquan-guifan.html",
    "zh/lynx-60*",
    "ja/lynx-60*",
    "ja/hoshou-kitei-2025.md",
)
"""A few of the sample corpus: enough to ask in three languages, and embedded in a minute on one busy core."""


FEW = CHOSEN[:1]
"""Enough for one cited answer; the other languages have their small documents."""


def documents(home: Path, chosen: Sequence[str] = CHOSEN) -> Path:
    """Copy what is chosen of the sample corpus beside the small documents of the tests, the hostile one among them."""
    for pattern in chosen:
        for path in CORPUS.glob(pattern):
            copy = home / path.relative_to(CORPUS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return write_documents(home)


def serve(closing: ExitStack, outputs: Mapping[str, Any], kubernetes: Cluster, keys: Mapping[str, str]) -> str:
    """Serve in this process what `outputs` name, with one key for each database, and return the address."""
    target = Target.model_validate(outputs)
    connector = Connector(target=target, kubernetes=kubernetes, closing=closing, secrets=[])
    bypass_proxies(connector)
    tenants = dict.fromkeys(keys.keys() - {target.milvus_database}, "")
    return closing.enter_context(serving(build(Answering(connector, tenants), Keys(None, dict(keys)), Rate(1000, 1000), 64)))


def pages(closing: ExitStack, outputs: Mapping[str, Any], kubernetes: Cluster, keys: Mapping[str, str]) -> dict[str, str]:
    """Return the address of the whole service under "", and of one whose part of that name is away."""
    away = {"": {}, "llm": {"llm_url": NOBODY}, "embedding": {"embedding_url": NOBODY}, "milvus": {"milvus_uri": NOBODY}}
    return {part: serve(closing, {**outputs, **changed}, kubernetes, keys) for part, changed in away.items()}


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Yield the addresses of the page on loopback."""
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        apps = embedder(EmbeddingModel()), reader()
        kind = Kind(embedding=EMBEDDING, dimension=DIMENSION, llm=READER, prefixes=("query: ", "passage: "), apps=apps)
        stage = closing.enter_context(built(home, documents(home / "documents"), kind))
        secrets = home / "secrets" / "documents-s3"
        secrets.mkdir(parents=True)
        for name, text in {"access_key": "AKIDEXAMPLE", "secret_key": "very-secret"}.items():
            (secrets / name).write_text(text)
        yield pages(closing, stage.outputs, Mounted(home / "secrets"), {"default": KEY})


if __name__ == "__main__":
    with served() as urls:
        print(f"{urls['']}/  key: {KEY}", flush=True)
        while True:
            time.sleep(1)
