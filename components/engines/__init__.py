"""The engines that can serve a model, by the name that settings give them: one class a file, one line each here.

What the source of an engine says of flags, paths and variables, and which versions were read, is in docs/models.md.
"""

from components.engines.engine import Engine, Role
from components.engines.external import External
from components.engines.lab import Lab
from components.engines.llama_cpp import LlamaCpp
from components.engines.tei import Tei
from components.engines.vllm import Vllm

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Lab(), Tei(), Vllm(), LlamaCpp(), External())}


def serving(role: Role) -> list[str]:
    """Return the names of the engines that can serve a role."""
    return [name for name, engine in ENGINES.items() if role in engine.roles]
