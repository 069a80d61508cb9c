"""How much memory a model takes, estimated from numbers of its configuration; nothing is guessed from a name.

KV cache = 2 (key and value) x layers x KV heads x head dimension x bytes per value x tokens x sequences: Kwon et al., "Efficient Memory
Management for Large Language Model Serving with PagedAttention", 2023 (arXiv:2309.06180), section 3. Activations and the engine itself come
on top: they are what the share of a GPU that an engine does not take, 10 % by default, leaves room for. It is the worst case, all sequences
at full length: an engine may start in less, and then makes requests wait.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

_GIB = 2**30
_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Numbers that stand in a model's configuration."""

    parameters_billion: float
    bytes_per_parameter: float  # 2 for float16 and bfloat16, 1 for 8 bits, 0.5 to 0.6 for 4 bits with their scales
    layers: int
    kv_heads: int
    head_dimension: int

    def weights_gib(self) -> float:
        """Size of the weights, as loaded."""
        return self.parameters_billion * 1e9 * self.bytes_per_parameter / _GIB

    def kv_cache_gib(self, tokens: int, sequences: int, bytes_per_value: float, gpus: int = 1) -> float:
        """Size of the KV cache; more GPUs than KV heads hold copies, since a head cannot be divided."""
        heads = max(self.kv_heads, gpus)
        return 2 * self.layers * heads * self.head_dimension * bytes_per_value * tokens * sequences / _GIB


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a model at most."""

    context_tokens: int
    sequences: int
    bytes_per_value: float
    gpus: int = 1


def shortage(shape: Shape, load: Load, available_gib: float, what: str, needs: Mapping[str, float] = _NOTHING) -> str:
    """Return why the model does not fit into what is available, with what would; "" when it does. `needs`: GiB of what else takes it."""
    fixed = {"weights": shape.weights_gib(), **needs}
    cache = shape.kv_cache_gib(load.context_tokens, load.sequences, load.bytes_per_value, load.gpus)
    total = sum(fixed.values())
    if total + cache <= available_gib:
        return ""
    each_gib = shape.kv_cache_gib(load.context_tokens, 1, load.bytes_per_value, load.gpus)
    fitting = math.floor((available_gib - total) / each_gib)
    cure = f"at most {fitting} sequences of that length fit" if fitting > 0 else "not even one sequence of that length fits"
    asked = f"{load.sequences} sequences of {load.context_tokens} tokens"
    parts = ", ".join(f"{gib:.1f} GiB of {name}" for name, gib in fixed.items())
    whole = f"{parts} and {cache:.1f} GiB of KV cache ({asked}) are {total + cache:.1f} GiB"
    return f"is too large for {what}: {whole}, there are {available_gib:.1f} GiB; {cure}"
