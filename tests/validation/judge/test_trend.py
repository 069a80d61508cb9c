"""What grows is told from what is only noisy, stepped or begun anew, and where too little was seen nothing is decided."""

from collections.abc import Callable

import numpy as np
import pytest

from validation.judge.judgement import Grade
from validation.judge.trend import LEAST, Trend, estimate

NOISE = np.random.default_rng(7)
Shape = Callable[[float], float]


def lifetime(shape: Shape, points: int = 50, hours: float = 0.4, noise: float = 0.0) -> list[tuple[float, float]]:
    return [(float(hour), shape(float(hour)) + NOISE.normal(0, noise or 1e-12)) for hour in np.linspace(0, hours, points)]


def known(*lifetimes: list[tuple[float, float]]) -> Trend:
    seen = estimate(lifetimes)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("shape", "noise", "expected"),
    [
        (lambda _: 800.0, 0.0, Grade.PASS),
        (lambda _: 800.0, 10.0, Grade.PASS),
        (lambda hour: 800 - 300 * hour, 10.0, Grade.PASS),
        (lambda hour: 800 + 500 * hour, 10.0, Grade.FAIL),
        (lambda hour: 800 + 100 * hour, 60.0, Grade.UNDECIDED),
        (lambda hour: 800 + 100 * (hour > 0.2), 1.0, Grade.UNDECIDED),  # one step: nobody knows whether another will come
    ],
    ids=["constant", "noisy", "falls", "leaks", "too noisy to say", "one step"],
)
def test_a_leak_is_seen_and_noise_is_none(shape: Shape, noise: float, expected: Grade) -> None:
    seen = known(lifetime(shape, noise=noise))
    assert seen.grade(160) is expected, seen
    assert seen.low <= seen.per_hour <= seen.high


def test_one_spike_moves_nothing() -> None:
    points = [(hour, 5_000.0 if number == 20 else value) for number, (hour, value) in enumerate(lifetime(lambda _: 100.0, noise=1))]
    assert abs(known(points).per_hour) < 10


def test_a_process_that_begins_anew_neither_leaks_nor_hides_its_leak() -> None:
    """Each life begins lower: over all points the number falls, within each life it grows, and between lives nothing is compared."""
    levels = (800, 500, 200)
    seen = known(*(lifetime(lambda hour, low=low: low + 400 * hour, points=20, hours=0.15, noise=2.0) for low in levels))  # type: ignore[misc]  # a default binds
    assert (seen.lifetimes, seen.points) == (3, 60)
    assert seen.per_hour == pytest.approx(400, rel=0.1)
    flat = known(*(lifetime(lambda _, high=high: float(high), points=20, hours=0.15, noise=2.0) for high in reversed(levels)))  # type: ignore[misc]  # as above
    assert flat.grade(80) is Grade.PASS, flat


def test_too_few_points_of_a_lifetime_are_no_trend_whatever_others_there_are() -> None:
    short = lifetime(lambda hour: 100 * hour, points=LEAST - 1)
    assert estimate([short, short]) is None
    assert estimate([]) is None
    assert known(short, lifetime(lambda _: 3.0)).lifetimes == 1


def test_a_week_of_windows_is_judged_by_a_thousand_of_them() -> None:
    assert known(lifetime(lambda hour: 10 + hour, points=20_160, hours=168)).points <= 1_000


def test_neighbours_that_are_alike_are_rarely_taken_for_a_slope() -> None:
    """Of 200 random walks back to a level, without a slope, about one in twenty may look like one."""
    wrong = 0
    for _ in range(200):
        points, value = list[tuple[float, float]](), 0.0
        for number in range(60):
            value = 0.6 * value + NOISE.normal(0, 3)
            points.append((number / 120, 100 + value))
        wrong += not known(points).low <= 0 <= known(points).high
    assert wrong <= 24
