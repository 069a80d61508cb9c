"""Whether the clock that every latency is read from runs as others do: the store's and Milvus's, over the whole run.

Bounds rather than differences, since an answer takes a while and the header `Date` counts whole seconds. One server that disagrees had its
wall clock set; where all do, it is this machine's: a virtual machine that was halted, or a clock source that drifts.
"""

import time
from collections.abc import Mapping

from validation.checks.context import GATE, Bounds, RunContext, clocks_ahead_s
from validation.run.record import Facts

_DRIFT = 0.01  # of the time that passed: what a clock may run fast or slow by


@GATE.check(after="during_ingest")
def clocks(run: RunContext, facts: Facts) -> None:
    """Does the gate's clock run as the store's and Milvus's do?"""
    before, passed_s = run.clocks_ahead, time.monotonic() - run.begun_s
    gained = {name: gained_s(before[name], now) for name, now in clocks_ahead_s(run.services).items() if name in before}
    facts |= {"seconds": passed_s, "gained_s": gained}
    off = disagreeing(gained, passed_s)
    named = "; ".join(f"of {name} by {gained[name][0]:.3g} to {gained[name][1]:.3g} s" for name in off)
    if off and len(off) == len(gained):
        run.record.faults.append(
            f"the gate's own clock ran ahead {named}, in {passed_s:.0f} s: no duration that it measured is to be trusted"
        )
    elif off:
        run.reporter.say(f"note: the gate's clock ran ahead {named}, and of no other: the clock there was set meanwhile")


def gained_s(before: Bounds, after: Bounds) -> Bounds:
    """Return between which two numbers of seconds our clock gained on another one."""
    return after[0] - before[1], after[1] - before[0]


def disagreeing(gained: Mapping[str, Bounds], passed_s: float) -> list[str]:
    """Return the clocks that did not run as ours, for certain."""
    return [name for name, (least, most) in gained.items() if least > _DRIFT * passed_s or most < -_DRIFT * passed_s]
