"""The service on a real target: the OpenAI API with retrieval behind it, its bounds, its keys, and what goes on when somebody leaves."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response, StreamingResponse

from tests.validation.ask.stage import Stage
from tests.validation.services import serving, stream
from validation.ask.answering import Answering
from validation.ask.doors import Keys, Rate
from validation.ask.service import build
from validation.clients.connect import Connector
from validation.clients.kube import Mounted
from validation.clients.target import Target
from validation.judge.errors import UsageError

QUESTION = "How much does the pump lift?"
KEY, TENANTS_KEY = "key-of-everybody", "key-of-sales"


def mounted(home: Path) -> Path:
    """Write Secrets as a pod mounts them."""
    for place, text in {
        "secrets/documents-s3/access_key": "AKIDEXAMPLE",
        "secrets/documents-s3/secret_key": "very-secret",
        "keys/default/api_key": f"{KEY}\n",
        "keys/sales/api_key": TENANTS_KEY,
    }.items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(text)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return mounted(tmp_path)


def service(stage: Stage, home: Path, closing: ExitStack, rate: Rate | None = None, at_once: int = 64) -> str:
    target = Target.model_validate(stage.outputs)
    connector = Connector(target=target, kubernetes=Mounted(home / "secrets"), closing=closing, secrets=[])
    app = build(Answering(connector, {"sales": ""}), Keys(home / "keys", {}), rate or Rate(1000, 1000), at_once)
    return closing.enter_context(serving(app))


@pytest.fixture
def client(stage: Stage, home: Path) -> Iterator[httpx.Client]:
    with ExitStack() as closing:
        url = service(stage, home, closing)
        yield closing.enter_context(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20))


def chat(question: str = QUESTION, model: str = "handbook", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    payloads = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert payloads[-1] == "[DONE]"
    return [json.loads(payload) for payload in payloads[:-1]]


def test_an_answer_in_one_piece_has_its_citations_in_the_text_and_as_annotations(client: httpx.Client) -> None:
    told = client.post("/v1/chat/completions", json=chat()).json()
    message = told["choices"][0]["message"]
    assert message["content"].startswith("The pump lifts 40 litres a minute. [1]\n\n[1] [Pump manual](http")
    cited = message["annotations"][0]["url_citation"]
    assert message["content"][cited["start_index"] : cited["end_index"]] == "[1]"
    assert httpx.get(cited["url"]).text.startswith("# Pump manual")
    assert told["answered"] is True
    assert told["passages"][0]["source"] == "en/pump.md"


def test_an_answer_is_streamed_between_its_passages_and_its_citations(client: httpx.Client) -> None:
    response = client.post("/v1/chat/completions", json=chat(stream=True, sources_in_text=False))
    assert response.headers["content-type"].startswith("text/event-stream")
    first, *pieces, last = events(response)
    assert first["passages"][0]["place"] == "Pump manual"
    assert list(first["stages_ms"]) == ["embed", "search"]
    assert "".join(each["choices"][0]["delta"]["content"] for each in pieces) == "The pump lifts 40 litres a minute. [1]"
    assert len(pieces) > 3
    assert last["choices"][0]["finish_reason"] == "stop"
    assert [each["number"] for each in last["citations"]] == [1]
    assert list(last["stages_ms"]) == ["embed", "search", "first_token", "answer", "originals"]


@pytest.mark.parametrize(("language", "source", "word"), [("zh", "zh/guifan.md", "八公里"), ("ja", "ja/tebiki.md", "時速8キロ")])
def test_search_filters_and_says_what_each_stage_took(client: httpx.Client, language: str, source: str, word: str) -> None:
    told = client.post("/v1/search", json={"query": "最高速度", "collection": "handbook", "language": language}).json()
    assert [each["source"] for each in told["data"]] == [source]
    assert word in told["data"][0]["text"]
    assert set(told["stages_ms"]) == {"embed", "search"}


def test_a_passage_comes_with_its_document_and_a_link_to_the_original(client: httpx.Client) -> None:
    passages = client.post("/v1/search", json={"query": "Oil the pump", "collection": "handbook"}).json()["data"]
    oil = next(each for each in passages if "Oil" in each["text"])
    told = client.get(f"/v1/passages/{oil['id']}", params={"collection": "handbook"}).json()
    assert [part["text"] for part in told["chunks"]] == ["The pump lifts 40 litres a minute.", "Oil the pump weekly."]
    assert (told["position"], told["title"], told["problem"]) == (1, "Pump manual", "")
    assert told["link"]


def test_models_are_the_collections_that_ingest_made(client: httpx.Client) -> None:
    assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["empty", "handbook", "other_model", "released"]


@pytest.mark.parametrize("key", ["x", "wrong", f"{KEY}x"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/passages/1?collection=handbook"])
def test_without_the_right_key_nothing_is_told(client: httpx.Client, key: str, path: str) -> None:
    response = client.get(path, headers={"Authorization": f"Bearer {key}"})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "ask.key")


def test_a_tenants_key_opens_its_database_alone(client: httpx.Client) -> None:
    """The small Milvus has one database only: it says so, and nothing of the other one is told."""
    response = client.post("/v1/chat/completions", json=chat(), headers={"Authorization": f"Bearer {TENANTS_KEY}"})
    assert response.status_code in {404, 503}
    assert "40 litres" not in response.text


def test_a_key_that_was_renewed_holds_after_a_moment(client: httpx.Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/v1/models").status_code == 200
    (home / "keys/default/api_key").write_text("another")
    monkeypatch.setattr("validation.ask.doors._READ_AGAIN_S", 0.0)
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers={"Authorization": "Bearer another"}).status_code == 200


def test_it_does_not_start_without_any_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="everybody could ask everything"):
        Keys(tmp_path, {})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (chat(model="nowhere"), 404, "ask.no_collection"),
        (chat(model="released"), 409, "ask.released"),
        (chat(model="empty"), 409, "ask.empty"),
        (chat(model="other_model"), 409, "ask.foreign"),
        (chat("  "), 400, "ask.empty_question"),
        (chat("x" * 100_000), 400, "ask.too_long"),
        (chat("x" * 300_000), 413, "ask.too_long"),
        (chat(limit=0), 400, "ask.body"),
        ({"model": "handbook"}, 400, "ask.body"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_code(client: httpx.Client, body: dict[str, Any], status: int, code: str) -> None:
    response = client.post("/v1/chat/completions", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_without_a_language_model_search_answers_and_a_stream_has_passages_and_the_reason(client: httpx.Client, stage: Stage) -> None:
    stage.models.chat = lambda _: Response("overloaded", 503)
    assert client.post("/v1/search", json={"query": QUESTION, "collection": "handbook"}).status_code == 200
    first, last = events(client.post("/v1/chat/completions", json=chat(stream=True)))
    assert first["passages"]
    assert "the LLM service answered" in last["error"]["message"]
    assert client.post("/v1/chat/completions", json=chat()).status_code == 502


def test_without_milvus_it_says_so_and_works_again_afterwards(client: httpx.Client, stage: Stage) -> None:
    stage.lite.is_gone = True
    response = client.post("/v1/search", json={"query": QUESTION, "collection": "handbook"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "ask.unreachable")
    assert client.get("/health").status_code == 200
    stage.lite.heal()
    assert client.post("/v1/search", json={"query": QUESTION, "collection": "handbook"}).status_code == 200


def test_without_the_embedding_service_it_says_so(stage: Stage, home: Path) -> None:
    with ExitStack() as closing:
        away = replace(stage, outputs={**stage.outputs, "embedding_url": "http://127.0.0.1:9/v1"})
        url = service(away, home, closing)
        response = httpx.post(
            f"{url}/v1/search", json={"query": QUESTION, "collection": "handbook"}, headers={"Authorization": f"Bearer {KEY}"}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (503, "ask.unreachable")
    assert "the embedding service at http://127.0.0.1:9" in response.json()["error"]["message"]


@pytest.mark.parametrize(("body", "reason"), [(None, "NoSuchVersion"), (b"other", "were altered in the store")])
def test_an_original_that_is_gone_or_altered_has_no_link_and_its_passage_is_shown(
    client: httpx.Client, stage: Stage, body: bytes | None, reason: str
) -> None:
    for key in [key for key in stage.bucket.versions if "pump" in key[0]]:
        del stage.bucket.versions[key]
        if body is not None:
            stage.bucket.versions[key] = body
    told = client.post("/v1/chat/completions", json=chat()).json()
    (cited,), message = told["citations"], told["choices"][0]["message"]
    assert (cited["link"], message["annotations"]) == ("", [])
    assert reason in cited["problem"]
    assert "no link" in message["content"]
    passage = client.get(f"/v1/passages/{cited['id']}", params={"collection": "handbook"}).json()
    assert (passage["link"], passage["chunks"][0]["text"]) == ("", "The pump lifts 40 litres a minute.")
    assert reason in passage["problem"]


def test_filters_that_nothing_fits_ask_no_model(client: httpx.Client, stage: Stage) -> None:
    told = client.post("/v1/chat/completions", json=chat(language="fr")).json()
    assert told["choices"][0]["message"]["content"] == "No passage fits these filters."
    assert not [each for each in stage.models.requests if "messages" in each]


def test_a_number_that_is_no_source_gets_no_link(client: httpx.Client, stage: Stage) -> None:
    stage.models.chat = lambda _: stream("See [1], [99] and <script>alert(1)</script>.")
    told = client.post("/v1/chat/completions", json=chat()).json()
    assert told["uncited"] == [99]
    assert len(told["choices"][0]["message"]["annotations"]) == 1


def test_fifty_at_once_are_all_answered(client: httpx.Client) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/chat/completions", json=chat()).status_code, range(50)))
    assert set(answers) == {200}


def test_more_than_the_rate_is_refused_with_the_time_to_wait(stage: Stage, home: Path) -> None:
    with ExitStack() as closing:
        url = service(stage, home, closing, Rate(0.1, 2))
        codes = [httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {KEY}"}) for _ in range(3)]
    assert [each.status_code for each in codes] == [200, 200, 429]
    assert int(codes[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("stop_after", ["passages", "first word"])
@pytest.mark.parametrize("streamed", [True, False])
def test_when_the_client_leaves_the_language_model_stops(client: httpx.Client, stage: Stage, stop_after: str, streamed: bool) -> None:
    asked, ended = threading.Event(), threading.Event()

    async def endless() -> Any:
        try:
            asked.set()
            await asyncio.sleep(3600 if stop_after == "passages" else 0)
            while True:
                yield b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
                await asyncio.sleep(0.02)
        finally:
            ended.set()

    stage.models.chat = lambda _: StreamingResponse(endless(), media_type="text/event-stream")
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=chat(), timeout=httpx.Timeout(5, read=3)) if not streamed else _leave(
            client, stop_after, asked
        )
    assert asked.wait(5)
    assert ended.wait(5), "the model still writes for nobody"
    for _ in range(100):
        counters = client.get("/metrics").text  # the request before may still be under way, for a moment
        if "ask_abandoned_total{} 1" in counters and "ask_in_flight 1" in counters:
            break
        time.sleep(0.02)
    assert "ask_abandoned_total{} 1\n" in counters
    assert "ask_in_flight 1" in counters


def test_a_client_that_stays_to_the_end_is_never_counted_as_one_that_left(client: httpx.Client) -> None:
    for _ in range(200):
        text = client.get("/metrics").text
    assert [line for line in text.splitlines() if line.startswith("ask_abandoned_total{")] == []


def _leave(client: httpx.Client, stop_after: str, asked: threading.Event) -> None:
    with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as response:
        for line in response.iter_lines():
            if "word" in line or (stop_after == "passages" and "passages" in line and asked.wait(10)):
                raise httpx.ReadTimeout("seen enough")


def test_metrics_count_requests_and_seconds_of_stages(client: httpx.Client) -> None:
    client.post("/v1/search", json={"query": QUESTION, "collection": "handbook"})
    text = client.get("/metrics", headers={"Authorization": ""}).text
    assert 'ask_requests_total{endpoint="search",status="200"} 1' in text
    assert 'ask_stage_seconds_total{stage="embed"} ' in text
    assert KEY not in text


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(client: httpx.Client) -> None:
    response = client.get("/", headers={"Authorization": ""})
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
