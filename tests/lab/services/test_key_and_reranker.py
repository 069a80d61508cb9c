"""What all three services share with the real engines: a key, a list of models; and the reranker."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lab.services.reader import reader
from lab.services.reranker import MODEL, ranked, reranker
from tests.lab.services.conftest import served


@pytest.fixture(scope="module")
def keyed() -> Iterator[httpx.Client]:
    with served(reader(api_key="k3y")) as client:
        yield client


@pytest.fixture(scope="module")
def ranking() -> Iterator[httpx.Client]:
    with served(reranker()) as client:
        yield client


@pytest.mark.parametrize("key", [None, "", "Bearer wrong", "k3y", "Bearer k3y2"])
def test_without_the_key_only_the_health_is_told(keyed: httpx.Client, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": key}
    assert keyed.get("/health", headers=headers).status_code == 200
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/nothing")):
        refused = keyed.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_with_the_key_everything_is_as_without_one(keyed: httpx.Client, reading: httpx.Client) -> None:
    asked: dict[str, Any] = {"model": "lab-reader", "messages": [{"role": "user", "content": "Hello"}]}
    answers = [
        client.post("/v1/chat/completions", json=asked, headers={"Authorization": "Bearer k3y"}).json()["choices"]
        for client in (keyed, reading)
    ]
    assert answers[0] == answers[1]


def test_the_reader_says_how_much_it_reads(reading: httpx.Client) -> None:
    assert reading.get("/v1/models").json()["data"][0]["max_model_len"] == 4096


def test_the_text_that_answers_comes_first(ranking: httpx.Client) -> None:
    texts = ["The canteen opens at noon.", "A forklift may go 8 km/h.", "A forklift driver needs a licence."]
    answer = ranking.post("/v1/rerank", json={"query": "How fast may a forklift go?", "texts": texts}).json()
    assert [entry["index"] for entry in answer] == [1, 2, 0]
    assert answer[0]["score"] > answer[1]["score"] > answer[2]["score"]
    assert ranking.get("/v1/models").json()["data"][0]["id"] == MODEL


def test_equal_texts_keep_their_order() -> None:
    assert [entry["index"] for entry in ranked("forklift", ["a forklift", "a forklift", "a forklift"])] == [0, 1, 2]


@pytest.mark.parametrize(
    "body",
    [
        {"query": "", "texts": ["a"]},
        {"query": "a"},
        {"query": "a", "texts": []},
        {"query": "a", "texts": ["b"] * 257},
        {"query": "a", "texts": ["b" * 8193]},
        {"query": "a", "texts": [1]},
    ],
)
def test_what_cannot_be_ranked_is_refused(ranking: httpx.Client, body: dict[str, Any]) -> None:
    assert ranking.post("/v1/rerank", json=body).status_code == 400
