"""Shows on stderr that long work lives: a bar on a terminal, a plain line every few seconds anywhere else, nothing when quiet."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]  # called with how much is done so far


def at_most_every(seconds: float, tell: Advance, total: int = -1, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Return `tell`, but for calls that come sooner than so many seconds after the last one that was passed on; `total` always is."""
    shown_s = clock()

    def advance(done: int) -> None:
        nonlocal shown_s
        if clock() - shown_s >= seconds or done == total:
            shown_s = clock()
            tell(done)

    return advance


class Reporter:
    """Where progress goes."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Advance]:
        """Yield a function to call with the amount done."""
        if not self._console.is_terminal or self._console.quiet:
            yield at_most_every(3.0, lambda done: self.say(f"{label} {done:,}/{total:,}"), total)
            return
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)
