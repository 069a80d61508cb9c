"""A command under load: how long nobody was served, and that neither the load nor the command is ever left behind."""

import asyncio
import sys

import pytest

from tests.validation.load.tasks import awaiting
from tests.validation.load.test_open_loop import run
from validation.experiments import during
from validation.experiments.during import During, Ended, Options, Requests, supervise
from validation.judge.errors import InvalidRunError, Outcome
from validation.load.open_loop import Sample


def samples(answered: str) -> list[Sample]:
    """One sample a letter, ten a second: `x` failed."""
    return [
        Sample(number=at, planned_s=7 + at / 10, sent_s=7 + at / 10, ended_s=7 + at / 10, ids=[], error="gone" if letter == "x" else "")
        for at, letter in enumerate(answered)
    ]


def test_a_load_of_which_less_than_95_percent_leaves_in_time_proves_nothing() -> None:
    during.require_sent(samples("." * 50), 10.5)
    for sent, rate in ((50, 10.6), (1, 10), (0, 10)):
        with pytest.raises(InvalidRunError, match="no CPU"):
            during.require_sent(samples("." * sent), rate)


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ("......", []),
        ("..xxx.", [(0.2, 0.3, 3, True)]),
        ("x.xx..", [(0.0, 0.1, 1, True), (0.2, 0.2, 2, True)]),
        ("...xxx", [(0.3, 0.2, 3, False)]),
        ("", []),
    ],
)
def test_an_outage_lasts_until_the_next_request_that_is_answered(answered: str, expected: list[tuple[float, float, int, bool]]) -> None:
    for size in (1, 2, 6):  # counted at once or in parts
        found, given = Requests(), samples(answered)
        for first in range(0, len(given), size):
            found.add(given[first : first + size])
        assert [(round(one.begin_s, 3), round(one.seconds, 3), one.failed, one.ended) for one in found.outages] == expected
        assert (found.sent, found.failed) == (len(answered), answered.count("x"))


async def lasting(seconds: float) -> Ended:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await asyncio.sleep(seconds)
    return Ended(begun_s=begun_s, ended_s=loop.time(), code=0)


def test_the_load_goes_on_until_service_has_been_back_for_a_calm_moment() -> None:
    async def away_from_5_to_25(_number: int) -> list[int]:
        if 5 <= asyncio.get_running_loop().time() < 25:
            raise ConnectionError("gone")
        return [1]

    found, ended = run(during.under_load(awaiting(away_from_5_to_25), 100, lasting(10)))
    assert ended.code == 0
    (away,) = Requests().add(found).outages
    assert away.seconds == pytest.approx(20, abs=0.02)
    assert away.failed == pytest.approx(2_000, abs=2)
    assert found[-1].planned_s == pytest.approx(30, abs=0.1)


def test_requests_that_hang_are_no_calm_moment() -> None:
    async def silent_from_5_to_25(_number: int) -> list[int]:
        if 5 <= asyncio.get_running_loop().time() < 25:
            await asyncio.sleep(7)
            raise TimeoutError
        return [1]

    found, _ = run(during.under_load(awaiting(silent_from_5_to_25), 10, lasting(6)))
    assert found[-1].planned_s == pytest.approx(37, abs=1)
    assert len(Requests().add(found).outages) == 1


def test_a_service_that_does_not_come_back_is_not_waited_for_without_end() -> None:
    async def gone(_number: int) -> list[int]:
        raise ConnectionError("gone")

    found, _ = run(during.under_load(awaiting(gone), 10, lasting(10)))
    assert found[-1].planned_s == pytest.approx(130, abs=1)


def test_a_command_that_cannot_be_run_ends_the_load() -> None:
    async def no_such_command() -> Ended:
        raise ValueError("no such command")

    async def answered(_number: int) -> list[int]:
        return [1]

    with pytest.raises(ValueError, match="no such command"):
        run(during.under_load(awaiting(answered), 100, no_such_command()))


def test_a_command_is_waited_for_and_its_code_is_told() -> None:
    found = asyncio.run(supervise([sys.executable, "-c", "raise SystemExit(3)"], 60))
    assert found.code == 3
    assert found.ended_s > found.begun_s


def test_a_command_that_lasts_too_long_is_ended_with_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(during, "_ENDING_S", 1.0)
    found = asyncio.run(supervise(["sh", "-c", "sleep 600; true"], 0.2))
    assert found.code is None
    assert found.ended_s - found.begun_s < 600


def of(ended: Ended, answered: str, longest_outage_s: float | None = None) -> During:
    options = Options(stack="lab", command=["./rag", "rotate", "lab"], rate=10, limit_s=900, longest_outage_s=longest_outage_s)
    found = During(run_id="x", options=options, ended=ended)
    found.requests.add(samples(answered))
    found.command_s = 60.0
    return found


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (of(Ended(code=0), "..xx.."), Outcome.PASS, "2 of 6 searches failed; longest time without service 0.20 s, in all 0.20 s"),
        (of(Ended(code=0), "..xx..", 0.1), Outcome.FAIL, "more than 0.1 s without service"),
        (of(Ended(code=4), "......"), Outcome.FAIL, "the command ended with 4"),
        (of(Ended(code=None), "......"), Outcome.FAIL, "the command was ended after 900 s"),
        (of(Ended(code=0), "...xxx"), Outcome.FAIL, "service did not come back"),
    ],
)
def test_the_result_says_what_was_lost_and_what_went_wrong(found: During, outcome: Outcome, reason: str) -> None:
    assert (found.outcome, reason in found.reason) == (outcome, True), found.reason
    assert during.as_data(found)["result"]["outcome"] == outcome
    assert during.as_data(found)["longest_without_service_s"] == found.requests.longest_s
