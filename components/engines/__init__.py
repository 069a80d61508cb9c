"""The engines that can serve a model, by the name that settings give them: one line each here.

Each that the blueprint runs has its class in a file of its own.
What the source of an engine says of flags, paths and variables, and which versions were read, is in docs/models.md.
"""

from typing import ClassVar

from components.engines.engine import Engine, Role
from components.engines.lab import Lab
from components.engines.llama_cpp import LlamaCpp
from components.engines.tei import Tei
from components.engines.vllm import Vllm

_RUN_HERE = ("replicas", "cpu_cores", "memory_gib", "gpu", "weights", "cache", "options", "scaling", "key_rotation")
_MODEL = ("sequences", "kv_cache_type", "shape")


class External(Engine):
    """A service that somebody else runs, behind an address: nothing of it is started here, so whatever says how is refused."""

    name = "external"
    roles = frozenset({"embedding", "llm", "reranker"})
    needs_weights = False
    ignores: ClassVar = dict.fromkeys((*_RUN_HERE, *_MODEL), "whoever runs the service decides that")


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Lab(), Tei(), Vllm(), LlamaCpp(), External())}


def serving(role: Role) -> list[str]:
    """Return the names of the engines that can serve a role."""
    return [name for name, engine in ENGINES.items() if role in engine.roles]
