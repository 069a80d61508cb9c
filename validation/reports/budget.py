"""Where the time of an answer goes: embed the question, search, first token, the rest of the answer; pure.

Each stage is the median of its own measurement, so the whole is a sum of medians: good for saying which stage to look at, not a promise.
With an index in memory the object store is not on this way; it is in `load_s`, `indexed_s` and `searchable_s`.
"""

from dataclasses import dataclass

from validation.judge.measures import CATALOGUE, Measurements


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of an answer."""

    name: str
    ms: float
    share: float


def stages(measurements: Measurements) -> list[Stage]:
    """Return the stages in the order in which a user waits for them; empty when one of them was not measured."""
    medians = {
        "embed": _median(measurements, "embedding_p50_ms"),
        "search": _median(measurements, "search_p50_ms"),
        "first token": _median(measurements, "first_token_p50_ms"),
        "rest of the answer": _rest(measurements),
    }
    known = {name: ms for name, ms in medians.items() if ms is not None}
    total = sum(known.values())
    if len(known) < len(medians) or not total:
        return []
    return [Stage(name=name, ms=ms, share=ms / total) for name, ms in known.items()]


def line(measurements: Measurements) -> str:
    """Return which stage spent the budget, on one line; empty when that is not known."""
    found = stages(measurements)
    if not found:
        return ""
    most = max(found, key=lambda stage: stage.share)
    parts = ", ".join(f"{stage.name} {stage.ms:.3g} ms" for stage in found)
    return (
        f"an answer takes {sum(stage.ms for stage in found):.3g} ms at the median of each stage: {parts}; {most.share:.0%} is {most.name}"
    )


def _median(measurements: Measurements, name: str) -> float | None:
    found = measurements.get(name)
    return found.value if found and found.is_usable(CATALOGUE[name]) else None


def _rest(measurements: Measurements) -> float | None:
    whole, first = _median(measurements, "answer_p50_ms"), _median(measurements, "first_token_p50_ms")
    return None if whole is None or first is None else max(whole - first, 0.0)
