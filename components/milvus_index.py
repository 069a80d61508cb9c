"""Index profiles: what Milvus builds and how it is searched, from milvus_index.yaml. Pure."""

from pathlib import Path
from typing import Any, Literal

import yaml

Name = Literal["hnsw", "hnsw_sq8", "ivf_rabitq", "diskann", "gpu_cagra"]
Metric = Literal["COSINE", "IP", "L2"]
GPU = "gpu_cagra"
_PROFILES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
LEAST_VERSIONS = {name: tuple(profile["least_version"]) for name, profile in _PROFILES.items() if "least_version" in profile}
"""Versions of Milvus that first have the profile; the others are as old as any that is run."""


def manifest(profile: Name, metric: Metric) -> dict[str, Any]:
    """Return what Milvus is given when a collection is made, and when it is searched, in its own words."""
    known = _PROFILES[profile]
    names = {"profile": profile, "index_type": known["index_type"], "metric_type": metric}
    return {**names, "params": dict(known["params"]), "search_params": dict(known["search_params"])}
