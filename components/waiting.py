"""The one waiting loop: ask until there is an answer, with growing pauses, a report now and then, and an end."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar, cast

from tenacity import RetryCallState, RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential
from tenacity.wait import wait_base

T = TypeVar("T")
_REPORT_EVERY_S = 15.0
_WAIT = wait_exponential(multiplier=0.1, exp_base=1.5, max=2.0)


def until(
    look: Callable[[], T | None],
    *,
    timeout_s: float,
    what: Callable[[], str] = str,
    wait: wait_base | Callable[[RetryCallState], float] = _WAIT,
    late: Callable[[], Exception] | None = None,
) -> T:
    """Return the first answer of `look` that is not None; after `timeout_s` seconds the error that `late` makes, else TimeoutError.

    `what` is reported on standard error every 15 s, which Pulumi shows. `wait` gives the seconds between two looks.
    """
    began = reported = time.monotonic()

    def report(_: RetryCallState) -> None:
        nonlocal reported
        now = time.monotonic()
        if what() and now - reported >= _REPORT_EVERY_S:
            reported = now
            print(f"{what()}: {now - began:.0f} s", file=sys.stderr, flush=True)

    loop = Retrying(retry=retry_if_result(lambda answer: answer is None), stop=stop_after_delay(timeout_s), wait=wait, before_sleep=report)
    try:
        answer = loop(look)
    except RetryError:
        raise (late() if late is not None else TimeoutError(f"{what()}: no answer after {timeout_s:g} s")) from None
    return cast("T", answer)
