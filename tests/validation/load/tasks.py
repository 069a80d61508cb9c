"""Submits what has to be waited for, as a client of coroutines does; the product's own client calls back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from validation.load.open_loop import Done, Submit

Send = Callable[[int], Awaitable[Any]]
"""Sends request number i, returns the answer, raises on any failure."""


def awaiting(send: Send) -> Submit:
    """Return a way to submit what has to be waited for: a task for each request, which costs more than a callback."""
    tasks = set[asyncio.Task[Any]]()

    def submit(number: int, done: Done) -> None:
        def ended(task: asyncio.Task[Any]) -> None:
            tasks.discard(task)
            done(ConnectionError("the request was cancelled") if task.cancelled() else task.exception() or task.result())

        task: asyncio.Task[Any] = asyncio.ensure_future(send(number))
        tasks.add(task)
        task.add_done_callback(ended)

    return submit
