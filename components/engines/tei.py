"""text-embeddings-inference: embedding and reranking, on CPU or GPU by its image alone.

It has no `/v1/models`: the name of its model is in `/info` and in each embedding that it answers. The name to serve is a variable
rather than a flag: an older release knows neither, and would not start with an unknown flag. Its own default of 32 texts a request
is less than what the gate and most ingest clients send at once.
"""

from components.engines.engine import CACHE_PATH, Engine, Model, environment, flags

OPTIONS = frozenset(
    {
        "auto-truncate",
        "default-prompt",
        "default-prompt-name",
        "dtype",
        "json-output",
        "max-batch-requests",
        "max-batch-tokens",
        "max-client-batch-size",
        "max-concurrent-requests",
        "payload-limit",
        "pooling",
        "tokenization-workers",
    }
)
"""Documented flags that the stack does not set itself. Missing on purpose: keys (arguments are no place for them), telemetry."""

_PORT = 8080
_TEXTS_A_REQUEST = 128


def embedding(model: Model) -> Engine:
    """Serve `/v1/embeddings`."""
    return _engine(model, api_path="/v1")


def reranker(model: Model) -> Engine:
    """Serve `/rerank`, which is not below /v1."""
    return _engine(model, api_path="")


def _engine(model: Model, api_path: str) -> Engine:
    options = {"max-client-batch-size": _TEXTS_A_REQUEST, **model.options}
    revision = ("--revision", model.revision) if model.revision else ()
    place = ("--hostname", "0.0.0.0", "--port", str(_PORT))  # noqa: S104  a pod is reached from outside
    return Engine(
        arguments=("--model-id", model.location, *revision, *place, *flags(options)),
        environment=environment(model, HUGGINGFACE_HUB_CACHE=CACHE_PATH, SERVED_MODEL_NAME=model.name),
        port=_PORT,
        health_path="/health",
        metrics_path="/metrics",
        api_path=api_path,
        queue_metric="te_queue_size",
    )
