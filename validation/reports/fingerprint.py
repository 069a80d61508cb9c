"""What two runs must have in common to be compared, and what else may explain a difference; taken from the report itself.

The workload is what was asked: corpus, vectors, index and search parameters, rate. Numbers of another workload are not compared at all. The
system is what answered: versions, image digests, topology. Comparing across a change of it is what a gate before an upgrade is for, so that
is said and done.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from validation.run.record import Facts


class Fingerprint(BaseModel):
    """Two groups of plain facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    workload: Facts
    system: Facts


_FROM_TARGET = {
    "embedding model": "embedding_model",
    "embedding dimension": "embedding_dimension",
    "query": "embedding_query",
    "passage": "embedding_passage",
    "language model": "llm_model",
    "answer tokens": "llm_answer_tokens",
    "temperature": "llm_temperature",
}


def fingerprint_of(report: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a report's data; a run that stopped early has one of what was known."""
    inputs, target, images = report["inputs"], report["target"], report["images"]
    profile = inputs.get("profile") or {}
    return Fingerprint(
        workload={
            "corpus": inputs.get("corpus_sha256"),
            "seed": inputs.get("seed"),
            **{name: (profile.get(name) or {}).get("value") for name in ("vectors", "rate", "requests")},
            **{name: profile.get(name) for name in ("search", "load", "ingesting", "answer")},
            **{name: inputs[name] for name in ("pods", "content") if inputs.get(name)},  # from elsewhere; of a collection already there
            **{name: target.get(field) for name, field in _FROM_TARGET.items()},
        },
        system={
            "milvus": report["versions"].get("milvus server"),
            "chart": target.get("chart"),
            "digests": sorted({f"{image['container']} {image['digest']}" for image in images}),
            "topology": dict(sorted(Counter(image["container"] for image in images).items())),
        },
    )


def differences(before: object, now: object, path: str = "") -> list[str]:
    """Return what is not the same, one phrase each, down to the single value."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now}, key=str)
        return [phrase for key in keys for phrase in differences(before.get(key), now.get(key), f"{path} {key}".strip())]
    return [] if before == now else [f"{path} is {_show(now)}, was {_show(before)}"]


def _show(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_show, value))})"
    return "nothing" if value is None else f"{value!s:.80}"
