"""llama.cpp's server: a language model in one GGUF file, on CPU.

Its context is divided among its slots, so it gets one context for each sequence. It cannot pin the revision of a hub, so weights come from
a volume, a bucket or the image. Prompts that were worked through stay in memory, up to `cache-ram` MiB: set here and counted, since its own
default of 8,192 MiB is more than most such pods have.
"""

import math
import re
from collections.abc import Iterator
from typing import ClassVar

from components.engines.engine import Engine, Model, Options, Problem, Version, model_problem, read_tables

_CACHE_RAM_MIB, _OWN_GIB = 1024, 0.25
_WORDS = {"flash-attn", "reasoning"}
"""Options that take on, off or auto: bare, they would swallow the next argument. YAML reads on and off as true and false."""
_UNQUANTISED = {"", "f32", "f16", "bf16"}
_UI_RENAMED = (10229, 0, 0)


class LlamaCpp(Engine):
    """llama.cpp on CPU, from build b8672 on."""

    name = "llama_cpp"
    roles = frozenset({"llm"})
    repository = "llama"
    tag = re.compile(r"(?:.*-)?b(?P<version>\d+)")
    key_variable = "LLAMA_API_KEY"
    queue_metric = "llamacpp:requests_deferred"
    ignores: ClassVar = {"gpu": "it computes on CPU here; use 'vllm'"}
    options, sets, kv_cache_types = read_tables("llama_cpp")

    def shown(self, version: Version) -> str:
        """Return the build as its images are tagged."""
        return f"b{version[0]}"

    def arguments(self, model: Model) -> tuple[str, ...]:
        """Return the file, one context a slot, whole threads, and no web page."""
        kv_cache = ("--cache-type-k", model.kv_cache_type, "--cache-type-v", model.kv_cache_type) if model.kv_cache_type else ()
        sizes = ("--ctx-size", str(model.context_tokens * model.sequences), "--parallel", str(model.sequences))
        place = ("--host", "0.0.0.0", "--port", str(self.port))  # noqa: S104  a pod is reached from outside
        threads = ("--threads", str(max(1, math.floor(model.cpu_cores))))
        page = "--no-webui" if model.version is not None and model.version < _UI_RENAMED else "--no-ui"
        options = self.flags({"cache-ram": _CACHE_RAM_MIB, **model.options})
        always = ("--metrics", page, "--offline")
        return ("--model", model.location, "--alias", model.name, *place, *sizes, *threads, *kv_cache, *always, *options)

    def environment(self, _model: Model) -> dict[str, str]:
        """Return a home that can be written to."""
        return {"HOME": "/tmp"}  # noqa: S108  a path in the container

    def flags(self, options: Options) -> tuple[str, ...]:
        """Write on and off where a word is wanted."""
        words = {name: "on" if value else "off" for name, value in options.items() if name in _WORDS and isinstance(value, bool)}
        return super().flags({**options, **words})

    def false_as(self, name: str) -> tuple[str, ...] | None:
        """A word can be off; every other option is left out."""
        return (f"--{name}", "off") if name in _WORDS else None

    def needs(self, model: Model) -> dict[str, float]:
        """Return the cache of prompts, and room for activations and the server: 38 MiB for 135 million parameters (docs/models.md)."""
        mib = model.options.get("cache-ram", _CACHE_RAM_MIB)
        return {"the engine itself": _OWN_GIB, "cached prompts (options.cache-ram)": float(mib) / 1024 if isinstance(mib, int) else 0}

    def problems(self, model: Model) -> Iterator[Problem]:
        """Yield also what it cannot load, a cache without a limit, and a quantised cache without flash attention."""
        yield from super().problems(model)
        if model.source == "hub":
            yield model_problem("llama_hub")
        if model.source and not model.location.endswith(".gguf"):
            yield model_problem("llama_file", location=model.location)
        if not isinstance(limit := model.options.get("cache-ram", 0), int) or isinstance(limit, bool) or limit < 0:
            yield model_problem("llama_cache_ram", limit=limit)
        if model.options.get("flash-attn") in {"off", False} and model.kv_cache_type not in _UNQUANTISED:
            yield model_problem("llama_flash_attn_off", type=model.kv_cache_type)
        if (word := model.options.get("flash-attn", "auto")) not in {"on", "off", "auto", True, False}:
            yield model_problem("llama_flash_attn_unknown", word=word)
