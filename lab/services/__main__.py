"""Command line: `python3 -m services fit CORPUS_DIR OUT_FILE`, `embedder --port 8080`, `reader --port 8080`."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from .embedder import embedder
from .fit import fit
from .model import EmbeddingModel
from .reader import reader

DEFAULT_DIMENSION = 256
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
            _serve(embedder(EmbeddingModel.load(chosen.model)) if chosen.command == "embedder" else reader(), chosen)
    except (ValueError, OSError) as error:
        print(f"services {chosen.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services", description="Stand-ins of the lab for an embedding and an LLM service.")
    commands = parser.add_subparsers(dest="command", required=True)
    fitting = commands.add_parser("fit", help="fit the embedder on a corpus")
    fitting.add_argument("corpus", type=Path, metavar="CORPUS_DIR", help="holds documents/ and questions.jsonl")
    fitting.add_argument("out", type=Path, metavar="OUT_FILE")
    fitting.add_argument("--dimension", type=int, default=DEFAULT_DIMENSION)
    embedding = commands.add_parser("embedder", help="serve /v1/embeddings")
    embedding.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="what fit wrote (default: %(default)s)")
    for serving in (embedding, commands.add_parser("reader", help="serve /v1/chat/completions")):
        serving.add_argument("--host", default="0.0.0.0", help="default: %(default)s")  # noqa: S104  a pod is reached from outside
        serving.add_argument("--port", type=int, default=8080)
    return parser


def _fit(chosen: argparse.Namespace) -> None:
    model = fit(chosen.corpus, chosen.dimension)
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
    )


if __name__ == "__main__":
    sys.exit(main())
