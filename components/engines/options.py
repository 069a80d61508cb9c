"""Which options an engine has: a list from its documentation, so that a typing error is found before a pod is started with it."""

import difflib
from collections.abc import Iterable

from components.engines import llama_cpp, tei, vllm

KNOWN: dict[str, frozenset[str]] = {"tei": tei.OPTIONS, "vllm": vllm.OPTIONS, "llama_cpp": llama_cpp.OPTIONS}
"""Options that an operator may give, by engine; an engine that is not here takes none."""

_KEYS = {"api-key", "api-key-file", "hf-api-token", "hf-token"}
_OURS = {
    "alias": "model",
    "cache-type-k": "kv_cache_type",
    "cache-type-v": "kv_cache_type",
    "ctx-size": "context_tokens",
    "gpu-memory-utilization": "gpu.memory_share",
    "hf-repo": "weights",
    "kv-cache-dtype": "kv_cache_type",
    "max-model-len": "context_tokens",
    "max-num-seqs": "sequences",
    "model": "weights",
    "model-id": "weights",
    "parallel": "sequences",
    "revision": "weights.revision",
    "served-model-name": "model",
    "tensor-parallel-size": "gpu.count",
    "threads": "cpu_cores",
    "tokenizer-revision": "weights.revision",
}


def problems(engine: str, names: Iterable[str]) -> list[str]:
    """One sentence for each name that the engine cannot be given."""
    return [found for name in sorted(names) if (found := _problem(engine, name))]


def _problem(engine: str, name: str) -> str:
    known = KNOWN.get(engine, frozenset())
    if name in known:
        return ""
    if name in _KEYS:
        return f"option {name!r} would put a key into the arguments of a pod, for everybody to read; name a Secret instead"
    if not known:
        return f"option {name!r}: engine {engine!r} takes none"
    if name in _OURS:
        return f"option {name!r} is set by the setting {_OURS[name]!r}, and given twice one of the two would be ignored"
    close = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(sorted(known))}"
    return f"option {name!r} is none that {engine} documents and this stack allows; {guess}"
