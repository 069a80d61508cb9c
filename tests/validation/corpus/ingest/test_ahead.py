"""Work is done ahead of whoever asks for it, but never further than agreed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from validation.corpus.ingest.pipeline import ahead


def test_results_come_in_order_and_no_more_is_taken_than_may_be_in_hand() -> None:
    taken, seen = 0, 0
    most = 0

    def given() -> Iterator[int]:
        nonlocal taken, most
        for number in range(50):
            taken += 1
            most = max(most, taken - seen)
            yield number

    with ThreadPoolExecutor(3) as pool:
        for seen, made in enumerate(ahead(pool, lambda number: number * 2, given(), 4), 1):
            assert made == (seen - 1) * 2
    assert (taken, most) == (50, 4)


def test_the_first_failure_ends_it_and_what_waits_is_not_begun() -> None:
    begun = list[int]()

    def work(number: int) -> int:
        begun.append(number)
        raise ValueError("no")

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="no"):
        list(ahead(pool, work, range(50), 4))
    assert len(begun) <= 4
