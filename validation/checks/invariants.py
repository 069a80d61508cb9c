"""What must hold whatever an SLO file says: the invariants of every answer of every load, as one objective, and a clock as others have it.

Every latency is read from the gate's clock; over the whole run it is held against the store's and Milvus's, by bounds rather than
differences, since an answer takes a while and the header `Date` counts whole seconds. One server that disagrees had its wall clock set;
where all do, it is this machine's: a virtual machine that was halted, or a clock source that drifts.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from validation.checks import timed
from validation.checks.context import GATE, Bounds, Loaded, RunContext, clocks_ahead_s
from validation.judge.errors import text_of
from validation.load.open_loop import Sample
from validation.load.plan import NEWEST, expression
from validation.load.truth import Broken, Verifier, passing_counts
from validation.run.record import Facts

_ROUNDED = re.compile(r"SQ|PQ|RABITQ|SCANN|AISAQ|AUTO")  # indexes that keep vectors rounded, or may
_EXHAUSTIVE = {"FLAT", "BIN_FLAT", "GPU_BRUTE_FORCE"}
"""Indexes that look at every row. Others run out of candidates behind a filter: Milvus 2.3.5 then answers with few rows, or none."""
_ASKED_FOR = 20
_DRIFT = 0.01  # of the time that passed: what a clock may run fast or slow by


@GATE.check(after="during_ingest")
def invariants(run: RunContext, facts: Facts) -> None:
    """Does every answer of every load keep what none may break?"""
    broken = [(load, each) for load, members in run.broken.items() for each in members]
    facts["answers"] = run.verified
    facts["broken"] = dict(Counter(each.invariant for _, each in broken))
    facts["first"] = [f"{each.invariant}: search {each.number} of {load}: {each.why}" for load, each in broken[:5]]
    wrong = len({(load, each.number) for load, each in broken})
    if run.verified:
        run.record.measure("broken_answers", wrong, sum(run.verified.values()), note=f"first {facts['first'][0]}" if broken else "")


def verify(run: RunContext, load: str, loaded: Loaded, expected: timed.Expected, samples: Sequence[Sample]) -> None:
    """Hold the answers of one load against the rows, and keep what is broken for the check `invariants`."""
    kind, metric = loaded.collection.index()
    has_known_lengths = metric == "COSINE" or not run.collection  # of others, vectors may be of any length
    exact = not _ROUNDED.search(kind) and has_known_lengths
    verifier = Verifier(rows=loaded.matrix, k=timed.TOP_K, metric=metric, has_exact_scores=exact)
    answered, drawn = [sample for sample in samples if not sample.error], expected.plan
    filters, passing = [expression(chosen) for chosen in drawn.filters], passing_counts(expected.masks)
    least = [0 if chosen and kind not in _EXHAUSTIVE else min(timed.TOP_K, rows) for chosen, rows in zip(filters, passing, strict=True)]
    run.verified[load], run.broken[load] = len(answered), []
    for sample, number in ((sample, sample.number) for sample in answered):
        problems = verifier.problems(sample, drawn.queries[number], expected.masks[number], least[number])
        run.broken[load] += [replace(each, why=f"{each.why} ({filters[number]})") if filters[number] else each for each in problems]
    run.broken[load] += _lost(loaded, expected, verifier, answered)


def _lost(loaded: Loaded, expected: timed.Expected, verifier: Verifier, answered: Sequence[Sample]) -> Iterator[Broken]:
    """Yield planted searches whose row is not there, or most of the newest ones: a graph alone misses a few rows, here and there."""
    drawn, newest = expected.plan, len(loaded.rows) - NEWEST
    planted = [(sample, row) for sample in answered if (row := drawn.planted_rows[sample.number]) is not None]
    asked = ((sample, row, expected.exact[sample.number], drawn.queries[sample.number]) for sample, row in planted)
    missed = [(case[0].number, case[1]) for case in asked if verifier.misses(*case)]
    for number, row in missed[:_ASKED_FOR]:
        if not loaded.collection.holds(loaded.rows[row], loaded.matrix[row]):
            yield Broken("row", number, text_of("broken.lost", row=row))
    young, missed_young = [row for _, row in planted if row >= newest], [(number, row) for number, row in missed if row >= newest]
    if 2 * len(missed_young) > len(young):
        number, row = missed_young[0]
        yield Broken("row", number, text_of("broken.newest", row=row, missed=len(missed_young), of=len(young)))


@GATE.check(after="during_ingest")
def clocks(run: RunContext, facts: Facts) -> None:
    """Does the gate's clock run as the store's and Milvus's do?"""
    before, passed_s = run.clocks_ahead, time.monotonic() - run.begun_s
    gained = {name: gained_s(before[name], now) for name, now in clocks_ahead_s(run.services).items() if name in before}
    facts |= {"seconds": passed_s, "gained_s": gained}
    off = disagreeing(gained, passed_s)
    named = "; ".join(f"of {name} by {gained[name][0]:.3g} to {gained[name][1]:.3g} s" for name in off)
    if off and len(off) == len(gained):
        run.record.faults.append(text_of("fault.clock", named=named, passed_s=passed_s))
    elif off:
        run.reporter.say(f"note: the gate's clock ran ahead {named}, and of no other: the clock there was set meanwhile")


def gained_s(before: Bounds, after: Bounds) -> Bounds:
    """Return between which two numbers of seconds our clock gained on another one."""
    return after[0] - before[1], after[1] - before[0]


def disagreeing(gained: Mapping[str, Bounds], passed_s: float) -> list[str]:
    """Return the clocks that did not run as ours, for certain."""
    return [name for name, (least, most) in gained.items() if least > _DRIFT * passed_s or most < -_DRIFT * passed_s]
