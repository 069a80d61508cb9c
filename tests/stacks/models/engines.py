"""One good configuration for each engine of each service: what tests start from and change."""

import json
from typing import Any

from tests.stacks.test_settings import DIGEST, GOOD, configuration

GPU: dict[str, Any] = {"product": "NVIDIA-L4", "count": 1, "memory_gib": 24}
HUB: dict[str, Any] = {"source": "hub", "repository": "BAAI/bge-m3", "revision": "0123456789abcdef" * 2 + "01234567", "size_gib": 2.3}
BUCKET: dict[str, Any] = {"source": "bucket", "bucket": "weights", "prefix": "m/", "size_gib": 2.3}
SHAPE_8B: dict[str, Any] = {"parameters_billion": 8.03, "bytes_per_parameter": 2, "layers": 32, "kv_heads": 8, "head_dimension": 128}
SHAPE_Q4: dict[str, Any] = {"parameters_billion": 1.54, "bytes_per_parameter": 0.57, "layers": 28, "kv_heads": 2, "head_dimension": 128}
EXTERNAL: dict[str, Any] = {"engine": "external", "model": "m", "external": {"url": "https://models.example.net/v1", "secret_name": "key"}}

TEI: dict[str, Any] = {"engine": "tei", "model": "bge-m3", "cpu_cores": 8, "memory_gib": 8}
CASES: dict[str, dict[str, Any]] = {
    "embedding-lab": {"embedding": {}},
    "embedding-lab-replicas": {"embedding": {"replicas": 3}},
    "embedding-lab-bucket": {"embedding": {"weights": {**BUCKET, "file": "e5-small-q4.bin", "size_gib": 0.08}}},
    "embedding-tei-cpu": {
        "embedding": {**TEI, "dimension": 1024, "weights": BUCKET, "options": {"dtype": "float32", "auto-truncate": True}}
    },
    "embedding-tei-gpu": {"embedding": {**TEI, "dimension": 1024, "weights": HUB, "cache": {"size_gib": 10}, "gpu": GPU}},
    "embedding-vllm": {
        "embedding": {
            **TEI,
            "engine": "vllm",
            "dimension": 1024,
            "weights": {"source": "volume", "claim": "models", "folder": "bge-m3", "size_gib": 2.3},
            "gpu": {**GPU, "mig_profile": "1g.12gb", "memory_gib": 12},
        }
    },
    "embedding-external": {"embedding": {**EXTERNAL, "dimension": 1024}},
    "llm-lab": {"llm": {}},
    "llm-vllm": {
        "llm": {
            "engine": "vllm",
            "model": "llama-3.1-8b",
            "cpu_cores": 8,
            "memory_gib": 48,
            "context_tokens": 16384,
            "prompt_tokens": 8192,
            "answer_tokens": 1024,
            "sequences": 16,
            "kv_cache_type": "fp8",
            "gpu": {**GPU, "count": 2, "runtime_class": "nvidia"},
            "shape": SHAPE_8B,
            "weights": {**BUCKET, "size_gib": 15},
            "cache": {"size_gib": 40},
        }
    },
    "llm-llama-cpp": {
        "llm": {
            "engine": "llama_cpp",
            "model": "qwen2.5-1.5b",
            "cpu_cores": 4,
            "memory_gib": 4,
            "sequences": 2,
            "kv_cache_type": "q8_0",
            "shape": SHAPE_Q4,
            "weights": {**BUCKET, "size_gib": 1, "file": "qwen2.5-1.5b-q4_k_m.gguf"},
            "options": {"flash-attn": "on"},
        }
    },
    "llm-external": {"llm": EXTERNAL},
    "reranker-lab": {"reranker": {}},
    "reranker-tei": {"reranker": {**TEI, "model": "bge-reranker-v2-m3", "weights": BUCKET}},
    "reranker-external": {"reranker": {**EXTERNAL, "external": {"url": "https://models.example.net"}}},
    "embedding-scaled-by-cpu": {"embedding": {**TEI, "dimension": 1024, "weights": BUCKET, "scaling": {"most": 4, "cpu_percent": 70}}},
    "embedding-scaled-by-queue": {
        "embedding": {**TEI, "dimension": 1024, "weights": BUCKET, "gpu": GPU, "scaling": {"most": 4, "waiting_requests": 8}},
        "keda": {"prometheus_url": "http://prometheus.monitoring.svc:9090"},
    },
}

IMAGES = {name: f"registry.example.net/{name}:1.0@{DIGEST}" for name in ("milvus", "embedding", "llm", "reranker", "suite")}


def images_of(values: dict[str, Any]) -> dict[str, str]:
    """Return images without those of model services that are not there or run elsewhere."""
    idle = {name for name in ("embedding", "llm") if values.get(name, {}).get("engine") == "external"}
    if values.get("reranker", {"engine": "external"}).get("engine") == "external":
        idle.add("reranker")
    return {name: image for name, image in IMAGES.items() if name not in idle}


def case(name: str, **changes: Any) -> dict[str, str]:
    """Return the configuration of a case with changes to its service: `gpu__count=2` sets a field of a group, None takes it away."""
    values = json.loads(json.dumps({**GOOD, "images": IMAGES, **CASES[name]}))
    service = values[name.partition("-")[0]]
    values["images"] = images_of(values)
    for path, value in changes.items():
        *groups, last = path.split("__")
        place = service
        for group in groups:
            place = place.setdefault(group, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return configuration(values)
