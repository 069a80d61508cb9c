"""The gate's clock against others': what is certain, whatever an answer takes."""

import pytest

from validation.checks.invariants import disagreeing, gained_s


@pytest.mark.parametrize(
    ("gained", "off"),
    [
        ({"the store": (-1.0, 1.1), "Milvus": (-0.3, 0.2)}, []),
        ({"the store": (2.0, 4.0), "Milvus": (2.9, 3.1)}, ["the store", "Milvus"]),
        ({"the store": (-9.0, -7.0), "Milvus": (-0.3, 0.2)}, ["the store"]),
        ({"the store": (0.5, 2.5)}, []),
        ({}, []),
    ],
)
def test_a_clock_disagrees_only_when_both_bounds_do_by_a_hundredth_of_the_time(
    gained: dict[str, tuple[float, float]], off: list[str]
) -> None:
    assert disagreeing(gained, 100.0) == off


def test_what_a_clock_gained_is_bounded_by_the_worst_of_both_readings() -> None:
    assert gained_s((10.0, 11.0), (10.5, 11.5)) == (-0.5, 1.5)
