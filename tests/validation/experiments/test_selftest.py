"""The self-test: what counts as seen, and that a proxy changes nothing until it is told to."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.validation.load.test_workers import Milvus
from tests.validation.load.test_workers import served as _served
from tests.validation.services import Models
from validation.__main__ import app
from validation.clients.http import Access
from validation.clients.milvus_connection import DEFAULT_TLS
from validation.clients.searcher import RawSearcher
from validation.experiments import selftest
from validation.experiments.defects import DEFECTS, NOT_COMPARED, NOT_VALID
from validation.experiments.proxies import WHOLE, HttpProxy, MilvusDefect, MilvusProxy, Stage
from validation.experiments.selftest import MISSED, SEEN, UNCLEAR, Planted, Seen, SelfTest, in_effect, limit_ms, small
from validation.judge.errors import Outcome
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.judge.profile import Profile

served = _served
BY_NAME = {defect.name: defect for defect in DEFECTS}
Proxied = tuple[MilvusProxy, str]


def planted(*verdicts: str) -> SelfTest:
    rows = [Planted(name=f"d{at}", planted="", seen_by="x", verdict=verdict, reason="", also=[]) for at, verdict in enumerate(verdicts)]
    return SelfTest(planted=rows)


def test_every_defect_has_a_name_of_its_own_and_is_seen_by_something_that_is_measured() -> None:
    assert len(BY_NAME) == len(DEFECTS)
    assert {defect.seen_by for defect in DEFECTS} - {NOT_VALID, NOT_COMPARED} <= set(CATALOGUE)
    for defect in DEFECTS:
        measured = {measure.name for check in defect.checks for measure in check.measures}
        assert defect.seen_by in measured | {NOT_VALID, NOT_COMPARED}, defect.name


def test_a_defect_is_seen_by_the_right_objective_for_the_right_reason() -> None:
    dropped, half = BY_NAME["dropped"], BY_NAME["half-loaded"]
    right = "first size: search 3 of retrieval: 8 rows, where 10 were asked for"
    assert Seen(failed={"broken_answers": right}, faults=[]).reason(dropped) == right
    assert Seen(failed={"broken_answers": "first ids: row 3 twice"}, faults=[]).reason(dropped) is None
    assert Seen(failed={"recall_at_10": ""}, faults=[right]).reason(dropped) is None
    assert Seen(failed={}, faults=["collection x holds 10 of 20 rows"]).reason(half) == "collection x holds 10 of 20 rows"
    assert Seen(failed={"search_p50_ms": ""}, faults=[]).reason(BY_NAME["added"]) == ""
    other = "baseline b is of another workload (corpus is b, was a): nothing is compared"
    assert Seen(failed={}, faults=[other], uncompared=[]).reason(BY_NAME["other-baseline"]) is None
    assert Seen(failed={}, faults=[], uncompared=[other]).reason(BY_NAME["other-baseline"]) == other


@pytest.mark.parametrize(
    ("verdicts", "outcome", "code"),
    [((SEEN, SEEN), Outcome.PASS, 0), ((SEEN, MISSED, UNCLEAR), Outcome.FAIL, 1), ((SEEN, UNCLEAR), Outcome.INVALID, 3)],
)
def test_one_missed_defect_fails_and_one_that_proves_nothing_is_no_success(verdicts: tuple[str, ...], outcome: Outcome, code: int) -> None:
    record = planted(*verdicts)
    assert (record.outcome, record.exit_code) == (outcome, code)
    assert record.reason.startswith(f"{verdicts.count(SEEN)} of {len(verdicts)} defects seen")


def test_runs_without_a_defect_that_were_red_are_counted() -> None:
    record = planted(SEEN)
    record.clean, record.red = 10, ["run 3: search_p95_ms"]
    assert "1 of 10 runs without a defect red" in record.reason


def test_the_collection_is_small_and_what_is_not_measured_is_not_judged(profile: Profile) -> None:
    tiny = small(profile)
    assert (tiny.vectors.value, tiny.rate.value) == (2_000, 50)
    assert "search_p95_ms" in tiny.objectives
    assert not {name for name in tiny.objectives if name.startswith(("growing", "sealed", "during_ingest"))}


def test_limits_of_latency_are_widened_where_the_machine_is_slow_and_no_others(profile: Profile, good: Measurements) -> None:
    slow = good | {"search_p50_ms": Measurement(value=40.0, samples=300), "recall_at_10": Measurement(value=0.5, samples=300)}
    wide = in_effect(profile, slow)
    assert limit_ms(wide, "search_p50_ms") == 80
    assert limit_ms(wide, "search_p99_ms") == 400
    assert wide.objectives["recall_at_10"] == profile.objectives["recall_at_10"]


def test_a_machine_that_is_too_slow_proves_nothing_about_latency() -> None:
    limits = {"search_p50_ms": (50.0, 201.0), "search_p95_ms": (150.0, 500.0)}
    drowned = selftest._slow(BY_NAME["added"], limits)
    assert drowned is not None
    assert (drowned.verdict, "201 ms, where 50 ms are promised" in drowned.reason) == (UNCLEAR, True)
    assert selftest._slow(BY_NAME["cold-cache"], limits) is not None
    assert selftest._slow(BY_NAME["jitter"], limits) is None
    assert selftest._slow(BY_NAME["dropped"], limits) is None


def test_the_defects_are_listed_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["selftest", "lab", "--list"])
    assert listed.exit_code == 0
    assert len(listed.output.splitlines()) == len(DEFECTS)
    refused = CliRunner().invoke(app, ["selftest", "lab", "--only", "nothing", "--out", str(tmp_path / "selftest.json")])
    assert refused.exit_code == 2
    assert "no defect is called nothing" in refused.output


@pytest.fixture
def proxied(served: tuple[Milvus, str]) -> Iterator[Proxied]:
    served[0].requests.clear()
    proxy = MilvusProxy(served[1], DEFAULT_TLS)
    with proxy.serving() as url:
        yield proxy, url


def answers(url: str, profile: Profile, count: int = 1) -> list[tuple[list[int], list[float]]]:
    async def search() -> list[tuple[list[int], list[float]]]:
        async with RawSearcher(uri=url, database="db", collection="x", search=profile.search, limit=10) as searcher:
            request = searcher.prepare(np.ones(4, dtype=np.float32), "bucket < 10")
            loop = asyncio.get_running_loop()
            futures = [loop.create_future() for _ in range(count)]
            for future in futures:
                searcher.fire(request, future.set_result)
                await asyncio.wait([future])
            return [([], []) if isinstance(each, Exception) else searcher.read(each) for each in (future.result() for future in futures)]

    return asyncio.run(search())


def test_calls_go_through_as_they_are_until_something_is_planted(proxied: Proxied, served: tuple[Milvus, str], profile: Profile) -> None:
    proxy, url = proxied
    assert answers(url, profile) == answers(served[1], profile) == [([3, 1, 2], [3, 2, 1])]
    assert served[0].requests[0] == served[0].requests[1]
    assert served[0].metadata[-2]["dbname"] == "db"
    BY_NAME["order"].plant(stage(proxy), _nobody())
    assert answers(url, profile) == [([2, 1, 3], [1, 2, 3])]
    proxy.plant(WHOLE)
    assert answers(url, profile) == [([3, 1, 2], [3, 2, 1])]


def test_a_refused_search_is_an_error_and_a_changed_request_arrives_changed(
    proxied: Proxied, served: tuple[Milvus, str], profile: Profile
) -> None:
    proxy, url = proxied
    proxy.plant(MilvusDefect(refuses=lambda search: search.number == 1))
    assert [ids for ids, _ in answers(url, profile, 3)] == [[3, 1, 2], [], [3, 1, 2]]
    BY_NAME["outside-filter"].plant(stage(proxy), _nobody())
    answers(url, profile)
    assert b"bucket < 10" in served[0].requests[0]
    assert b"bucket < 10" not in served[0].requests[-1]


def _nobody() -> Any:
    return None


def stage(milvus: MilvusProxy, http: HttpProxy | None = None) -> Stage:
    other: Any = http
    return Stage(milvus=milvus, embedding=other, llm=other, documents=other, searches=100, limit_ms=lambda _: math.nan)


@pytest.fixture
def http_proxy(models_url: str) -> Iterator[tuple[HttpProxy, str]]:
    proxy = HttpProxy(models_url, Access())
    with proxy.serving() as url:
        yield proxy, url


def test_http_goes_through_with_its_path_query_and_headers(models: Models, http_proxy: tuple[HttpProxy, str]) -> None:
    seen: list[Any] = []

    def note(request: Any) -> None:
        seen.append((request.url.path, request.url.query, request.headers["host"], request.headers["authorization"]))

    models.everything = note
    url = http_proxy[1]
    answer = httpx.get(f"{url}/models?a=%2Fb", headers={"authorization": "Bearer x"})
    assert answer.json()["data"][0]["id"] == "tiny"
    assert seen == [("/v1/models", "a=%2Fb", url.removeprefix("http://").partition("/")[0], "Bearer x")]


@pytest.mark.parametrize(
    ("name", "path", "body", "changed"),
    [
        ("batch-order", "embeddings", {"input": ["a b c", "d e f"]}, lambda plain, other: plain[0] == other[1] and plain[1] == other[0]),
        ("other-model", "embeddings", {"input": ["a b c"]}, lambda plain, other: plain[0] == other[0][::-1]),
    ],
)
def test_vectors_are_changed_on_the_wire(
    http_proxy: tuple[HttpProxy, str], name: str, path: str, body: dict[str, Any], changed: Callable[[Any, Any], bool]
) -> None:
    proxy, url = http_proxy

    def vectors() -> list[Any]:
        data = httpx.post(f"{url}/{path}", json=body).json()["data"]
        return [entry["embedding"] for entry in sorted(data, key=lambda entry: int(entry["index"]))]

    plain = vectors()
    BY_NAME[name].plant(stage(_nobody(), proxy), _nobody())
    assert changed(plain, vectors())
    proxy.plant(None)
    assert vectors() == plain


def test_a_model_that_cites_wrongly_is_a_stream_like_any_other(http_proxy: tuple[HttpProxy, str]) -> None:
    proxy, url = http_proxy
    sources = "[1] Pump (pump)\nThe pump lifts 40 litres.\n\nQuestion: What does the pump lift?"
    body = {"messages": [{"content": "rule"}, {"content": sources}]}

    def text() -> str:
        events = [line[6:] for line in httpx.post(f"{url}/chat/completions", json=body).text.splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        return "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events[:-1])

    assert text() == "The pump lifts 40 litres. [1]"
    BY_NAME["wrong-source"].plant(stage(_nobody(), proxy), _nobody())
    assert text() == "The pump lifts 40 litres. [2]"


def test_a_report_of_a_self_test_is_plain_data() -> None:
    data = json.loads(json.dumps(selftest.as_data(planted(SEEN))))
    assert data["schema"] == "milvus-x10000/gate-selftest"
    assert [each["verdict"] for each in data["planted"]] == [SEEN]
