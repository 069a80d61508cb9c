"""Tells how often the store asked to come back later, or did not answer, while all other questions were asked."""

from collections import Counter

from validation.checks.storage.bench import Bench

QUESTION = "Did the store answer each request at the first try?"


def run(bench: Bench) -> None:
    """Add the repeats of the whole run."""
    trouble = bench.store.trouble
    if not trouble.reasons:
        bench.record.ok("answers", "each request was answered at the first try")
        return
    told = ", ".join(f"{reason} ({times} times)" for reason, times in Counter(trouble.reasons).most_common(3))
    bench.record.warn(
        "answers",
        f"requests had to be repeated, over {trouble.seconds:.0f} s: {told}",
        "Milvus repeats as well, and is slow meanwhile",
        "look at the store's health and load at this time, then run the preflight again",
    )
