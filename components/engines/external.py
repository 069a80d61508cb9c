"""A service that somebody else runs: nothing of it is started here, so whatever says how is refused."""

from typing import ClassVar

from components.engines.engine import Engine

_RUN_HERE = ("replicas", "cpu_cores", "memory_gib", "gpu", "weights", "cache", "options", "scaling", "key_rotation")
_MODEL = ("sequences", "kv_cache_type", "shape")


class External(Engine):
    """A service behind an address."""

    name = "external"
    roles = frozenset({"embedding", "llm", "reranker"})
    needs_weights = False
    ignores: ClassVar = dict.fromkeys((*_RUN_HERE, *_MODEL), "whoever runs the service decides that")
