"""Command line: `python3 -m services fit PASSAGES_FILE OUT_FILE`, `embedder --port 8080`, `reader --port 8080`, `reranker --port 8080`.

The variable API_KEY, where it is set, is the key that clients must send; never an argument, which everybody on the machine could read.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from .embedder import embedder
from .fit import fit
from .model import EmbeddingModel
from .reader import reader
from .reranker import reranker

DEFAULT_DIMENSION = 512
DEFAULT_MODEL = Path("/app/model.npz")
_GRACE_S = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, or 2 with one line on stderr that says what is missing."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        if chosen.command == "fit":
            _fit(chosen)
        else:
            _serve(_service(chosen), chosen)
    except (ValueError, OSError) as error:
        print(f"services {chosen.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services", description="Stand-ins of the lab for an embedding and an LLM service.")
    commands = parser.add_subparsers(dest="command", required=True)
    fitting = commands.add_parser("fit", help="fit the embedder on a corpus")
    fitting.add_argument("passages", type=Path, metavar="PASSAGES_FILE", help="from: python -m validation passages CORPUS_DIR FILE")
    fitting.add_argument("out", type=Path, metavar="OUT_FILE")
    fitting.add_argument("--dimension", type=int, default=DEFAULT_DIMENSION)
    embedding = commands.add_parser("embedder", help="serve /v1/embeddings")
    embedding.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="what fit wrote (default: %(default)s)")
    reading = commands.add_parser("reader", help="serve /v1/chat/completions")
    ranking = commands.add_parser("reranker", help="serve /v1/rerank")
    for serving in (embedding, reading, ranking):
        serving.add_argument("--host", default="0.0.0.0", help="default: %(default)s")  # noqa: S104  a pod is reached from outside
        serving.add_argument("--port", type=int, default=8080)
        serving.add_argument("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate (PEM)")
        serving.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    return parser


def _service(chosen: argparse.Namespace) -> Starlette:
    api_key = os.environ.get("API_KEY", "")
    if chosen.command == "embedder":
        return embedder(EmbeddingModel.load(chosen.model), api_key)
    return reader(api_key) if chosen.command == "reader" else reranker(api_key)


def _fit(chosen: argparse.Namespace) -> None:
    model = fit(chosen.passages, chosen.dimension)
    model.save(chosen.out)
    print(f"{chosen.out}: {model.card}")


def _serve(app: Starlette, chosen: argparse.Namespace) -> None:
    """Serve until SIGTERM; the model is loaded before the port opens, so whoever is answered is answered by a loaded model."""
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="off",
        ssl_certfile=chosen.tls_cert,
        ssl_keyfile=chosen.tls_key,
    )


if __name__ == "__main__":
    sys.exit(main())
