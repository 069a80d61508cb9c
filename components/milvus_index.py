"""Index profiles: what Milvus builds and how it is searched. Pure.

    hnsw          graph in memory, exact vectors: the best recall for a given time, the most memory
    hnsw_sq8      the same graph, vectors in 8 bits: about a quarter of the memory for them
    ivf_rabitq    one bit for each dimension, refined with 8 bits: the least memory; wants AVX-512
    diskann       graph on the node's own NVMe, compressed vectors in memory
    gpu_cagra     graph built and searched on a GPU; knows no COSINE (Milvus's manual, "GPU Index")

Names and ranges of parameters are those of Milvus's manual. M 48, efConstruction 600 and ef 256 are not its defaults: with M 16 the
graph left near-duplicates out of reach (validation/slo.lab.yaml says what was measured).
"""

from dataclasses import dataclass
from typing import Any, Literal

Name = Literal["hnsw", "hnsw_sq8", "ivf_rabitq", "diskann", "gpu_cagra"]
Metric = Literal["COSINE", "IP", "L2"]
GPU = "gpu_cagra"
_LISTS = 1024
_GRAPH = {"M": 48, "efConstruction": 600}
_KNOWN: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "hnsw": ("HNSW", _GRAPH, {"ef": 256}),
    "hnsw_sq8": ("HNSW_SQ", {**_GRAPH, "sq_type": "SQ8", "refine": True, "refine_type": "FP16"}, {"ef": 256, "refine_k": 2}),
    "ivf_rabitq": (
        "IVF_RABITQ",
        {"nlist": _LISTS, "refine": True, "refine_type": "SQ8"},
        {"nprobe": 128, "rbq_query_bits": 0, "refine_k": 3},
    ),
    "diskann": ("DISKANN", {}, {"search_list": 100}),
    "gpu_cagra": (
        "GPU_CAGRA",
        {"intermediate_graph_degree": 64, "graph_degree": 32, "build_algo": "IVF_PQ", "adapt_for_cpu": False},
        {"itopk_size": 128, "search_width": 4},
    ),
}
LEAST_VERSIONS: dict[str, tuple[int, int]] = {"ivf_rabitq": (2, 6), "hnsw_sq8": (2, 5), "gpu_cagra": (2, 4)}
"""Versions of Milvus that first have the profile; the others are as old as any that is run."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """What Milvus is given when a collection is made, and when it is searched."""

    profile: Name
    metric: Metric

    def manifest(self) -> dict[str, Any]:
        """Plain data, in Milvus's own words."""
        kind, build, search = _KNOWN[self.profile]
        return {
            "profile": self.profile,
            "index_type": kind,
            "metric_type": self.metric,
            "params": dict(build),
            "search_params": dict(search),
        }
