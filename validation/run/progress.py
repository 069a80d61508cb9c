"""Shows on stderr that long work lives: a bar on a terminal, a plain line every few seconds anywhere else, nothing when quiet."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_EVERY_S = 3.0
Advance = Callable[[int], None]  # called with how much is done so far


class Reporter:
    """Where progress goes."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._clock = clock

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Advance]:
        """Yield a function to call with the amount done."""
        if not self._console.is_terminal or self._console.quiet:
            yield self._lines(label, total)
            return
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)

    def _lines(self, label: str, total: int) -> Advance:
        spoken_s = self._clock()

        def advance(done: int) -> None:
            nonlocal spoken_s
            if self._clock() - spoken_s >= _EVERY_S or done == total:
                spoken_s = self._clock()
                self.say(f"{label} {done:,}/{total:,}")

        return advance


def flush_streams() -> None:
    """Let stdout and stderr keep their order when both go to one file."""
    sys.stdout.flush()
    sys.stderr.flush()
