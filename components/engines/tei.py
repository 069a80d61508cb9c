"""text-embeddings-inference: embedding and reranking, on CPU or GPU by its image alone.

It has no `/v1/models`: the name of its model is in each embedding that it answers. Its own default of 32 texts a request is less than what
the gate and most ingest clients send at once. It logs its arguments at start, API key included, as `INFO text_embeddings_router`: LOG_LEVEL
switches that one target to warnings and keeps the rest.
"""

from collections.abc import Iterator
from dataclasses import replace

from components.engines.engine import CACHE_PATH, Container, Engine, Model, Problem, Role, hub_environment, model_problem, read_tables

_TEXTS_A_REQUEST = 128
_METRICS_CHANGED = (1, 10, 0)  # the meaning of te_queue_size and the port of the metrics changed here; neither was read


class Tei(Engine):
    """text-embeddings-inference, from 1.9.0 on: earlier ones do not know SERVED_MODEL_NAME and answer their path as the model's name."""

    name = "tei"
    roles = frozenset({"embedding", "reranker"})
    repository = "text-embeddings-inference"
    queue_metric = "te_queue_size"
    options, sets = read_tables("tei")[:2]

    def arguments(self, model: Model) -> tuple[str, ...]:
        """Return the model's place and the limits of a request."""
        options = {"max-client-batch-size": _TEXTS_A_REQUEST, **model.options}
        revision = ("--revision", model.revision) if model.revision else ()
        place = ("--hostname", "0.0.0.0", "--port", str(self.port))  # noqa: S104  a pod is reached from outside
        return ("--model-id", model.location, *revision, *place, *self.flags(options))

    def container(self, model: Model) -> Container:
        """Leave out metrics where their port was not read."""
        container = super().container(model)
        return replace(container, metrics_path="") if model.version is not None and model.version >= _METRICS_CHANGED else container

    def environment(self, model: Model) -> dict[str, str]:
        """Return the served name, the cache, and the log without the key."""
        log = "info,text_embeddings_router=warn,text_embeddings_router::http=info"
        return hub_environment(model, HUGGINGFACE_HUB_CACHE=CACHE_PATH, SERVED_MODEL_NAME=model.name, LOG_LEVEL=log)

    def api_path(self, role: Role) -> str:
        """Return /v1, or nothing for `/rerank`, which is not below it."""
        return "" if role == "reranker" else "/v1"

    def false_as(self, name: str) -> tuple[str, ...] | None:
        """Truncation is on unless it is switched off by value; every other flag is off unless it is there."""
        return ("--auto-truncate", "false") if name == "auto-truncate" else None

    def problems(self, model: Model) -> Iterator[Problem]:
        """Yield also what it cannot load, a pod smaller than its model, and a queue whose meaning was not read."""
        yield from super().problems(model)
        if model.file:
            yield model_problem("tei_file", file=model.file)
        if model.source == "hub" and model.offline:
            yield model_problem("tei_offline")
        available, setting = (model.gpu_memory_gib, "gpu.memory_gib") if model.gpus else (model.memory_gib, "memory_gib")
        if available < model.size_gib:
            yield model_problem("tei_memory", setting=setting, is_=available, needed=model.size_gib)
        if model.scales_by_queue and model.version is not None and model.version >= _METRICS_CHANGED:
            yield model_problem("tei_queue", is_=self.shown(model.version))

    def notes(self, model: Model) -> Iterator[str]:
        """Yield also that long texts are cut."""
        yield from super().notes(model)
        if model.options.get("auto-truncate", True) is True and model.role == "embedding":
            yield "tei cuts a text that its model cannot read whole, in silence; with options.auto-truncate: false it refuses the text"
