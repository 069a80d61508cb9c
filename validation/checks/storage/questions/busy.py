"""Tells how often the store asked to come back later, or did not answer, while all other questions were asked."""

from collections import Counter

from validation.checks.storage.context import STORE, StoreContext
from validation.run.record import Facts


@STORE.check("busy", "Did the store answer each request at the first try?", after="encryption")
def busy(run: StoreContext, _facts: Facts) -> None:
    """Add the repeats of the whole run."""
    trouble = run.store.trouble
    if not trouble.reasons:
        run.record.ok("answers", "each request was answered at the first try")
        return
    told = ", ".join(f"{reason} ({times} times)" for reason, times in Counter(trouble.reasons).most_common(3))
    run.record.warn(
        "answers",
        f"requests had to be repeated, over {trouble.seconds:.0f} s: {told}",
        "Milvus repeats as well, and is slow meanwhile",
        "look at the store's health and load at this time, then run the preflight again",
    )
