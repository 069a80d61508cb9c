"""llama.cpp's server: a language model in one GGUF file, on CPU.

Its context is divided among its slots, so it gets one context for each sequence. It cannot pin the revision of a hub, so weights come
from a volume, a bucket or the image.
"""

import math

from components.engines.engine import Engine, Model, flags

OPTIONS = frozenset(
    {
        "batch-size",
        "cache-ram",
        "cache-reuse",
        "chat-template",
        "chat-template-kwargs",
        "context-shift",
        "flash-attn",
        "jinja",
        "kv-unified",
        "load-mode",
        "log-verbosity",
        "min-p",
        "no-cache-prompt",
        "no-cont-batching",
        "no-jinja",
        "no-kv-unified",
        "no-repack",
        "no-warmup",
        "numa",
        "poll",
        "predict",
        "prio",
        "reasoning",
        "reasoning-budget",
        "reasoning-format",
        "repeat-penalty",
        "rope-freq-base",
        "rope-freq-scale",
        "rope-scale",
        "rope-scaling",
        "seed",
        "slot-prompt-similarity",
        "swa-full",
        "temp",
        "threads-batch",
        "threads-http",
        "timeout",
        "top-k",
        "top-p",
        "ubatch-size",
        "yarn-orig-ctx",
    }
)
"""Documented flags that the stack does not set itself. Missing on purpose: keys, everything that downloads, and the built-in tools
(`tools`, `agent`, `mcp-servers-*`), which run commands for whoever asks."""

KV_CACHE_TYPES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Bytes a value: a quantised block holds 32 values and its scale."""

_PORT = 8080


def llm(model: Model) -> Engine:
    """Serve `/v1/chat/completions`."""
    kv_cache = ("--cache-type-k", model.kv_cache_type, "--cache-type-v", model.kv_cache_type) if model.kv_cache_type else ()
    sizes = ("--ctx-size", str(model.context_tokens * model.sequences), "--parallel", str(model.sequences))
    place = ("--host", "0.0.0.0", "--port", str(_PORT))  # noqa: S104  a pod is reached from outside
    threads = ("--threads", str(max(1, math.floor(model.cpu_cores))))
    always = ("--metrics", "--no-webui", "--offline")
    return Engine(
        arguments=("--model", model.location, "--alias", model.name, *place, *sizes, *threads, *kv_cache, *always, *flags(model.options)),
        environment={"HOME": "/tmp"},  # noqa: S108  a path in the container
        port=_PORT,
        health_path="/health",
        metrics_path="/metrics",
        api_path="/v1",
        key_variable="LLAMA_API_KEY",
        queue_metric="llamacpp:requests_deferred",
    )
