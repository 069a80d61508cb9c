"""vLLM: `vllm serve`, for language models and, with its pooling runner, for embedding.

Tensor parallelism takes all GPUs of a pod. Its processes share memory, so /dev/shm grows; its compilers write caches, which go where the
cache volume is. `USER` is set since PyTorch asks for the name of the user, and a numeric one has none.
"""

from collections.abc import Iterator

from components.engines.engine import CACHE_PATH, Engine, Model, Problem, hub_environment, model_problem, read_tables


class Vllm(Engine):
    """vLLM on GPUs."""

    name = "vllm"
    roles = frozenset({"embedding", "llm"})
    repository = "vllm"
    version_prefix = "v"
    port = 8000
    command = ("vllm", "serve")
    key_variable = "VLLM_API_KEY"
    queue_metric = "vllm:num_requests_waiting"
    shared_memory = True
    options, sets, kv_cache_types = read_tables("vllm")

    def arguments(self, model: Model) -> tuple[str, ...]:
        """Return the model, its limits and its share of the GPUs."""
        revision = ("--revision", model.revision, "--tokenizer-revision", model.revision) if model.revision else ()
        context = ("--max-model-len", str(model.context_tokens)) if model.context_tokens else ()
        gpu = ("--tensor-parallel-size", str(model.gpus), "--gpu-memory-utilization", str(model.gpu_memory_share)) if model.gpus else ()
        place = ("--host", "0.0.0.0", "--port", str(self.port))  # noqa: S104  a pod is reached from outside
        kv_cache = ("--kv-cache-dtype", model.kv_cache_type) if model.kv_cache_type else ()
        kind = ("--runner", "pooling") if model.role == "embedding" else ("--max-num-seqs", str(model.sequences), *kv_cache)
        return (model.location, *revision, "--served-model-name", model.name, *place, *context, *gpu, *kind, *self.flags(model.options))

    def environment(self, model: Model) -> dict[str, str]:
        """Return caches on the cache volume, and no usage statistics."""
        caches = {"VLLM_CACHE_ROOT": f"{CACHE_PATH}/vllm", "TRITON_CACHE_DIR": f"{CACHE_PATH}/triton"}
        return hub_environment(model, USER="vllm", VLLM_NO_USAGE_STATS="1", **caches)

    def false_as(self, name: str) -> tuple[str, ...] | None:
        """Every flag of vLLM has its opposite."""
        return None if name.startswith("no-") else (f"--no-{name}",)

    def problems(self, model: Model) -> Iterator[Problem]:
        """Yield also that it needs GPUs."""
        yield from super().problems(model)
        if not model.gpus:
            yield model_problem("vllm_gpu")

    def notes(self, model: Model) -> Iterator[str]:
        """Yield also what its key does not guard."""
        yield from super().notes(model)
        yield "the API key of vLLM guards /v1 only: /invocations, /pooling, /score, /tokenize and /metrics answer whoever reaches the pod"
