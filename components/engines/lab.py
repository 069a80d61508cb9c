"""The lab's honest stand-ins: an embedder, a reader and a reranker in one image, which read the variable `API_KEY`."""

from components.engines.engine import Engine, Model

_PORT = 8080


def embedding(model: Model) -> Engine:
    """The embedder, with the model of its image or a fitted one."""
    return _engine("embedder", *(("--model", model.location) if model.location else ()))


def llm(_model: Model) -> Engine:
    """The reader, which has no weights."""
    return _engine("reader")


def reranker(_model: Model) -> Engine:
    """The reranker, which has no weights."""
    return _engine("reranker")


def _engine(*arguments: str) -> Engine:
    return Engine(arguments=arguments, port=_PORT, health_path="/health", api_path="/v1")
