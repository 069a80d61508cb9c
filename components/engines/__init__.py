"""The engines that can serve a model, by the name that settings give them: one line each here.

Each of a project of its own has its class in a file of its own. What the source of an engine says of flags, paths and variables, and which
versions were read, is in docs/models.md.
"""

from collections.abc import Iterator
from typing import ClassVar

from components.engines.engine import Engine, Model, Problem, Role, model_problem
from components.engines.llama_cpp import LlamaCpp
from components.engines.tei import Tei
from components.engines.vllm import Vllm

_PROGRAMS = {"embedding": "embedder", "llm": "reader", "reranker": "reranker"}
_RUN_HERE = ("replicas", "cpu_cores", "memory_gib", "gpu", "weights", "cache", "options", "scaling", "key_rotation")
_MODEL = ("sequences", "kv_cache_type", "shape")


class External(Engine):
    """A service that somebody else runs, behind an address: nothing of it is started here, so whatever says how is refused."""

    name = "external"
    roles = frozenset({"embedding", "llm", "reranker"})
    needs_weights = False
    ignores: ClassVar = dict.fromkeys((*_RUN_HERE, *_MODEL), "whoever runs the service decides that")


class Lab(Engine):
    """The lab's services in one image: multilingual-e5-small, and stand-ins for an LLM and a reranker.

    Only the embedder has weights: those of its image, or the same file from elsewhere.
    """

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
            yield model_problem("lab_weights", role=model.role)
        elif model.source == "hub":
            yield model_problem("lab_hub")
        elif model.source and not model.location.endswith(".bin"):
            yield model_problem("lab_file", location=model.location)


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Lab(), Tei(), Vllm(), LlamaCpp(), External())}


def serving(role: Role) -> list[str]:
    """Return the names of the engines that can serve a role."""
    return [name for name, engine in ENGINES.items() if role in engine.roles]
