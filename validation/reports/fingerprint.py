"""What two runs must have in common to be compared, and what else may explain a difference; taken from the report itself.

The workload is what was asked: corpus, vectors, index and search parameters, rate. Numbers of another workload are not compared at all. The
system is what answered: versions, image digests, topology. Comparing across a change of it is what a gate before an upgrade is for, so that
is said and done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

Facts = dict[str, Any]


class Fingerprint(BaseModel):
    """Two groups of plain facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workload: Facts
    system: Facts


def of(report: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a report's data; a run that stopped early has one of what was known."""
    inputs, target = report["inputs"], report["target"]
    profile = inputs.get("profile") or {}
    return Fingerprint(
        workload={
            "corpus": inputs.get("corpus_sha256"),
            "seed": inputs.get("seed"),
            "vectors": (profile.get("vectors") or {}).get("value"),
            "rate": (profile.get("rate") or {}).get("value"),
            "requests": (profile.get("requests") or {}).get("value"),
            "search": profile.get("search"),
            "load": profile.get("load"),
            **({"pods": inputs["pods"]} if inputs.get("pods") else {}),  # measured from elsewhere: another number
            "ingesting": profile.get("ingesting"),
            "answer": profile.get("answer"),
            "embedding model": target.get("embedding_model"),
            "embedding dimension": target.get("embedding_dimension"),
            "query": target.get("embedding_query"),
            "passage": target.get("embedding_passage"),
            "language model": target.get("llm_model"),
            "answer tokens": target.get("llm_answer_tokens"),
            "temperature": target.get("llm_temperature"),
        },
        system={
            "milvus": report["versions"].get("milvus server"),
            "chart": target.get("chart"),
            "digests": sorted({f"{one['container']} {one['digest']}" for one in report["images"]}),
            "topology": dict(sorted(Counter(one["container"] for one in report["images"]).items())),
        },
    )


def differences(before: Facts, now: Facts) -> list[str]:
    """Return what is not the same, one phrase each, down to the single value."""
    return list(_differences("", before, now))


def _differences(path: str, before: object, now: object) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}, key=str):
            yield from _differences(f"{path} {key}".strip(), before.get(key), now.get(key))
    elif before != now:
        yield f"{path} is {_show(now)}, was {_show(before)}"


def _show(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_show, value))})"
    return "nothing" if value is None else f"{value!s:.80}"
