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
    medians = [
        median.value if (median := measurements.get(f"{name}_p50_ms")) and median.is_usable(CATALOGUE[f"{name}_p50_ms"]) else None
        for name in ("embedding", "search", "first_token", "answer")
    ]
    embed, search, first, whole = medians
    if embed is None or search is None or first is None or whole is None:
        return []
    known = {"embed": embed, "search": search, "first token": first, "rest of the answer": max(whole - first, 0.0)}
    total = sum(known.values())
    return [Stage(name=name, ms=ms, share=ms / total) for name, ms in known.items()] if total else []


def line(measurements: Measurements) -> str:
    """Return which stage spent the budget, on one line; empty when that is not known."""
    known = stages(measurements)
    if not known:
        return ""
    most = max(known, key=lambda stage: stage.share)
    parts = ", ".join(f"{stage.name} {stage.ms:.3g} ms" for stage in known)
    total = sum(stage.ms for stage in known)
    return f"an answer takes {total:.3g} ms at the median of each stage: {parts}; {most.share:.0%} is {most.name}"
