"""vLLM: `vllm serve`, for language models and, with its pooling runner, for embedding.

Tensor parallelism takes all GPUs of a pod. Its processes share memory, so /dev/shm grows; its compilers write caches, which go where
the cache volume is. `USER` is set since PyTorch asks for the name of the user, and a numeric one has none.
"""

from components.engines.engine import CACHE_PATH, Engine, Model, environment, flags

OPTIONS = frozenset(
    {
        "async-scheduling",
        "block-size",
        "calculate-kv-scales",
        "chat-template",
        "compilation-config",
        "cpu-offload-gb",
        "disable-custom-all-reduce",
        "disable-log-stats",
        "disable-sliding-window",
        "distributed-executor-backend",
        "dtype",
        "enable-auto-tool-choice",
        "enable-chunked-prefill",
        "enable-expert-parallel",
        "enable-prefix-caching",
        "enforce-eager",
        "generation-config",
        "hf-overrides",
        "load-format",
        "max-logprobs",
        "max-num-batched-tokens",
        "max-parallel-loading-workers",
        "model-impl",
        "no-enable-chunked-prefill",
        "no-enable-prefix-caching",
        "override-generation-config",
        "pooler-config",
        "prefix-caching-hash-algo",
        "quantization",
        "reasoning-parser",
        "safetensors-load-strategy",
        "scheduling-policy",
        "seed",
        "speculative-config",
        "structured-outputs-config",
        "swap-space",
        "tokenizer-mode",
        "tool-call-parser",
    }
)
"""Documented flags that the stack does not set itself. Missing on purpose: keys, telemetry, `trust-remote-code` (it runs what is in a
repository), `allowed-local-media-path` (it hands out files of the pod)."""

KV_CACHE_TYPES = {"auto": 2.0, "fp8": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0}
"""Bytes a value; `auto` is the type of the model, two bytes unless the model is kept in float32."""

_PORT = 8000


def llm(model: Model) -> Engine:
    """Serve `/v1/chat/completions`."""
    kv_cache = ("--kv-cache-dtype", model.kv_cache_type) if model.kv_cache_type else ()
    return _engine(model, ("--max-num-seqs", str(model.sequences), *kv_cache))


def embedding(model: Model) -> Engine:
    """Serve `/v1/embeddings`."""
    return _engine(model, ("--runner", "pooling"))


def _engine(model: Model, kind: tuple[str, ...]) -> Engine:
    revision = ("--revision", model.revision, "--tokenizer-revision", model.revision) if model.revision else ()
    context = ("--max-model-len", str(model.context_tokens)) if model.context_tokens else ()
    gpu = ("--tensor-parallel-size", str(model.gpus), "--gpu-memory-utilization", str(model.gpu_memory_share)) if model.gpus else ()
    place = ("--host", "0.0.0.0", "--port", str(_PORT))  # noqa: S104  a pod is reached from outside
    name = ("--served-model-name", model.name)
    return Engine(
        command=("vllm", "serve"),
        arguments=(model.location, *revision, *name, *place, *context, *gpu, *kind, *flags(model.options)),
        environment=environment(
            model, USER="vllm", VLLM_NO_USAGE_STATS="1", VLLM_CACHE_ROOT=f"{CACHE_PATH}/vllm", TRITON_CACHE_DIR=f"{CACHE_PATH}/triton"
        ),
        port=_PORT,
        health_path="/health",
        metrics_path="/metrics",
        api_path="/v1",
        key_variable="VLLM_API_KEY",
        queue_metric="vllm:num_requests_waiting",
        shared_memory=True,
    )
