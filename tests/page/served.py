"""The service with real parts on loopback, to look at its page: the sample corpus, the lab's embedding model and reader, a small Milvus.

.venv/bin/python -m tests.page.served          serves until Ctrl-C, and prints address and key
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.services.embedder import DIMENSION, EmbeddingModel, embedder
from lab.services.embedder import MODEL as EMBEDDING
from lab.services.reader import MODEL as READER
from lab.services.reader import reader
from tests.validation.ask.stage import FILES, Kind, Stage, built
from tests.validation.services import serving
from validation.ask.answering import Answering
from validation.ask.doors import Keys, Rate
from validation.ask.service import build
from validation.clients.connect import Connector
from validation.clients.mounted import Mounted
from validation.clients.target import Target

KEY = "key-of-the-page"
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


def documents(home: Path) -> Path:
    """Copy what is chosen, and the hostile document of the tests."""
    for pattern in CHOSEN:
        for path in CORPUS.glob(pattern):
            copy = home / path.relative_to(CORPUS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (home / "en/canteen.txt").write_text(FILES["en/canteen.txt"])
    return home


@contextmanager
def served() -> Iterator[tuple[str, Stage]]:
    """Yield the address of the page, and what it stands on."""
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        apps = embedder(EmbeddingModel()), reader()
        kind = Kind(embedding=EMBEDDING, dimension=DIMENSION, llm=READER, prefixes=("query: ", "passage: "), apps=apps)
        stage = closing.enter_context(built(home, documents(home / "documents"), kind))
        secrets = home / "secrets" / "documents-s3"
        secrets.mkdir(parents=True)
        for name, text in {"access_key": "AKIDEXAMPLE", "secret_key": "very-secret"}.items():
            (secrets / name).write_text(text)
        target = Target.model_validate(stage.outputs)
        connector = Connector(target=target, kubernetes=Mounted(home / "secrets"), closing=closing, secrets=[])
        app = build(Answering(connector), Keys(None, {target.milvus_database: KEY}), Rate(100, 100), 64)
        yield closing.enter_context(serving(app)), stage


if __name__ == "__main__":
    with served() as (url, _):
        print(f"{url}/  key: {KEY}", flush=True)
        while True:
            time.sleep(1)
