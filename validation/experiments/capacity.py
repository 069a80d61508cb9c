"""Which rates to try until the highest one that holds is known to a tenth; pure."""

from collections.abc import Callable

PRECISION = 1.1
_GROWTH = 2.0


def search(holds: Callable[[float], bool], lowest: float, highest: float) -> float | None:
    """Return the highest rate tried that holds; None when not even `lowest` does.

    Doubles from `lowest` until a rate does not hold, then halves the gap (geometrically) until it is smaller than a tenth.
    """
    best, worst, rate = None, None, lowest
    while worst is None and rate <= highest:
        if holds(rate):
            best, rate = rate, rate * _GROWTH
        else:
            worst = rate
    while best is not None and worst is not None and worst / best > PRECISION:
        rate = float(f"{(best * worst) ** 0.5:.3g}")
        if not best < rate < worst:
            break
        if holds(rate):
            best = rate
        else:
            worst = rate
    return best
